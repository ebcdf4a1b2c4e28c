"""Notifications on their way: attempts, retries by the clock, and a log entry for what never arrived."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from google.api_core import exceptions
from google.cloud.monitoring_v3 import types

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.clock import Clock
from gcpmlops.emulator.services.logging.writer import WriteLog
from gcpmlops.emulator.services.monitoring.alerting.incidents import AlertRows, Delivery
from gcpmlops.emulator.services.monitoring.alerting.senders import Senders, UndeliveredError
from gcpmlops.emulator.services.monitoring.alerting.times import moment
from gcpmlops.emulator.services.monitoring.series import micros

log = logging.getLogger(__name__)

_PAUSES_S = (10, 20, 40, 80)  # before the second attempt, the third, ...: five in all, within three minutes
_AT_A_TIME = 8
_Line = tuple[str, str]  # a channel, and the id of an incident


class Deliveries:
    """Brings notifications to channels; a clock that is moved waits for each attempt.

    Args:
        rows: what is under way outlives the emulator.
        channel: a channel with its secrets, by name. Raises NotFound.
        senders: make the attempts.
        agenda: of the retries.
        clock: the emulator's.
        write_log: tells what never arrived.
    """

    def __init__(
        self,
        rows: AlertRows,
        channel: Callable[[str], types.NotificationChannel],
        senders: Senders,
        *,
        agenda: Agenda,
        clock: Clock,
        write_log: WriteLog,
    ) -> None:
        self._rows = rows
        self._channel = channel
        self._senders = senders
        self._agenda = agenda
        self._clock = clock
        self._write_log = write_log
        self._making = threading.Lock()
        self._guard = threading.Lock()
        self._waiting: dict[_Line, deque[Delivery]] = {}  # the first of each is under way
        self._pool: ThreadPoolExecutor | None = None
        self._is_closed = False

    def send(self, deliveries: Iterable[Delivery]) -> None:
        """Each is attempted at once, on another thread; of one incident, a channel is told in order."""
        for delivery in deliveries:
            if self._is_first(delivery):
                self._begin(delivery)

    def resume(self) -> None:
        """What was under way when the emulator ended."""
        for delivery in self._rows.deliveries():
            if self._is_first(delivery):
                self._later(delivery)

    def close(self) -> None:
        """Waits for the attempts that are being made."""
        self._is_closed = True
        with self._making:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)

    def _threads(self) -> ThreadPoolExecutor:
        with self._making:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="notification")
            return self._pool

    def _is_first(self, delivery: Delivery) -> bool:
        with self._guard:
            line = self._waiting.setdefault(_line(delivery), deque())
            line.append(delivery)
            return len(line) == 1

    def _begin(self, delivery: Delivery) -> None:
        if self._is_closed:  # it is stored: the next start goes on with it
            return
        self._agenda.begin(delivery.channel)
        self._threads().submit(self._attempt, delivery).add_done_callback(_noted)

    def _end(self, delivery: Delivery) -> None:
        """It arrived, or never will: the next one of its incident follows."""
        self._rows.end(delivery)
        with self._guard:
            line = self._waiting[_line(delivery)]
            line.popleft()
            following = line[0] if line else None
            if following is None:
                del self._waiting[_line(delivery)]
        if following is not None:
            self._begin(following)

    def _later(self, delivery: Delivery) -> None:
        self._agenda.at(moment(delivery.due), lambda: self._begin(delivery), name=delivery.channel)

    def _attempt(self, delivery: Delivery) -> None:
        try:
            channel = self._channel(delivery.channel)
            if channel.enabled:
                self._senders.send(channel, delivery.payload)
            self._end(delivery)
        except exceptions.NotFound:
            self._give_up(delivery, "", "the channel is gone")
        except UndeliveredError as error:
            if error.is_passing and delivery.attempts < len(_PAUSES_S):
                pause = _PAUSES_S[delivery.attempts] * 1_000_000
                self._later(self._rows.put_off(delivery, micros(self._clock.now()) + pause))
            else:
                self._give_up(delivery, channel.type_, str(error))
        except Exception as error:  # whatever else it was: the next one of its line is not held up
            log.exception("a notification to %s failed", delivery.channel)
            self._give_up(delivery, "", f"{type(error).__name__}: {error}")
        finally:
            self._agenda.end(delivery.channel)

    def _give_up(self, delivery: Delivery, kind: str, reason: str) -> None:
        self._end(delivery)
        project, id_ = names.project_of(delivery.channel), delivery.channel.rpartition("/")[2]
        incident = delivery.payload["incident"]
        attempts = delivery.attempts + 1
        text = (
            f"Notification of incident {incident['incident_id']} ({incident['state']}) to {delivery.channel}: {reason}"
        )
        payload = {
            "message": text,
            "reason": reason,
            "attempts": attempts,
            "incident_id": incident["incident_id"],
            "state": incident["state"],
            "policy": incident["policy_name"],
            "channel": delivery.channel,
        }
        resource = (
            "stackdriver_notification_channel",
            {"project_id": project, "channel_id": id_, "channel_type": kind},
        )
        self._write_log(
            f"projects/{project}/logs/monitoring.googleapis.com%2Fnotification_channel_events",
            resource,
            "ERROR",
            payload,
        )


def _line(delivery: Delivery) -> _Line:
    return delivery.channel, delivery.payload["incident"]["incident_id"]


def _noted(done: Future[None]) -> None:
    if not done.cancelled() and (error := done.exception()):
        log.error("a notification failed", exc_info=error)
