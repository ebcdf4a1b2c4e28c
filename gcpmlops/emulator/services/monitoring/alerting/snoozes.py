"""google.monitoring.v3.SnoozeService: times in which policies open no incidents."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from google.cloud.monitoring_v3 import types
from google.protobuf import field_mask_pb2

from gcpmlops.emulator.kernel import filters, masks, names, paging, validate
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.monitoring import messages, selection
from gcpmlops.emulator.services.monitoring.alerting.states import earliest
from gcpmlops.emulator.services.monitoring.series import Series, micros

PROJECT = "projects/{project}"
_SKEW = timedelta(seconds=15)  # by which a start may be past
_MOST = 16  # policies of one snooze
_WHOLE = field_mask_pb2.FieldMask(paths=["display_name", "interval"])
_FIELDS = {"display_name", "interval", "interval.start_time", "interval.end_time"}


class Snoozes(Service):
    """Snoozes.

    Args:
        context: the store, and the clock.
        policy: finds a policy by its name. Raises NotFound.
        changed: told the names of policies whose snoozes changed.
    """

    proto = "google.monitoring.v3.SnoozeService"

    def __init__(
        self, context: Context, policy: Callable[[str], object], changed: Callable[[Iterable[str]], None]
    ) -> None:
        super().__init__(context)
        self._rows: Any = context.store.collection(types.Snooze)
        self._policy = policy
        self._changed = changed
        self._all: list[types.Snooze] | None = None  # read once, until one changes

    def create_snooze(self, request: types.CreateSnoozeRequest) -> types.Snooze:
        """A new one; it closes the incidents of its policies when it begins."""
        names.parse(PROJECT, request.parent)
        snooze = types.Snooze(request.snooze)
        if not snooze.interval.start_time:
            snooze.interval.start_time = self.clock.now()
        self._check(snooze, is_new=True)
        if snooze.interval.start_time < self.clock.now() - _SKEW:
            raise validate.invalid("snooze.interval.start_time", "must not be past.")
        snooze.name = f"{request.parent}/snoozes/{names.new_id()}"
        created: types.Snooze = self._rows.insert(snooze.name, snooze, parent=request.parent)
        self._tell(created)
        return created

    def get_snooze(self, request: types.GetSnoozeRequest) -> types.Snooze:
        """One."""
        names.parse(PROJECT + "/snoozes/{snooze}", request.name)
        found: types.Snooze = self._rows.get(request.name)
        return found

    def list_snoozes(self, request: types.ListSnoozesRequest) -> types.ListSnoozesResponse:
        """Those of a project; the filter is over `interval.start_time` and `interval.end_time`."""
        names.parse(PROJECT, request.parent)
        found = [one for one in self._rows.list(request.parent) if filters.matches(request.filter, one)]
        page, token = paging.page(found, request)
        return types.ListSnoozesResponse(snoozes=page, next_page_token=token)

    def update_snooze(self, request: types.UpdateSnoozeRequest) -> types.Snooze:
        """Its display name, its end, and its start while that is not past; ending one is setting its end to now."""
        if unknown := set(masks.snake(request.update_mask).paths) - _FIELDS:
            raise validate.invalid("update_mask", f"{', '.join(unknown)}: it may name {', '.join(sorted(_FIELDS))}.")
        mask = request.update_mask if request.update_mask.paths else _WHOLE
        now = self.clock.now()

        def change(stored: types.Snooze) -> types.Snooze:
            changed = types.Snooze(stored)
            masks.apply(mask, changed, request.snooze)
            for field in ("start_time", "end_time"):
                before, after = getattr(stored.interval, field), getattr(changed.interval, field)
                if before != after and before < now:
                    raise validate.invalid(f"snooze.interval.{field}", f"{before.isoformat()} is past: it stays.")
                if before != after and after < now - _SKEW:
                    raise validate.invalid(f"snooze.interval.{field}", f"{after.isoformat()} is past.")
            self._check(changed, is_new=False)
            return changed

        self.get_snooze(types.GetSnoozeRequest(name=request.snooze.name))
        changed: types.Snooze = self._rows.update(request.snooze.name, change)
        self._tell(changed)
        return changed

    def holds(self, policy: str, series: Series, now: int) -> bool:
        """Whether a policy is snoozed for a time series. `now` is in microseconds."""
        return any(_covers(one, series) for one in self._of(policy) if _is_active(one, now))

    def due(self, policy: str, now: int) -> int | None:
        """When a snooze of a policy next begins or ends."""
        intervals = [one.interval for one in self._of(policy)]
        return earliest([micros(time) for each in intervals for time in (each.start_time, each.end_time)], now)

    def _of(self, policy: str) -> list[types.Snooze]:
        known = self._all
        if known is None:
            known = self._all = self._rows.list()
        return [one for one in known if policy in one.criteria.policies]

    def _tell(self, snooze: types.Snooze) -> None:
        self._all = None
        self._changed(snooze.criteria.policies)

    def _check(self, snooze: types.Snooze, *, is_new: bool) -> None:
        """One that is ended before it began has no length."""
        validate.require(snooze, "display_name", "criteria.policies", "interval.end_time")
        policies, field = snooze.criteria.policies, "snooze.criteria"
        if len(snooze.display_name) > 512:
            raise validate.invalid("snooze.display_name", "longer than 512 characters.")
        if len(policies) > _MOST:
            raise validate.invalid(f"{field}.policies", f"{len(policies)} policies, {_MOST} are allowed.")
        if snooze.criteria.filter and len(policies) != 1:
            raise validate.invalid(f"{field}.filter", f"needs exactly one policy, not {len(policies)}.")
        selection.parse(snooze.criteria.filter)
        length = snooze.interval.end_time - snooze.interval.start_time
        if length < timedelta(0) or (is_new and not length):
            raise validate.invalid("snooze.interval.end_time", "has to be later than the start.")
        for policy in policies:
            self._policy(policy)


def _is_active(snooze: types.Snooze, now: int) -> bool:
    return micros(snooze.interval.start_time) <= now < micros(snooze.interval.end_time)


def _covers(snooze: types.Snooze, series: Series) -> bool:
    return not snooze.criteria.filter or selection.parse(snooze.criteria.filter)(messages.time_series(series))
