"""A job of Cloud Scheduler, as it was when asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gcpmlops import _html
from gcpmlops._handle import Resource

if TYPE_CHECKING:
    from gcpmlops._google import scheduler_job


@dataclass(frozen=True)
class ScheduledJob(Resource):
    """`proto` is Google's own message."""

    proto: scheduler_job.Job

    @property
    def state(self) -> str:
        """ENABLED, PAUSED, DISABLED or UPDATE_FAILED."""
        return str(self.proto.state.name)

    @property
    def schedule(self) -> str:
        """When it runs: unix-cron."""
        return str(self.proto.schedule)

    @property
    def time_zone(self) -> str:
        """The zone whose clock the schedule goes by."""
        return str(self.proto.time_zone)

    @property
    def description(self) -> str:
        """What people are told about it."""
        return str(self.proto.description)

    @property
    def target(self) -> str:
        """What it calls: a URL, a topic's name, or App Engine's relative URI."""
        for kind, field in (("http_target", "uri"), ("pubsub_target", "topic_name")):
            if kind in self.proto:
                return str(getattr(getattr(self.proto, kind), field))
        return str(self.proto.app_engine_http_target.relative_uri)

    @property
    def next_run(self) -> datetime | None:
        """When it runs next, or is tried again (UTC); None while it is paused."""
        return _moment(self.proto.schedule_time) if self.state == "ENABLED" else None

    @property
    def last_run(self) -> datetime | None:
        """When the last attempt began (UTC); None before the first."""
        return _moment(self.proto.last_attempt_time)

    @property
    def last_error(self) -> str:
        """Why the last attempt failed, as status and text; empty where it did not."""
        status = self.proto.status
        if not self.last_run or not status.code:
            return ""
        from google.rpc import code_pb2

        return f"{code_pb2.Code.Name(status.code)} {status.message}".strip()

    def _repr_html_(self) -> str:
        rows = {"schedule": f"{self.schedule} ({self.time_zone})", "target": self.target, "state": self.state}
        return _html.card(self.id, {**rows, "next run": self.next_run, "last error": self.last_error})


def _moment(value: Any) -> datetime | None:
    return datetime.fromtimestamp(value.timestamp(), value.tzinfo) if value else None
