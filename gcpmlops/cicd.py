"""Continuous delivery: one definition, rendered for four platforms and run step by step, here as there."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from gcpmlops import _html, _staging
from gcpmlops._cicd import commands
from gcpmlops._cicd import definition as definitions
from gcpmlops._cicd.definition import CHECKS, STEPS, TARGETS, Definition
from gcpmlops._cicd.delivery import Delivery as _Run
from gcpmlops._cicd.delivery import Refused, recipe_of
from gcpmlops._cicd.files import RenderedFile, rendered
from gcpmlops._cicd.workspace import FAILED, FILE, PASSED, REFUSED, RUNNING, Event, Workspace
from gcpmlops._generated import write
from gcpmlops._retraining.run import Modules
from gcpmlops.clients import Clients
from gcpmlops.exceptions import DeliveryFailed, FailedPrecondition, GcpMlopsError, InvalidArgument, RolloutFailed
from gcpmlops.types import Path_

__all__ = ["STEPS", "TARGETS", "Cicd", "Definition", "Delivery", "Event", "RenderedFile", "StepResult"]

DEFINITION = "delivery.yaml"
_log = logging.getLogger("gcpmlops.cicd")
_FACTS = {  # what each step finds
    "evaluate": ("champion", "predictions", "measured"),
    "gate": ("verdict",),
    "register": ("model",),
    "deploy": ("deployed",),
}
_REPEATABLE = ("register",)  # what a failed attempt has made is gone on with
_END = "\n"
OnEvent = Callable[[Event], None]
ModulesOf = Callable[..., Modules]
"""The client's modules, with some settings of its configuration changed."""


@dataclass(frozen=True)
class StepResult:
    """How a step went: PASSED, FAILED, REFUSED (the model), RUNNING (or interrupted), or empty: not begun."""

    name: str
    state: str
    seconds: float | None = None
    note: str = ""

    def __str__(self) -> str:
        took = f" in {self.seconds:.1f} s" if self.seconds is not None else ""
        return f"{self.name}: {(self.state or 'not begun').lower()}{took}" + (
            f": {self.note.partition(_END)[0]}" if self.note else ""
        )


@dataclass(frozen=True)
class Delivery:
    """A delivery as its workspace has it. `model` is the version's full name, once it is registered."""

    id: str
    name: str
    steps: tuple[StepResult, ...]
    model: str = ""

    @property
    def state(self) -> str:
        """That of the first step that has not passed; PASSED where all have."""
        return next((step.state for step in self.steps if step.state != PASSED), PASSED)

    def _repr_html_(self) -> str:
        rows = [
            (step.name, step.state, "" if step.seconds is None else f"{step.seconds:.1f} s", step.note)
            for step in self.steps
        ]
        return _html.grid(f"delivery {self.name} {self.id}", ("step", "state", "took", "note"), rows)


