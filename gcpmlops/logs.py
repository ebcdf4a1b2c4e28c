"""Logs: a handler for Python's logging, queries, followed logs, log-based metrics and sinks."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Literal, TextIO

from gcpmlops._durations import Duration, seconds_of
from gcpmlops._logs import trace
from gcpmlops._logs.handlers import ApiHandler, Form, LineHandler
from gcpmlops._logs.metrics import LogMetric, LogMetrics
from gcpmlops._logs.rows import LogRow, LogRows
from gcpmlops._logs.sinks import Sink, Sinks
from gcpmlops.clients import Clients
from gcpmlops.config import Runtime
from gcpmlops.exceptions import InvalidArgument, translated
from gcpmlops.types import Labels

__all__ = ["ApiHandler", "LineHandler", "LogMetric", "LogRow", "LogRows", "Logs", "Sink"]

LOG = "gcpmlops"  # the id of the log that entries go to where none is named


class Logs:
    """`client.logs`. API: Cloud Logging v2."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._metrics = LogMetrics(clients)
        self._sinks = Sinks(clients)

    def handler(
        self,
        *,
        to: Literal["stdout", "api"] | TextIO = "stdout",
        form: Form = "google",
        log: str = LOG,
        labels: Labels | None = None,
        service: str | None = None,
        version: str | None = None,
        level: int | str = logging.NOTSET,
    ) -> logging.Handler:
        """A handler for Python's logging that writes structured JSON.

        Each line has severity, message, time, source, labels (those of the job, function or service that runs it among
        them), the request's trace, and an exception's stack trace as Error Reporting takes it.

        Args:
            to: `stdout`, or an open stream: JSON lines, which Cloud Run, Vertex AI and GKE pick up. `api`: entries by
                WriteLogEntries, gathered and written by a thread; logging never waits, up to 20,000 entries wait, what
                is lost is counted and said, what can't be written is shown on stderr.
            form: `google`, or `ecs`: the Elastic Common Schema, for an ELK stack (not with `api`).
            log: id of the log, with `api`.
            labels: of all lines.
            service: groups errors; the function's or service's own name otherwise.
            version: of the service.
            level: the handler's.

        Raises: InvalidArgument.
        """
        runtime = self._named(service, version)
        made: logging.Handler
        if to == "api":
            made = self._api_handler(form, log, runtime, labels or {})
        elif isinstance(to, str) and to != "stdout":
            raise InvalidArgument(f"to: {to!r} is not one", field="to", value=to, allowed="stdout, api or a stream")
        else:
            stream = None if isinstance(to, str) else to
            project = self._clients.config.project
            made = LineHandler(stream, form=form, project=project, runtime=runtime, labels=labels or {})
        made.setLevel(level)
        return made

    def install(self, *, level: int | str = logging.INFO, **handler: Any) -> logging.Handler:
        """Make a handler (see `handler`) the only one of the root logger, and set its level: once, at the start.

        Returns the handler; its `close()` writes what is left.
        """
        made = self.handler(**handler)
        logging.basicConfig(level=level, handlers=[made], force=True)
        return made

    def bind(
        self, headers: Mapping[str, str] | None = None, *, trace_id: str | None = None, labels: Labels | None = None
    ) -> AbstractContextManager[None]:
        """What is logged within `with client.logs.bind(request.headers):` belongs to that request.

        Args:
            headers: a request's; `traceparent` or `X-Cloud-Trace-Context` among them. Within a Cloud Function, or any
                request of Flask, and a span of OpenTelemetry, the trace is found without.
            trace_id: the trace itself, 32 hexadecimal digits.
            labels: of what is logged within.
        """
        found = trace.Trace(trace_id) if trace_id else trace.of_headers(headers or {})
        return trace.bound(found, labels or {})

    def write(
        self,
        message: str | Mapping[str, Any],
        *,
        severity: str = "INFO",
        log: str = LOG,
        labels: Labels | None = None,
        trace_id: str | None = None,
    ) -> None:
        """Write one entry, text or JSON, and return when it is stored (WriteLogEntries).

        Raises InvalidArgument for an unknown severity, PermissionDenied.
        """
        from gcpmlops._logs import entries

        entry = entries.of_value(message, severity=severity, labels=labels or {})
        project = self._clients.config.require("project")
        if trace_id:
            entry.trace = f"projects/{project}/traces/{trace_id}"
        resource = (self._runtime.resource_type, self._runtime.resource_labels)
        with translated(f"log {log}"):
            request = entries.request(project, log, resource, [entry])
            self._clients.logging.write_log_entries(request=request, **self._clients.idempotent)

    def query(
        self,
        filter: str = "",  # noqa: A002 - the API's name
        *,
        since: Duration | datetime | None = "1d",
        until: datetime | None = None,
        limit: int | None = 1000,
        order: Literal["desc", "asc"] = "desc",
    ) -> LogRows:
        """Entries that pass a filter (ListLogEntries).

        Args:
            filter: in the Logging query language, e.g. `severity>=ERROR AND resource.type="ml_job"`.
            since: how long ago, by the service's clock, or an aware time; None: as long as entries are kept.
            until: an aware time.
            limit: how many at most; None: all.
            order: `desc`, the newest first, or `asc`.

        Raises: InvalidArgument for a filter that doesn't parse.
        """
        from itertools import islice

        from gcpmlops._log_entries import EntryReader, joined, rfc3339

        if order not in ("desc", "asc"):
            raise InvalidArgument(f"order: {order!r} is none", field="order", value=order, allowed="desc or asc")
        bounds = [f'timestamp>="{rfc3339(self._moment(since))}"'] if since is not None else []
        if until is not None:
            bounds.append(f'timestamp<="{rfc3339(self._moment(until, "until"))}"')
        reader = EntryReader(self._clients, "", what="log entries")
        found = reader.listed(
            joined(filter, *bounds) if bounds else filter, f"timestamp {order}", page_size=min(limit or 1000, 1000)
        )
        return LogRows(LogRow.of(entry) for entry in islice(found, limit))

    def follow(
        self,
        filter: str = "",  # noqa: A002 - the API's name
        *,
        since: Duration | datetime = 0.0,
        timeout: float | None = None,
    ) -> Iterator[LogRow]:
        """Entries as they come, each once (TailLogEntries; ListLogEntries where the stream is refused or breaks).

        Args:
            filter: in the Logging query language.
            since: how long ago it begins, or an aware time.
            timeout: seconds after which it ends; None: never.
        """
        from gcpmlops._logs.following import follow

        return follow(self._clients, filter, since=self._moment(since), timeout=timeout)

    def list(self) -> list[str]:
        """Ids of the logs that hold entries (ListLogs)."""
        from urllib.parse import unquote

        with translated("logs"):
            parent = f"projects/{self._clients.config.require('project')}"
            found = self._clients.logging.list_logs(parent=parent, **self._clients.idempotent)
            return [unquote(name.partition("/logs/")[2]) for name in found]

    def delete(self, log: str) -> None:
        """Delete a log with all its entries (DeleteLog). Raises NotFound."""
        from urllib.parse import quote

        with translated(f"log {log}"):
            name = f"projects/{self._clients.config.require('project')}/logs/{quote(log, safe='')}"
            self._clients.logging.delete_log(log_name=name, **self._clients.idempotent)

    def ensure_metric(
        self,
        name: str,
        *,
        filter: str,  # noqa: A002 - the API's name
        value: str | None = None,
        labels: Mapping[str, str] | None = None,
        buckets: Sequence[float] = (),
        unit: str = "1",
        description: str = "",
        disabled: bool = False,
    ) -> LogMetric:
        r"""A log-based metric, made or brought up to date (CreateLogMetric, UpdateLogMetric).

        Its time series are `logging.googleapis.com/user/NAME` in Cloud Monitoring.

        Args:
            name: its id.
            filter: which entries count.
            value: what is gathered, which makes it a distribution: a field (`jsonPayload.loss`) or an expression
                (`REGEXP_EXTRACT(textPayload, "took (\d+) ms")`). None: entries are counted.
            labels: label → the field or expression that gets it.
            buckets: bounds of a distribution's buckets, rising; Google's default otherwise.
            unit: of the value, e.g. `ms`.
            description: what it is for.
            disabled: nothing is counted.

        Raises: InvalidArgument; FailedPrecondition where there is one of the other kind.
        """
        return self._metrics.ensure(
            name,
            filter_=filter,
            value=value,
            labels=labels or {},
            buckets=buckets,
            unit=unit,
            description=description,
            disabled=disabled,
        )

    def get_metric(self, name: str) -> LogMetric:
        """A log-based metric (GetLogMetric). Raises NotFound."""
        return self._metrics.get(name)

    def list_metrics(self) -> Sequence[LogMetric]:
        """All log-based metrics (ListLogMetrics)."""
        return self._metrics.list()

    def delete_metric(self, name: str) -> None:
        """Delete a log-based metric (DeleteLogMetric). Raises NotFound."""
        self._metrics.delete(name)

    def ensure_sink(
        self,
        name: str,
        *,
        destination: str,
        filter: str = "",  # noqa: A002 - the API's name
        exclusions: Mapping[str, str] | None = None,
        partitioned: bool = True,
        description: str = "",
        disabled: bool = False,
    ) -> Sink:
        """A sink, made or brought up to date (CreateSink, UpdateSink). It sends what is logged from then on.

        Args:
            name: its id.
            destination: gs://BUCKET (files by the hour), bq://[PROJECT.]DATASET (a table for each log), or
                projects/P/topics/T (a message for each entry). Its `writer_identity` needs the right to write there.
            filter: which entries; empty: all.
            exclusions: name → filter of entries that are left out.
            partitioned: whether new tables of BigQuery are partitioned by day; otherwise there is one for each day.
            description: what it is for.
            disabled: it sends nothing.

        Raises: InvalidArgument, PermissionDenied.
        """
        return self._sinks.ensure(
            name,
            destination=destination,
            filter_=filter,
            exclusions=exclusions or {},
            partitioned=partitioned,
            description=description,
            disabled=disabled,
        )

    def get_sink(self, name: str) -> Sink:
        """A sink (GetSink). Raises NotFound."""
        return self._sinks.get(name)

    def list_sinks(self) -> Sequence[Sink]:
        """All sinks (ListSinks)."""
        return self._sinks.list()

    def delete_sink(self, name: str) -> None:
        """Delete a sink (DeleteSink). Raises NotFound."""
        self._sinks.delete(name)

    @cached_property
    def _runtime(self) -> Runtime:
        return Runtime.load(self._clients.config)

    def _named(self, service: str | None, version: str | None) -> Runtime:
        from dataclasses import replace

        given = {"service": service, "version": version}
        return replace(self._runtime, service={**self._runtime.service, **{k: v for k, v in given.items() if v}})

    def _api_handler(self, form: str, log: str, runtime: Runtime, labels: Labels) -> ApiHandler:
        from gcpmlops._logs.sending import Sender

        if form != "google":
            raise InvalidArgument(
                f"form: {form!r} has no place in Cloud Logging", field="form", value=form, allowed="google"
            )
        self._clients.config.require("project")
        resource = (runtime.resource_type, runtime.resource_labels)
        sender = Sender(self._clients, log, resource, deadline=self._clients.config.retry_deadline)
        return ApiHandler(sender, runtime=runtime, labels=labels)

    def _moment(self, given: Duration | datetime, field: str = "since") -> datetime:
        if isinstance(given, datetime):
            if given.tzinfo is None:
                raise InvalidArgument(
                    f"{field}: {given} has no time zone", field=field, value=given, allowed="aware times"
                )
            return given
        return self._clients.now() - timedelta(seconds=seconds_of(given, field=field))
