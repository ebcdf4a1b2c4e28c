"""google.cloud.functions.v2.FunctionService."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from google.api_core import exceptions
from google.cloud.functions_v2 import types

from gcpmlops.emulator.kernel import filters, masks, names, paging, validate
from gcpmlops.emulator.kernel.access import act_as
from gcpmlops.emulator.kernel.call import current_call
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.functions import naming, revisions
from gcpmlops.emulator.services.functions.deploying import Deployments

log = logging.getLogger(__name__)

_OUTPUT_ONLY = ("name", "state", "update_time", "create_time", "state_messages", "url", "satisfies_pzs", "environment")
_ALLOW_ALL: Any = types.ServiceConfig.IngressSettings.ALLOW_ALL
_SERVING = ("build_config", "service_config", "event_trigger")  # a change of these makes a new revision
_GEN_2: Any = types.Environment.GEN_2
_DEPLOYING: Any = types.Function.State.DEPLOYING


class FunctionService(Service):
    """One deployment of a function at a time; another one is refused while it lasts."""

    proto = "google.cloud.functions.v2.FunctionService"

    def __init__(self, context: Context, deployments: Deployments, email: str) -> None:
        super().__init__(context)
        self._deployments = deployments
        self._rows = deployments.rows
        self._email = email
        self._under_way: set[str] = set()
        self._lock = threading.Lock()

    def create_function(self, request: types.CreateFunctionRequest) -> Any:
        """Builds and starts the function; the operation fails with the traceback where it can't be started."""
        names.parse(naming.LOCATION, request.parent)
        function_id = request.function_id or request.function.name.rpartition("/")[2]
        naming.check_id(function_id)
        name = f"{request.parent}/functions/{function_id}"
        if self._rows.find(name) is not None:
            raise exceptions.AlreadyExists(f"Could not create function {name}: it already exists.")
        function = types.Function(request.function)
        function.name, function.create_time = name, self.clock.now()
        self._complete(function)
        return self._start("create", function, None)

    def get_function(self, request: types.GetFunctionRequest) -> types.Function:
        return self._rows.get(request.name)  # type: ignore[no-any-return]

    def list_functions(self, request: types.ListFunctionsRequest) -> types.ListFunctionsResponse:
        """Of one location, or of all (``locations/-``)."""
        found = below(self._rows, request.parent, "functions")
        chosen = [function for function in found if filters.matches(request.filter, function)]
        functions, token = paging.page(filters.order(chosen, request.order_by), request)
        return types.ListFunctionsResponse(functions=functions, next_page_token=token)

    def update_function(self, request: types.UpdateFunctionRequest) -> Any:
        """Changes what the mask names; a changed build, service or trigger is a new revision."""
        validate.require(request, "function.name")
        before = self._rows.get(request.function.name)
        function = types.Function(before)
        given = types.Function(request.function)
        given.build_config.source_provenance = types.SourceProvenance()
        masks.apply(request.update_mask, function, given, immutable=_OUTPUT_ONLY)
        if "event_trigger" in function:
            same = _listens_to(function) == _listens_to(before)
            function.event_trigger.trigger = before.event_trigger.trigger if same else ""
        self._complete(function)
        if before.state == types.Function.State.ACTIVE and not _changed(before, function):
            return self._relabelled(function)
        return self._start("update", function, before)

    def delete_function(self, request: types.DeleteFunctionRequest) -> Any:
        """Stops it, with its Cloud Run service and its trigger."""
        function = self._rows.get(request.name)
        self._claim(function.name)
        return self._operation("delete", function, lambda: self._deployments.delete(function.name))

    def generate_upload_url(self, request: types.GenerateUploadUrlRequest) -> types.GenerateUploadUrlResponse:
        """A signed URL to PUT a zip to."""
        names.parse(naming.LOCATION, request.parent)
        return self._deployments.sources.upload_url(request.parent)

    def generate_download_url(self, request: types.GenerateDownloadUrlRequest) -> types.GenerateDownloadUrlResponse:
        """A signed URL of the deployed archive."""
        url = self._deployments.sources.download_url(self._rows.get(request.name))
        return types.GenerateDownloadUrlResponse(download_url=url)

    def list_runtimes(self, request: types.ListRuntimesRequest) -> types.ListRuntimesResponse:
        """Those that an interpreter is at hand for."""
        names.parse(naming.LOCATION, request.parent)
        stage = types.ListRuntimesResponse.RuntimeStage.GA
        shown = [
            types.ListRuntimesResponse.Runtime(
                name=name, display_name=f"Python 3.{minor}", stage=stage, environment=_GEN_2
            )
            for name, minor in self._deployments.revisions.runtimes().items()
        ]
        return types.ListRuntimesResponse(runtimes=shown)

    def _complete(self, function: types.Function) -> None:
        """Checks what was given and fills in what Cloud Functions does."""
        validate.require(function, "build_config.runtime", "build_config.entry_point")
        validate.labels(function.labels)
        self._deployments.revisions.check(function)
        function.environment, function.url = _GEN_2, naming.function_url(function.name)
        config, service = function.service_config, naming.service_of(function.name)
        config.service, config.uri = service, naming.service_url(service)
        config.timeout_seconds = config.timeout_seconds or 60
        config.available_memory = config.available_memory or "256M"
        config.available_cpu = config.available_cpu or "0.1666"
        config.max_instance_count = config.max_instance_count or 100
        config.max_instance_request_concurrency = config.max_instance_request_concurrency or 1
        if not int(config.ingress_settings):
            config.ingress_settings = _ALLOW_ALL
        config.service_account_email = config.service_account_email or self._email
        act_as(self.access, config.service_account_email, function.name)
        config.all_traffic_on_latest_revision = True
        if function.event_trigger.event_type:
            self._deployments.triggers.completed(function)
        else:
            types.Function.pb(function).ClearField("event_trigger")
        _note_ignored(function)

    def _start(self, verb: str, function: types.Function, before: types.Function | None) -> Any:
        self._claim(function.name)
        shown = types.Function(before if before is not None else function)
        shown.state, shown.update_time = _DEPLOYING, self.clock.now()
        shown.state_messages = []
        self._rows.put(function.name, shown)
        return self._operation(verb, function, lambda: self._deployments.deploy(function, before))

    def _relabelled(self, function: types.Function) -> Any:
        self._claim(function.name)

        def run() -> types.Function:
            function.update_time = self.clock.now()
            self._rows.put(function.name, function)
            return function

        return self._operation("update", function, run)

    def _operation(self, verb: str, function: types.Function, run: Callable[[], Any]) -> Any:
        def guarded() -> Any:
            try:
                return run()
            finally:
                with self._lock:
                    self._under_way.discard(function.name)

        parent = function.name.rpartition("/functions/")[0]
        return self.operations.start(parent=parent, metadata=self._metadata(verb, function), run=guarded)

    def _metadata(self, verb: str, function: types.Function) -> types.OperationMetadata:
        kind = getattr(types.OperationType, f"{verb.upper()}_FUNCTION")
        metadata = types.OperationMetadata(
            create_time=self.clock.now(),
            target=function.name,
            verb=verb,
            api_version=current_call().version,
            operation_type=kind,
        )
        if verb != "delete":
            metadata.request_resource = _packed(function)
        return metadata

    def _claim(self, name: str) -> None:
        with self._lock:
            if name in self._under_way:
                raise exceptions.Aborted(f"Unable to queue the operation: another one on {name} is in progress.")
            self._under_way.add(name)