class Cicd:
    """`client.cicd`. A delivery is a YAML file (see `Definition`); its steps share a .gcpmlops/delivery.json."""

    def __init__(self, clients: Clients, modules: ModulesOf) -> None:
        self._clients = clients
        self._modules = modules

    def get(self, definition: Path_ = DEFINITION) -> Definition:
        """What a file defines. Raises InvalidArgument naming file and line. Calls nothing."""
        return definitions.read(Path(definition))

    def generate(
        self,
        definition: Path_ = DEFINITION,
        *,
        targets: Sequence[str] = (),
        root: Path_ | None = None,
        force: bool = False,
        confirm: Callable[[RenderedFile], bool] | None = None,
        dry_run: bool = False,
    ) -> list[RenderedFile]:
        """Write the pipelines of the definition: cloudbuild.yaml, .github/workflows/delivery.yml, .gitlab-ci.yml,
        Jenkinsfile. What is as it should be is left alone.

        Args:
            definition: the file.
            targets: cloudbuild, github, gitlab, jenkins, or all; the definition's own otherwise.
            root: the repository's folder, where the pipelines are; the definition's folder otherwise.
            force: also over files that were edited by hand, or that gcpmlops did not make.
            confirm: asked about each of them instead.
            dry_run: nothing is written; the states say what would be.

        Raises InvalidArgument; FailedPrecondition naming the files that were edited by hand: nothing is written then.
        """  # noqa: D205 - a sentence is longer than a line
        found = self.check(definition, targets=targets, root=root)
        return found if dry_run else write(found, force=force, confirm=confirm)

    def check(
        self, definition: Path_ = DEFINITION, *, targets: Sequence[str] = (), root: Path_ | None = None
    ) -> list[RenderedFile]:
        """Each pipeline's state: CURRENT, OUTDATED, MISSING, EDITED (by hand) or FOREIGN (not made by gcpmlops).

        Calls nothing. Raises InvalidArgument.
        """
        given = self.get(definition)
        wanted = TARGETS if "all" in targets else tuple(dict.fromkeys(targets or given.targets))
        for target in wanted:
            if target not in TARGETS:
                raise InvalidArgument(field="target", value=target, allowed=", ".join((*TARGETS, "all")))
        return rendered(given, wanted, Path(root) if root is not None else given.folder)

    def run(
        self,
        definition: Path_ = DEFINITION,
        *,
        first: str | None = None,
        last: str | None = None,
        on_event: OnEvent | None = None,
        on_step: Callable[[StepResult], None] | None = None,
    ) -> Delivery:
        """All steps in this process, or those from `first` to `last`.

        `on_event` gets what a step says (the logger gcpmlops.cicd otherwise), `on_step` each step when it begins and
        when it has ended. Raises InvalidArgument; DeliveryFailed naming the first step that fails, and why.
        """
        given = self.get(definition)
        begin, end = (self._place(given, name) for name in (first or given.steps[0], last or given.steps[-1]))
        if begin > end:
            raise InvalidArgument(f"{first} comes after {last}", field="first", value=first, allowed="an earlier step")
        runs = _Steps(self, given, on_event or _logged, on_step or _ignored)
        for name in given.steps[begin : end + 1]:
            runs.run(name)
        return runs.delivery

    def step(self, name: str, *, definition: Path_ = DEFINITION, on_event: OnEvent | None = None) -> Delivery:
        """One step, in the workspace that the steps before it have left: what each step of a rendered pipeline runs.

        A step that was interrupted goes on where it was; one that had ended, and all after it, begin anew. Raises
        InvalidArgument, FailedPrecondition where the step before it has not passed, DeliveryFailed.
        """
        given = self.get(definition)
        self._place(given, name)
        runs = _Steps(self, given, on_event or _logged, _ignored)
        runs.run(name)
        return runs.delivery

    def status(self, definition: Path_ = DEFINITION) -> Delivery:
        """How far the delivery of this workspace is. Calls nothing. Raises InvalidArgument."""
        return _Steps(self, self.get(definition), _logged, _ignored).delivery

    def _place(self, given: Definition, name: str) -> int:
        if name not in given.steps:
            why = f"{given.path} has nothing to {name}" if name in STEPS else f"there is no step {name!r}"
            raise InvalidArgument(why, field="step", value=name, allowed=", ".join(given.steps))
        return given.steps.index(name)


