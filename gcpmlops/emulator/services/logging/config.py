"""google.logging.v2.ConfigServiceV2: sinks, exclusions, and the log buckets that every project has."""

from __future__ import annotations

import re
from typing import Any

from google.api_core import exceptions
from google.cloud.logging_v2 import types
from google.protobuf import empty_pb2, field_mask_pb2

from gcpmlops.emulator.kernel import masks, paging, validate
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.logging import default_sinks, query
from gcpmlops.emulator.services.logging.default_sinks import DEFAULT, REQUIRED
from gcpmlops.emulator.services.logging.destinations import address
from gcpmlops.emulator.services.logging.names import Names
from gcpmlops.emulator.services.logging.sinks import Sinks
from gcpmlops.emulator.settings import project_number

SHARED_WRITER = "serviceAccount:cloud-logs@system.gserviceaccount.com"

_ID = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_OUTPUT = ("writer_identity", "create_time", "update_time")
_LONGEST_DESCRIPTION = 8000


class ConfigServiceV2(Service):
    """Routing of a project's entries; making log buckets, views and links is not built."""

    proto = "google.logging.v2.ConfigServiceV2"

    def __init__(self, context: Context, sinks: Sinks) -> None:
        super().__init__(context)
        self._sinks = sinks
        self._names = Names(context.settings)

    def create_sink(self, request: types.CreateSinkRequest) -> types.LogSink:
        validate.require(request, "parent", "sink.name", "sink.destination")
        parent = self._names.parent(request.parent)
        sink = types.LogSink(request.sink)
        _check_id(sink.name, "sink.name")
        _check(sink)
        if sink.name in (DEFAULT, REQUIRED):
            raise exceptions.AlreadyExists(f"Sink {sink.name} already exists in {parent}.")
        sink.create_time = sink.update_time = self.clock.now()
        sink.writer_identity = _writer(parent, sink, unique=request.unique_writer_identity)
        return self._sinks.put(parent, sink, is_new=True)

    def get_sink(self, request: types.GetSinkRequest) -> types.LogSink:
        return self._sinks.get(self._names.child(request.sink_name, "sinks"))

    def list_sinks(self, request: types.ListSinksRequest) -> types.ListSinksResponse:
        page, token = paging.page(self._sinks.list(self._names.parent(request.parent)), request)
        return types.ListSinksResponse(sinks=page, next_page_token=token)

    def update_sink(self, request: types.UpdateSinkRequest) -> types.LogSink:
        """Without a mask destination, filter and includeChildren are replaced, as the API has it of old."""
        name = self._names.child(request.sink_name, "sinks")
        with self.locks(name):
            sink = types.LogSink(self._sinks.get(name))
            parent, _, key = name.rpartition("/sinks/")
            _changed(sink, request, "sink", default=("destination", "filter", "include_children"))
            sink.name = key
            _check(sink)
            if key in (DEFAULT, REQUIRED):
                _check_standard(key, sink, self._sinks.get(name))
            else:
                was_unique = sink.writer_identity not in ("", SHARED_WRITER)
                unique = was_unique or request.unique_writer_identity
                sink.writer_identity = _writer(parent, sink, unique=unique)
            sink.update_time = self.clock.now()
            return self._sinks.put(parent, sink, is_new=False)

    def delete_sink(self, request: types.DeleteSinkRequest) -> empty_pb2.Empty:
        name = self._names.child(request.sink_name, "sinks")
        if name.endswith((f"/sinks/{DEFAULT}", f"/sinks/{REQUIRED}")):
            raise exceptions.InvalidArgument(f"Sink {name} can't be deleted; _Default can be disabled.")
        self._sinks.get(name)
        self._sinks.delete(name)
        return empty_pb2.Empty()

    def create_exclusion(self, request: types.CreateExclusionRequest) -> types.LogExclusion:
        validate.require(request, "parent", "exclusion.name", "exclusion.filter")
        parent = self._names.parent(request.parent)
        exclusion = types.LogExclusion(request.exclusion)
        _check_id(exclusion.name, "exclusion.name")
        query.compiled(exclusion.filter)
        exclusion.create_time = exclusion.update_time = self.clock.now()
        made: types.LogExclusion = self._sinks.exclusions.insert(
            f"{parent}/exclusions/{exclusion.name}", exclusion, parent=parent
        )
        self._sinks.changed()
        return made

    def get_exclusion(self, request: types.GetExclusionRequest) -> types.LogExclusion:
        found: types.LogExclusion = self._sinks.exclusions.get(self._names.child(request.name, "exclusions"))
        return found

    def list_exclusions(self, request: types.ListExclusionsRequest) -> types.ListExclusionsResponse:
        page, token = paging.page(self._sinks.exclusions.list(self._names.parent(request.parent)), request)
        return types.ListExclusionsResponse(exclusions=page, next_page_token=token)

    def update_exclusion(self, request: types.UpdateExclusionRequest) -> types.LogExclusion:
        name = self._names.child(request.name, "exclusions")

        def change(exclusion: types.LogExclusion) -> types.LogExclusion:
            key = exclusion.name
            _changed(exclusion, request, "exclusion", default=("filter", "description", "disabled"))
            query.compiled(exclusion.filter)
            exclusion.name, exclusion.update_time = key, self.clock.now()
            return exclusion

        updated: types.LogExclusion = self._sinks.exclusions.update(name, change)
        self._sinks.changed()
        return updated

    def delete_exclusion(self, request: types.DeleteExclusionRequest) -> empty_pb2.Empty:
        self._sinks.exclusions.delete(self._names.child(request.name, "exclusions"))
        self._sinks.changed()
        return empty_pb2.Empty()

    def list_buckets(self, request: types.ListBucketsRequest) -> types.ListBucketsResponse:
        parent, _, location = request.parent.partition("/locations/")
        found = default_sinks.buckets(self._names.parent(parent)) if location in ("-", "global") else []
        page, token = paging.page(found, request)
        return types.ListBucketsResponse(buckets=page, next_page_token=token)

    def get_bucket(self, request: types.GetBucketRequest) -> types.LogBucket:
        name = self._names.own(request.name)
        found = default_sinks.buckets(self._names.parent(name.partition("/locations/")[0]))
        for bucket in found:
            if bucket.name == name:
                return bucket
        raise exceptions.NotFound(f"Log bucket {name} does not exist: a project has _Default and _Required, in global.")