def below(rows: Any, parent: str, collection: str) -> list[Any]:
    """The rows of a location, or of all locations of a project."""
    where = names.parse(naming.LOCATION, parent)
    if where["location"] != "-":
        return list(rows.list(parent=parent))
    prefix = f"projects/{where['project']}/locations/"
    return [row for row in rows.list() if row.name.startswith(prefix) and f"/{collection}/" in row.name]


def _packed(function: types.Function) -> Any:
    from google.protobuf import any_pb2

    packed = any_pb2.Any()
    packed.Pack(types.Function.pb(function))
    return packed


def _listens_to(function: types.Function) -> tuple[Any, ...]:
    trigger = function.event_trigger
    filters_ = sorted((item.attribute, item.value, item.operator) for item in trigger.event_filters)
    topic = "" if "/topics/eventarc-" in trigger.pubsub_topic else trigger.pubsub_topic
    return (trigger.event_type, topic, filters_, trigger.service_account_email, trigger.trigger_region)


def _changed(before: types.Function, after: types.Function) -> bool:
    old, new = types.Function.pb(before), types.Function.pb(after)
    return any(getattr(old, part) != getattr(new, part) for part in _SERVING)


def _note_ignored(function: types.Function) -> None:
    build, service = function.build_config, function.service_config
    present = [f"build_config.{name}" for name in revisions.IGNORED_BUILD if getattr(build, name)]
    present += [f"service_config.{name}" for name in revisions.IGNORED_SERVICE if getattr(service, name)]
    log.info("%s: %s: kept, without meaning for local processes", function.name, ", ".join(present))
