"""Cloud Functions (2nd generation): deployed from a folder, called, listed, deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcpmlops._durations import Duration, seconds_of
from gcpmlops._functions import archive
from gcpmlops._functions.calls import Calls
from gcpmlops._functions.function import Function as Function
from gcpmlops._functions.spec import SOURCE_LABEL, Event, Spec, changes
from gcpmlops.clients import Clients
from gcpmlops.exceptions import GcpMlopsError, NotFound, translated
from gcpmlops.types import GsUri

if TYPE_CHECKING:
    from gcpmlops._google import functions_types
    from gcpmlops._logs.rows import LogRow

__all__ = ["Function", "Functions"]

_HINT = "See the functions with `gcpmlops functions list`."
_INVOKER, _ANYONE = "roles/run.invoker", "allUsers"


class Functions:
    """`client.functions`. API: Cloud Functions v2, and Cloud Run v2 for who may call.

    Wherever a function is named, its id or its full resource name does; an id is of the client's project and location.
    """

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._calls = Calls(clients)

    def deploy(
        self,
        name: str,
        *,
        source: str | Path,
        entry_point: str,
        runtime: str = "python311",
        topic: str | None = None,
        bucket: str | None = None,
        event: Event = "finalized",
        retry: bool = False,
        requirements: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        timeout: Duration = 60.0,
        memory: str | None = None,
        cpu: str | None = None,
        concurrency: int | None = None,
        min_instances: int = 0,
        max_instances: int | None = None,
        service_account: str | None = None,
        labels: Mapping[str, str] | None = None,
        description: str = "",
        public: bool = False,
        invokers: Sequence[str] = (),
        wait: bool = True,
    ) -> Function:
        """A function, made or changed to this (CreateFunction, UpdateFunction); what is as it should be is left alone.

        Without `topic` or `bucket` it is called over HTTP. A new revision takes over once it listens: a deployment that
        fails leaves what served before.

        Args:
            name: its id: lower-case letters, digits and -.
            source: a folder with a main.py (.gcloudignore counts), one Python file, or the gs:// URI of a zip.
            entry_point: the Python function in main.py, decorated for functions-framework.
            runtime: python310, python311, ...
            topic: Pub/Sub topic, id or full name, whose messages it gets as CloudEvents.
            bucket: Cloud Storage bucket whose events it gets.
            event: which of the bucket's events.
            retry: events that it failed on are delivered again, for up to a day.
            requirements: added to the source's requirements.txt.
            env: its environment variables, all of them.
            timeout: of one call; 60 min at most over HTTP, 9 min for events.
            memory: such as 256M or 1Gi; default 256M.
            cpu: such as "1"; Google's default goes by the memory.
            concurrency: calls that one instance works on at a time; default 1.
            min_instances: kept warm.
            max_instances: at most; Google's default 100.
            service_account: whom it runs as; default the project's Compute Engine account.
            labels: of the function.
            description: for people.
            public: everybody may call it; otherwise who has roles/run.invoker.
            invokers: members that get that role, such as serviceAccount:EMAIL; those that have it keep it.
            wait: False returns while it is DEPLOYING; `public` and `invokers` are then not looked at.

        Raises InvalidArgument, FailedPrecondition or OperationFailed with the build's or the start's traceback,
        PermissionDenied.
        """
        spec = Spec(
            entry_point, runtime, topic, bucket, event, retry, env or {}, timeout, memory, cpu, concurrency,
            min_instances, max_instances, service_account, labels or {}, description,
        )  # fmt: skip
        spec.check(name.rpartition("/")[2])
        built, uri = self._source(source, entry_point, requirements)
        digest = built.digest if built else ""
        project, full = self._clients.config.require("project"), self._resolve(name)
        wanted = spec.message(full, project=project, location=self._clients.config.location, digest=digest)
        there = self._find(full)
        operation = self._change(wanted, there, built, uri)
        if not wait:
            return self.get(full)
        if operation is not None:
            self._finish(operation, full)
        if not (topic or bucket):
            self._set_invokers(full, public, invokers)
        return self.get(full).wait()

    def get(self, name: str) -> Function:
        """A function (GetFunction). Raises NotFound."""
        full = self._resolve(name)
        with translated(f"function {name}", next_step=_HINT):
            return self._handle(self._clients.functions.get_function(name=full, **self._clients.idempotent))

    def list(self, *, filter: str = "") -> list[Function]:  # noqa: A002 - the API's name
        """The functions of the project and location (ListFunctions)."""
        from gcpmlops._google import functions_types as types

        request = types.ListFunctionsRequest(parent=self._clients.parent, filter=filter)
        with translated("functions"):
            found = self._clients.functions.list_functions(request=request, **self._clients.idempotent)
            return [self._handle(proto) for proto in found]

    def call(
        self,
        name: str,
        data: Any = None,
        *,
        path: str = "",
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        timeout: Duration = 60.0,
    ) -> Any:
        """Calls a function with an identity token of the caller, and returns its answer: JSON as values, else text.

        Args:
            name: the function.
            data: sent as JSON; bytes and text as they are.
            path: below its URL.
            method: POST, GET, ...
            headers: of the call.
            timeout: how long to wait for the answer.

        Raises FunctionFailed with its status and body where it answers an error; Unauthenticated where the credentials
        give no identity token; PermissionDenied without roles/run.invoker; NotFound, Unavailable, DeadlineExceeded.
        """
        function = self.get(name)
        seconds = seconds_of(timeout, field="timeout")
        return self._calls.call(
            function.id, function.url, data, path=path, method=method, headers=headers or {}, timeout=seconds
        )

    def logs(
        self, name: str, *, since: Duration = "1d", limit: int = 100, severity: str | None = None
    ) -> Sequence[LogRow]:
        """What it printed, and its requests, the oldest first (ListLogEntries).

        Args:
            name: the function.
            since: how long ago, by the service's clock.
            limit: the newest so many.
            severity: this or worse, such as ERROR.
        """
        from gcpmlops._log_entries import EntryReader, joined, rfc3339

        full = self._resolve(name)
        service, location = full.rpartition("/")[2].replace("_", "-").lower(), full.split("/")[3]
        begin = self._clients.now() - timedelta(seconds=seconds_of(since, field="since"))
        parts = [
            f'resource.type="cloud_run_revision" resource.labels.service_name="{service}" '
            f'resource.labels.location="{location}" timestamp>="{rfc3339(begin)}"',
            f"severity>={severity}" if severity else "",
        ]
        reader = EntryReader(self._clients, "", what=f"log of function {name}")
        found = reader.listed(joined(*parts), "timestamp desc", page_size=min(limit, 1000))
        return [_row(entry) for entry in islice(found, limit)][::-1]

    def delete(self, name: str, *, wait: bool = True) -> None:
        """Deletes a function with its service and trigger (DeleteFunction). Raises NotFound."""
        full = self._resolve(name)
        with translated(f"function {name}", next_step=_HINT):
            operation = self._clients.functions.delete_function(name=full, **self._clients.once)
        if wait:
            self._clients.finish(operation, timeout=600.0, resource=full)

    def _source(
        self, source: str | Path, entry_point: str, requirements: Sequence[str]
    ) -> tuple[archive.Archive | None, GsUri | None]:
        if isinstance(source, str) and source.startswith("gs://"):
            return None, GsUri.parse(source, field="source")
        return archive.build(Path(source), entry_point=entry_point, requirements=requirements), None

    def _change(
        self,
        wanted: functions_types.Function,
        there: functions_types.Function | None,
        built: archive.Archive | None,
        uri: GsUri | None,
    ) -> Any:
        """The operation; None where all is as it should be."""
        serves = there is not None and there.state.name == "ACTIVE" and not there.state_messages
        if there is not None and not wanted.labels.get(SOURCE_LABEL):
            wanted.labels.pop(SOURCE_LABEL, None)
        paths = changes(wanted, there) if there is not None else []
        same = there is not None and built is not None and there.labels.get(SOURCE_LABEL) == built.digest and serves
        if same and not paths:
            return None
        if not same:
            wanted.build_config.source = self._uploaded(built, uri)
            paths.append("build_config.source")
        with translated(f"function {wanted.name.rpartition('/')[2]}"):
            if there is None:
                parent, _, function_id = wanted.name.rpartition("/functions/")
                return self._clients.functions.create_function(
                    parent=parent, function=wanted, function_id=function_id, **self._clients.once
                )
            mask: Any = {"paths": paths}
            return self._clients.functions.update_function(function=wanted, update_mask=mask, **self._clients.once)

    def _uploaded(self, built: archive.Archive | None, uri: GsUri | None) -> Any:
        from gcpmlops._google import functions_types as types

        if built is None:
            assert uri is not None  # noqa: S101 - one of the two
            return types.Source(storage_source=types.StorageSource(bucket=uri.bucket, object_=uri.name))
        request = types.GenerateUploadUrlRequest(parent=self._clients.parent, environment=types.Environment.GEN_2)
        with translated("the function's source"):
            place = self._clients.functions.generate_upload_url(request=request, **self._clients.idempotent)
            reply = self._clients.request(
                "PUT",
                place.upload_url,
                data=built.content,
                headers={"content-type": "application/zip"},
                timeout=self._clients.config.timeout,
            )
        if not reply.ok:
            raise GcpMlopsError(f"the source could not be uploaded: {reply.status_code} {reply.text[:500]}")
        return types.Source(storage_source=place.storage_source)

    def _finish(self, operation: Any, name: str) -> None:
        function_id = name.rpartition("/")[2]
        try:
            self._clients.finish(operation, timeout=1800.0, resource=f"function {function_id}")
        except GcpMlopsError as error:
            error.next_step = error.next_step or f"See its log: `gcpmlops functions logs {function_id}`."
            raise

    def _set_invokers(self, name: str, public: bool, invokers: Sequence[str]) -> None:
        from google.iam.v1 import policy_pb2

        service = self.get(name).proto.service_config.service
        with translated(service):
            policy = self._clients.run.get_iam_policy({"resource": service}, **self._clients.idempotent)
            others = [item for item in policy.bindings if item.role != _INVOKER or item.condition.expression]
            bound = [item for item in policy.bindings if item.role == _INVOKER and not item.condition.expression]
            before = {member for item in bound for member in item.members}
            members = (before - {_ANYONE}) | set(invokers) | ({_ANYONE} if public else set())
            if members == before:
                return
            del policy.bindings[:]
            policy.bindings.extend(others)
            if members:
                policy.bindings.append(policy_pb2.Binding(role=_INVOKER, members=sorted(members)))
            self._clients.run.set_iam_policy({"resource": service, "policy": policy}, **self._clients.once)

    def _find(self, full: str) -> functions_types.Function | None:
        try:
            return self.get(full).proto
        except NotFound:
            return None

    def _handle(self, proto: functions_types.Function) -> Function:
        return Function(proto, self.get)

    def _resolve(self, name: str) -> str:
        return name if name.startswith("projects/") else f"{self._clients.parent}/functions/{name}"


def _row(entry: Any) -> LogRow:
    """Requests have no text of their own."""
    from gcpmlops._logs.rows import LogRow

    row = LogRow.of(entry)
    http = entry.http_request
    if not http.request_method:
        return row
    latency = http.latency.seconds * 1000 + http.latency.nanos / 1e6
    request = f"{http.request_method} {http.request_url} {http.status} {latency:.0f} ms"
    return replace(row, text=f"{request}: {entry.text_payload}" if entry.text_payload else request)
