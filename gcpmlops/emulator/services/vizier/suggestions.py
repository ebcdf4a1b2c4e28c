"""Which trials a client gets when it asks: its own active ones, then requested ones, then new points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.runtimes.search.search import Observation
from gcpmlops.emulator.runtimes.search.space import Point, Value, nodes
from gcpmlops.emulator.services.vizier import conversion
from gcpmlops.emulator.services.vizier.study_rows import StudyRows, search_of

_State: Any = types.Trial.State


@dataclass
class Suggestions:
    """One request's work; the caller holds the study's lock.

    Args:
        rows: where trials are.
        study: the study as it is now.
        client_id: who asks.
        now: when.
        open: whether new points may still be suggested.
    """

    rows: StudyRows
    study: types.Study
    client_id: str
    now: datetime
    open: bool
    exhausted: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._search = search_of(self.study)
        self._trials = self.rows.trials(self.study.name)
        self._used: set[str] = set()

    def find(self, context: Mapping[str, Value]) -> types.Trial | None:
        """One trial whose parameters match the context; None where there is none left."""
        return self._active(context) or self._requested(context) or self._new(context)

    def _active(self, context: Mapping[str, Value]) -> types.Trial | None:
        for trial in self._trials:
            if trial.state == _State.ACTIVE and trial.client_id == self.client_id and self._takes(trial, context):
                self._used.add(trial.name)
                return trial
        return None

    def _requested(self, context: Mapping[str, Value]) -> types.Trial | None:
        """A trial that somebody created; parameters that it leaves open are filled in."""
        for trial in self._trials:
            if trial.state == _State.REQUESTED and self._takes(trial, context, partly=True):
                self._used.add(trial.name)
                return self._filled(trial, context)
        return None

    def _filled(self, trial: types.Trial, context: Mapping[str, Value]) -> types.Trial:
        given: Point = {each.parameter_id: each.value for each in trial.parameters}
        try:
            nodes(self._search.space, given)
        except LookupError:
            known = self._observations(without=trial)
            given = next(iter(self._search.suggest(1, known, {**context, **given})), given)
        return self.rows.change(trial.name, lambda row: self._activate(row, given))

    def _new(self, context: Mapping[str, Value]) -> types.Trial | None:
        if not self.open or self.exhausted:
            return None
        points = self._search.suggest(1, self._observations(), context)
        if not points:
            self.exhausted = not context
            return None
        trial = types.Trial()
        self._activate(trial, points[0])
        added = self.rows.add(self.study.name, trial)
        self._used.add(added.name)
        self._trials.append(added)
        return added

    def _activate(self, trial: types.Trial, point: Mapping[str, Value]) -> None:
        trial.parameters = conversion.parameters(point)
        trial.state = _State.ACTIVE
        trial.client_id = self.client_id
        trial.start_time = self.now

    def _takes(self, trial: types.Trial, context: Mapping[str, Value], *, partly: bool = False) -> bool:
        values = {each.parameter_id: each.value for each in trial.parameters}
        fits = all(values.get(name, value if partly else None) == value for name, value in context.items())
        return trial.name not in self._used and fits

    def _observations(self, without: types.Trial | None = None) -> list[Observation]:
        left_out = without.name if without is not None else ""
        return [conversion.observation(trial) for trial in self._trials if trial.name != left_out]
