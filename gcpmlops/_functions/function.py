"""A Cloud Function, as it was when asked for."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gcpmlops import _html, _waiting
from gcpmlops._handle import Resource
from gcpmlops.exceptions import DeadlineExceeded, OperationFailed

if TYPE_CHECKING:
    from gcpmlops._google import functions_types


@dataclass(frozen=True)
class Function(Resource):
    """`proto` is Google's own message."""

    proto: functions_types.Function
    _fetch: Callable[[str], Function] = field(repr=False, compare=False)

    @property
    def state(self) -> str:
        """ACTIVE, DEPLOYING, DELETING, FAILED or UNKNOWN."""
        return str(self.proto.state.name)

    @property
    def url(self) -> str:
        """Where it is called: https://LOCATION-PROJECT.cloudfunctions.net/ID."""
        return str(self.proto.url)

    @property
    def service_url(self) -> str:
        """The URL of its Cloud Run service, which does as well."""
        return str(self.proto.service_config.uri)

    @property
    def runtime(self) -> str:
        """Such as python311."""
        return str(self.proto.build_config.runtime)

    @property
    def entry_point(self) -> str:
        """The Python function that is called."""
        return str(self.proto.build_config.entry_point)

    @property
    def trigger(self) -> str:
        """`http`, the topic's name, or the bucket with the event's type."""
        trigger = self.proto.event_trigger
        if not trigger.event_type:
            return "http"
        buckets = [found.value for found in trigger.event_filters if found.attribute == "bucket"]
        return f"gs://{buckets[0]} {trigger.event_type.rpartition('.')[2]}" if buckets else str(trigger.pubsub_topic)

    @property
    def revision(self) -> str:
        """The Cloud Run revision that serves."""
        return str(self.proto.service_config.revision)

    @property
    def updated(self) -> datetime:
        """When it was changed last (aware, UTC)."""
        return self.proto.update_time  # type: ignore[no-any-return]

    @property
    def error(self) -> str:
        """Why the last deployment failed; empty where it did not."""
        return "\n".join(message.message for message in self.proto.state_messages)

    def wait(self, *, timeout: float | None = 600.0) -> Function:
        """The function when it is ACTIVE (GetFunction, repeated).

        Raises OperationFailed with the build's or the start's own words, DeadlineExceeded.
        """
        end = None if timeout is None else time.monotonic() + timeout
        for pause in _waiting.pauses():
            found = self._fetch(self.name)
            if found.state == "ACTIVE" and not found.error:
                return found
            if found.state != "DEPLOYING":
                raise OperationFailed(
                    f"function {self.id} is {found.state}: {found.error}",
                    resource=self.name,
                    next_step=f"See its log: `gcpmlops functions logs {self.id}`.",
                )
            if end is not None and time.monotonic() + pause > end:
                raise DeadlineExceeded(f"function {self.id} is still DEPLOYING after {timeout} s", resource=self.name)
            time.sleep(pause)
        raise AssertionError("pauses never end")

    def _repr_html_(self) -> str:
        rows: dict[str, Any] = {"state": self.state, "url": self.url, "trigger": self.trigger, "runtime": self.runtime}
        return _html.card(self.id, {**rows, "error": self.error})