def _changed(target: Any, request: Any, field: str, *, default: tuple[str, ...]) -> None:
    paths = masks.snake(masks.raw(request).update_mask).paths or default
    mask = field_mask_pb2.FieldMask(paths=paths)
    masks.apply(mask, target, getattr(request, field), immutable=("name", *_OUTPUT))


def _check_id(name: str, field: str) -> None:
    if not _ID.fullmatch(name) or (not name[0].isalnum() and name[0] != "_"):
        raise validate.invalid(field, f"{name!r}: expected up to 100 letters, digits, _, - and .")


def _check(sink: types.LogSink) -> None:
    address.parse(sink.destination)
    query.compiled(sink.filter)
    for exclusion in sink.exclusions:
        validate.require(exclusion, "name", "filter")
        query.compiled(exclusion.filter)
    if len(sink.description) > _LONGEST_DESCRIPTION:
        raise validate.invalid("sink.description", f"{_LONGEST_DESCRIPTION} characters are allowed.")
    if sink.bigquery_options.use_partitioned_tables:
        sink.bigquery_options.uses_timestamp_column_partitioning = True


def _check_standard(key: str, sink: types.LogSink, before: types.LogSink) -> None:
    if key == REQUIRED:
        raise exceptions.InvalidArgument("Sink _Required can't be changed.")
    if sink.destination != before.destination:
        raise exceptions.MethodNotImplemented("Another destination of the sink _Default is not built: add a sink.")


def _writer(parent: str, sink: types.LogSink, *, unique: bool) -> str:
    if address.parse(sink.destination).kind == "logging":
        return ""  # the project's own
    if not unique:
        return SHARED_WRITER
    number = project_number(parent.removeprefix("projects/"))
    return f"serviceAccount:service-{number}@gcp-sa-logging.iam.gserviceaccount.com"
