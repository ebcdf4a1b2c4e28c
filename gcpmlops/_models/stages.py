"""Stages of model versions: aliases that are moved by one call, which keeps who, when and why.

A version is in one of staging, production and archived at most, and is champion or challenger or neither. An alias is
on one version only; of archived there can be many: each has archived-VERSION, the one archived last archived as well.

A move is written down first, as an execution in Vertex ML Metadata in the state RUNNING, then made, then marked
COMPLETE, or FAILED: what could not be recorded has not happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gcpmlops import _google, _html
from gcpmlops._experiments.graph import plain
from gcpmlops._models.graph import TRANSITION, VERSION, ModelGraph
from gcpmlops.exceptions import FailedPrecondition, GcpMlopsError, InvalidArgument

if TYPE_CHECKING:
    from gcpmlops._models.model import Model

ARCHIVED = "archived"
LIFE_CYCLE = ("staging", "production", ARCHIVED)
ROLES = ("champion", "challenger")
STAGES = (*LIFE_CYCLE, *ROLES)


@dataclass(frozen=True)
class Transition:
    """A version that went from one stage to another; an empty stage is none. `proto` is Google's Execution."""

    version: str
    from_stage: str
    to_stage: str
    previous_version: str
    """The version that had the stage and lost it; empty where there was none."""
    who: str
    when: datetime
    reason: str
    complete: bool
    """False while it is under way, and where the process ended in the middle: see the version's aliases then."""
    proto: Any = field(repr=False, compare=False)

    @classmethod
    def of(cls, proto: _google.execution.Execution) -> Transition:
        """From Google's message."""
        found = plain(proto)
        names = ("version", "from_stage", "to_stage", "previous_version", "who", "reason")
        given = {name: str(found.get(name, "")) for name in names}
        complete = proto.state == _google.execution.Execution.State.COMPLETE
        return cls(when=proto.create_time, complete=complete, proto=proto, **given)

    def __str__(self) -> str:
        ended = "" if self.complete else " (not complete)"
        return f"version {self.version}: {self.from_stage or '-'} → {self.to_stage or '-'}{ended}"


class History(list[Transition]):
    """The transitions of a model, the newest first."""

    def _repr_html_(self) -> str:
        columns = ("when", "version", "from", "to", "instead of", "who", "why")
        rows = [
            (str(t.when)[:19], t.version, t.from_stage, t.to_stage, t.previous_version, t.who, t.reason) for t in self
        ]
        return _html.grid(f"{len(self)} transitions", columns, rows)


class Stages:
    """Moves versions; `merge` is MergeVersionAliases of a version."""

    def __init__(self, graph: ModelGraph, merge: Callable[[str, Sequence[str]], Model]) -> None:
        self._graph = graph
        self._merge = merge

    def move(self, model: Model, to: str, *, previous: Model | None, who: str, reason: str) -> Model:
        """The version in its new stage, which `previous` loses. Raises what the recording raises."""
        group = LIFE_CYCLE if to in LIFE_CYCLE else ROLES
        return self._moved(model, stage_among(model.aliases, group), to, previous, who, reason)

    def archive(self, model: Model, *, came_from: str, who: str, reason: str) -> Model:
        """The version archived that has just lost a stage to another."""
        return self._moved(model, stage_among(model.aliases, LIFE_CYCLE) or came_from, ARCHIVED, None, who, reason)

    def leave(self, model: Model, stage: str, *, who: str, reason: str) -> Model:
        """The version without that stage. Raises FailedPrecondition where it is not in it."""
        if stage not in stages_of(model.aliases):
            there = " and ".join(stages_of(model.aliases)) or "no stage"
            what = f"{model.display_name} version {model.version_id} is not {stage}, but in {there}"
            raise FailedPrecondition(what, resource=model.versioned_name)
        return self._moved(model, stage, "", None, who, reason)

    def history(self, model: Model) -> History:
        """All moves of the model's versions but those that failed."""
        context = self._graph.find_context(model)
        if context is None:
            return History()
        failed = _google.execution.Execution.State.FAILED
        found = [each for each in self._graph.executions(context, TRANSITION) if each.state != failed]
        return History(sorted(map(Transition.of, found), key=lambda each: each.when, reverse=True))

    def _moved(self, model: Model, old: str, new: str, previous: Model | None, who: str, reason: str) -> Model:
        about = {
            "model": model.name,
            "version": model.version_id,
            "from_stage": old,
            "to_stage": new,
            "previous_version": previous.version_id if previous else "",
            "who": who,
            "reason": reason,
        }
        with self._recorded(model, about):
            return self._merge(model.versioned_name, list(_changes(model, old, new)))

    @contextmanager
    def _recorded(self, model: Model, about: dict[str, str]) -> Iterator[None]:
        states = _google.execution.Execution.State
        name = f"version {about['version']}: {about['from_stage'] or '-'} to {about['to_stage'] or '-'}"
        execution = self._graph.add_execution(
            self._graph.context(model),
            _google.execution.Execution(
                display_name=name,
                schema_title=TRANSITION,
                schema_version=VERSION,
                state=states.RUNNING,
                metadata=about,
            ),
        )
        try:
            yield
        except BaseException:
            self._graph.end_execution(execution, state="FAILED")
            raise
        try:
            self._graph.end_execution(execution, state="COMPLETE")
        except GcpMlopsError as exc:
            exc.next_step = f"{exc.next_step} The move is made; only its record still says RUNNING.".strip()
            raise


def check_stage(stage: str, field_name: str) -> str:
    """The stage itself. Raises InvalidArgument with those there are."""
    if stage not in STAGES:
        raise InvalidArgument(f"there is no stage {stage!r}", field=field_name, value=stage, allowed=", ".join(STAGES))
    return stage


def stages_of(aliases: Sequence[str]) -> list[str]:
    """The stage and the role that a version has; more where aliases were given by hand."""
    return [stage for stage in STAGES if stage_among(aliases, (stage,))]


def stage_among(aliases: Sequence[str], group: Sequence[str]) -> str:
    """The one of these that a version is in; empty for none."""
    for stage in group:
        if stage in aliases or (stage == ARCHIVED and any(alias.startswith(f"{ARCHIVED}-") for alias in aliases)):
            return stage
    return ""


def _changes(model: Model, old: str, new: str) -> Iterator[str]:
    """The aliases that a version gets and, with a hyphen before them, loses: all of the group, some given by hand."""
    group = next((group for group in (LIFE_CYCLE, ROLES) if new in group), (old,))
    lost = {*group, old} - {new}
    lost |= {f"{ARCHIVED}-{model.version_id}"} if ARCHIVED in lost else set()
    if new == ARCHIVED:
        yield from (ARCHIVED, f"{ARCHIVED}-{model.version_id}")
    elif new:
        yield new
    yield from (f"-{alias}" for alias in model.aliases if alias in lost)
