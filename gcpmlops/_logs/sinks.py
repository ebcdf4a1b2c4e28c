"""Sinks: entries that go on to Pub/Sub, Cloud Storage or BigQuery."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gcpmlops import _google
from gcpmlops.clients import Clients
from gcpmlops.exceptions import InvalidArgument, NotFound, translated

_DATASET = re.compile(r"(?:(?P<project>[a-z][a-z0-9.:-]+)\.)?(?P<dataset>\w+)")
_ALLOWED = "gs://BUCKET, bq://[PROJECT.]DATASET, projects/P/topics/T, or the API's own form"


@dataclass(frozen=True)
class Sink:
    """A sink; `proto` is Google's LogSink."""

    proto: Any

    @property
    def name(self) -> str:
        """Its id."""
        return str(self.proto.name)

    @property
    def destination(self) -> str:
        """As the API writes it, e.g. storage.googleapis.com/BUCKET."""
        return str(self.proto.destination)

    @property
    def filter(self) -> str:
        """Which entries it sends; empty: all."""
        return str(self.proto.filter)

    @property
    def exclusions(self) -> dict[str, str]:
        """Name → the filter of entries that it leaves out."""
        return {each.name: each.filter for each in self.proto.exclusions}

    @property
    def writer_identity(self) -> str:
        """Who writes to the destination, and needs the right to."""
        return str(self.proto.writer_identity)


class Sinks:
    """API: Cloud Logging v2 ConfigServiceV2."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def ensure(
        self,
        name: str,
        *,
        destination: str,
        filter_: str,
        exclusions: Mapping[str, str],
        partitioned: bool,
        description: str,
        disabled: bool,
    ) -> Sink:
        """See `Logs.ensure_sink`."""
        wanted = _google.logging_config.LogSink(
            name=name,
            destination=self._destination(destination),
            filter=filter_,
            exclusions=[{"name": key, "filter": text} for key, text in exclusions.items()],
            description=description,
            disabled=disabled,
        )
        if partitioned and wanted.destination.startswith("bigquery."):
            wanted.bigquery_options.use_partitioned_tables = True
        try:
            self.get(name)
        except NotFound:
            return self._created(wanted)
        mask = ["destination", "filter", "exclusions", "description", "disabled"]
        with translated(f"sink {name}"):
            request = _google.logging_config.UpdateSinkRequest(
                sink_name=f"{self._project}/sinks/{name}",
                sink=wanted,
                unique_writer_identity=True,
                update_mask={"paths": mask},
            )
            return Sink(self._clients.log_sinks.update_sink(request=request, **self._clients.idempotent))

    def get(self, name: str) -> Sink:
        with translated(f"sink {name}"):
            return Sink(
                self._clients.log_sinks.get_sink(sink_name=f"{self._project}/sinks/{name}", **self._clients.idempotent)
            )

    def list(self) -> list[Sink]:
        with translated("sinks"):
            found = self._clients.log_sinks.list_sinks(parent=self._project, **self._clients.idempotent)
            return [Sink(sink) for sink in found]

    def delete(self, name: str) -> None:
        with translated(f"sink {name}"):
            name = f"{self._project}/sinks/{name}"
            self._clients.log_sinks.delete_sink(sink_name=name, **self._clients.idempotent)

    def _created(self, wanted: Any) -> Sink:
        with translated(f"sink {wanted.name}"):
            request = _google.logging_config.CreateSinkRequest(
                parent=self._project, sink=wanted, unique_writer_identity=True
            )
            return Sink(self._clients.log_sinks.create_sink(request=request, **self._clients.once))

    def _destination(self, text: str) -> str:
        if text.startswith("gs://"):
            return f"storage.googleapis.com/{text.removeprefix('gs://').rstrip('/')}"
        if re.fullmatch(r"projects/[^/]+/topics/[^/]+", text):
            return f"pubsub.googleapis.com/{text}"
        if text.startswith("bq://") and (found := _DATASET.fullmatch(text.removeprefix("bq://"))) is not None:
            project = found["project"] or self._clients.config.require("project")
            return f"bigquery.googleapis.com/projects/{project}/datasets/{found['dataset']}"
        if re.match(r"\w+\.googleapis\.com/", text):
            return text
        raise InvalidArgument(f"destination: {text!r} is none", field="destination", value=text, allowed=_ALLOWED)

    @property
    def _project(self) -> str:
        return f"projects/{self._clients.config.require('project')}"
