"""Time series: where they are kept, read, and counted of log entries."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from gcpmlops.emulator.kernel.auth import Authenticator
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.services.catalog.parts import Parts, made_once
from gcpmlops.emulator.state.store import Store

if TYPE_CHECKING:
    from gcpmlops.emulator.services.monitoring.entry_counts import EntryCounts
    from gcpmlops.emulator.services.monitoring.metric_types import MetricTypes
    from gcpmlops.emulator.services.monitoring.points import Points
    from gcpmlops.emulator.services.monitoring.reading import Reading


class Metrics(Parts):
    """With time series."""

    def __init__(
        self, context: Context, store: Store, authenticator: Authenticator, sockets: Path, stack: ExitStack
    ) -> None:
        super().__init__(context, store, authenticator, sockets, stack)
        self.entries.on_append.append(lambda entries: self._entry_counts.stored(entries))
        self.entries.on_receive.append(lambda entries: self._entry_counts.received(entries))

    @made_once
    def _points(self) -> Points:
        from gcpmlops.emulator.services.monitoring.points import Points
        from gcpmlops.emulator.services.monitoring.retention import Retention

        points = Points(self._context.store)
        Retention(self._context.store, self._context.agenda, points).start()
        return points

    @made_once
    def _metric_types(self) -> MetricTypes:
        from gcpmlops.emulator.services.monitoring.metric_types import MetricTypes

        return MetricTypes(self._context.store)

    @made_once
    def _reading(self) -> Reading:
        from gcpmlops.emulator.services.monitoring.reading import Reading

        return Reading(self._points)

    @made_once
    def _entry_counts(self) -> EntryCounts:
        from gcpmlops.emulator.services.monitoring.entry_counts import EntryCounts

        return EntryCounts(self._points, self._context.agenda)