class _Steps:
    """Runs steps of one definition in its workspace."""

    def __init__(
        self, cicd: Cicd, definition: Definition, on_event: OnEvent, on_step: Callable[[StepResult], None]
    ) -> None:
        self._cicd = cicd
        self._definition = definition
        self._on_step = on_step
        self._workspace = Workspace(definition.folder / FILE, on_event=on_event)
        self._stamp = definition.stamp
        self._made: _Run | None = None

    @property
    def delivery(self) -> Delivery:
        """As the workspace has it."""
        record = self._workspace.record
        results = tuple(map(self._result, self._definition.steps))
        return Delivery(
            str(record.get("id", "")), self._definition.name, results, str(record["facts"].get("model", ""))
        )

    def run(self, name: str) -> None:
        """One step. Raises DeliveryFailed, FailedPrecondition."""
        self._check_before(name)
        self._begin(name)
        started = time.monotonic()
        try:
            note = self._command(name) if name in CHECKS else getattr(self._run(name), name)()
        except GcpMlopsError as error:
            refused = isinstance(error, (Refused, RolloutFailed))
            self._end(name, REFUSED if refused else FAILED, started, error.message)
            raise DeliveryFailed(f"{name}: {error}", step=name, delivery=self.delivery) from error
        except Exception as error:
            self._end(name, FAILED, started, f"{type(error).__name__}: {error}")
            raise
        self._end(name, PASSED, started, note)

    def _command(self, name: str) -> str:
        def told(line: str) -> None:
            self._workspace.say("OUTPUT", line)

        return commands.run(getattr(self._definition, name), folder=self._definition.folder, on_line=told)

    def _run(self, name: str) -> _Run:
        """The delivery's own steps; what was measured is kept for those that follow in this process."""
        if self._made is None or name in ("train", "evaluate"):
            self._made = self._delivery()
        return self._made

    def _delivery(self) -> _Run:
        from gcpmlops.evaluation import gate_file

        given, record = self._definition, self._workspace.record
        gates = [asdict(gate) for gate in gate_file.read(given.folder / given.gates, task=given.task)]
        modules = self._cicd._modules(**self._settings())
        bucket = modules.clients.config.staging_bucket or _staging.default_bucket(modules.clients)
        self._workspace.folder = f"gs://{bucket}/gcpmlops/delivery/{given.name}"
        return _Run(record["id"], recipe_of(given, gates), self._workspace, modules, record, definition=given)

    def _settings(self) -> dict[str, str]:
        """Of the client's configuration, that the definition knows better."""
        given, project = self._definition, self._cicd._clients.config.require("project")
        found = {
            "service_account": given.account("training", project),
            "serving_service_account": given.account("serving", project),
            "staging_bucket": given.staging_bucket.removeprefix("gs://"),
        }
        return {key: value for key, value in found.items() if value}

    def _check_before(self, name: str) -> None:
        """Linting, testing and training need nothing of a step before."""
        steps, record = self._definition.steps, self._workspace.record
        if name in (*CHECKS, "train"):
            return
        before = self._result(steps[steps.index(name) - 1])
        if before.state != PASSED:
            raise FailedPrecondition(
                f"{name} needs what {before.name} leaves in {self._definition.folder / FILE}; {before}",
                next_step=f"Run it first: `gcpmlops cicd step {before.name}`; or all: `gcpmlops cicd run`.",
            )
        if record.get("stamp") != self._stamp:
            raise FailedPrecondition(
                f"{self._definition.path} or {self._definition.source} has changed since this delivery was trained",
                next_step="Begin again: `gcpmlops cicd run --from train`.",
            )

    def _begin(self, name: str) -> None:
        record, step = self._workspace.record, self._result(name)
        same = record.get("stamp") == self._stamp
        goes_on = same and (step.state == RUNNING or (step.state == FAILED and name in _REPEATABLE))
        if not goes_on:
            self._forget(name)
        if name == "train" and not goes_on:
            self._new_delivery()
        self._workspace.step = name
        record["steps"][name] = {"state": RUNNING, "began": self._workspace.now().isoformat()}
        self._workspace.save()
        self._on_step(StepResult(name, RUNNING))

    def _new_delivery(self) -> None:
        stamp, record = self._workspace.now(), self._workspace.record
        made = f"{stamp:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        record |= {
            "id": made, "name": self._definition.name, "stamp": self._stamp,
            "started": stamp.isoformat(), "facts": {},
        }  # fmt: skip

    def _forget(self, name: str) -> None:
        """What this step and those after it had found."""
        steps = self._definition.steps
        for each in steps[steps.index(name) :]:
            self._workspace.record["steps"].pop(each, None)
            for fact in _FACTS.get(each, ()):
                self._workspace.record["facts"].pop(fact, None)

    def _end(self, name: str, state: str, started: float, note: str) -> None:
        result = StepResult(name, state, round(time.monotonic() - started, 3), note)
        self._workspace.record["steps"][name] |= {"state": state, "seconds": result.seconds, "note": note}
        self._workspace.save()
        self._on_step(result)

    def _result(self, name: str) -> StepResult:
        found = self._workspace.record["steps"].get(name, {})
        return StepResult(name, found.get("state", ""), found.get("seconds"), found.get("note", ""))


def _logged(event: Event) -> None:
    _log.info("%s: %s", event.step, event)


def _ignored(_: StepResult) -> None:
    pass
