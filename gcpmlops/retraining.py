"""Retraining: set off by a schedule, drift, falling quality, new data or an alert; judged, and put into production."""

from __future__ import annotations

import base64
import builtins
import hashlib
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcpmlops import _html, _staging
from gcpmlops._durations import Duration, seconds_of
from gcpmlops._endpoints.strategies import Canary
from gcpmlops._jobs.settings import JobRequest, JobSettings
from gcpmlops._retraining import cases, wiring
from gcpmlops._retraining import recipe as recipes
from gcpmlops._retraining.alerts import ALERT
from gcpmlops._retraining.cases import Case
from gcpmlops._retraining.desk import NOTHING, Decision, Desk
from gcpmlops._retraining.ledger import Ledger
from gcpmlops._retraining.look import Lookout
from gcpmlops._retraining.recipe import Budget, Recipe
from gcpmlops._retraining.run import Modules
from gcpmlops._retraining.timeline import Event, Timeline
from gcpmlops._retraining.triggers import DataDrift, NewData, OnAlert, QualityBelow, Schedule, Trigger
from gcpmlops._retraining.wiring import Wiring
from gcpmlops.clients import Clients
from gcpmlops.exceptions import InvalidArgument
from gcpmlops.types import GsUri, Path_

if TYPE_CHECKING:
    from gcpmlops.evaluation import Gate
    from gcpmlops.storage import Storage

__all__ = [
    "Budget",
    "Case",
    "DataDrift",
    "Decision",
    "Event",
    "NewData",
    "OnAlert",
    "QualityBelow",
    "Retraining",
    "RetrainingSetup",
    "Schedule",
    "Timeline",
]

_CALL = 1500.0  # seconds that one call of the function works: Cloud Scheduler waits for half an hour


@dataclass(frozen=True)
class RetrainingSetup:
    """What `ensure` has set up: the recipe, the function's URL, the schedules."""

    recipe: Recipe
    url: str
    schedules: tuple[str, ...]
    folder: str

    @property
    def name(self) -> str:
        """Of the retraining."""
        return self.recipe.name

    @property
    def mode(self) -> str:
        """propose, candidate or auto."""
        return self.recipe.mode

    def _repr_html_(self) -> str:
        triggers = ", ".join(each.kind for each in self.recipe.triggers)
        about = {"mode": self.mode, "model": self.recipe.model, "endpoint": self.recipe.endpoint, "triggers": triggers}
        return _html.card(f"retraining {self.name}", {**about, "function": self.url, "kept in": self.folder})


class Retraining:
    """`client.retraining`. What it keeps is in the staging bucket; every step is on one timeline, and in the logs."""

    def __init__(
        self, clients: Clients, storage: Storage, *, lookout: Lookout, modules: Modules, parts: Wiring
    ) -> None:
        self._clients = clients
        self._storage = storage
        self._lookout = lookout
        self._modules = modules
        self._wiring = parts

    def ensure(
        self,
        name: str,
        *,
        model: str,
        endpoint: str,
        source: Path_ | None,
        training: str,
        evaluation: str,
        evaluate: Mapping[str, Any],
        triggers: Sequence[Trigger],
        gates: Path_ | Sequence[Gate] = (),
        mode: str = recipes.PROPOSE,
        task: str = "classification",
        features: Sequence[str] = (),
        job: JobSettings | None = None,
        canary: Canary | None = None,
        deploy: Mapping[str, Any] | None = None,
        server: Mapping[str, Any] | None = None,
        budget: Budget | None = None,
        cool_down: Duration = "1d",
        dataset: str = "retraining",
        runtime: str = "python311",
        memory: str = "2Gi",
        samples: int = 20,
    ) -> RetrainingSetup:
        """Set a retraining up, or bring one to these settings: the function, its schedules, and what a run does.

        Args:
            name: letters, digits and hyphens.
            model: display name of the registered model that gets further versions.
            endpoint: display name, id or full name of the endpoint that serves it.
            source: the training code, as `training.submit` takes it; it is uploaded now. None: `job` has an image.
            training: SQL of the rows to learn from. @now in it is the time of the run.
            evaluation: SQL of the rows that champion and challenger are judged on; @now as well.
            evaluate: what `evaluation.classification` (or the other `task`) is told: target, score, threshold, slices,
                sensitive, ...
            triggers: any of Schedule, DataDrift, QualityBelow, NewData, OnAlert.
            gates: a YAML file, or `Gate`s. Gates against the champion are left out while there is none.
            mode: "propose" opens a case to approve, decline or snooze; "candidate" trains and judges, and never
                deploys; "auto" does everything.
            task: classification or regression.
            features: the columns that are sent to the model, in this order; all but the target otherwise.
            job: further settings of `training.submit`: image, args, requirements, ... {table}, {evaluation_table},
                {run} and {now} in args and env are filled in.
            canary: how a challenger that passed its gates is put into production.
            deploy: machine_type, min_replica_count, ... of the deployment.
            server: image, env, ... of `models.upload`.
            budget: at most so many runs and hours of training in a time.
            cool_down: how long after the start of a run nothing sets off another one.
            dataset: where both tables of each run are put.
            runtime: of the function.
            memory: of the function.
            samples: rows of the evaluation data that are stored with each version.

        Raises InvalidArgument, NotFound for a missing endpoint, PreflightFailed, OperationFailed with the traceback of
        a function that does not start.
        """
        _check_name(name)
        served = self._modules.endpoints.get(endpoint)
        recipe = Recipe(
            name=name, model=model, endpoint=served.name, mode=mode, task=task, dataset=dataset,
            training=training, evaluation=evaluation, evaluate=dict(evaluate), features=list(features),
            job=self._uploaded(name, source, job or {}), gates=_gates(gates), triggers=tuple(triggers),
            canary=recipes.canary_dict(canary or Canary()), deploy=dict(deploy or {}), server=dict(server or {}),
            budget=budget or Budget(), cool_down=seconds_of(cool_down, field="cool_down"), samples=samples,
        )  # fmt: skip
        self._wiring.check(recipe)
        url = self._wiring.deploy(runtime=runtime, memory=memory)
        ledger = self._ledger(name)
        self._keep(ledger, recipe, url)
        return RetrainingSetup(recipe, url, tuple(self._wiring.connect(recipe, url)), ledger.folder)

    def apply(self, path: Path_, **changes: Any) -> RetrainingSetup:
        """`ensure` what a YAML file describes (see `gcpmlops._retraining.file`), with some of it changed.

        Files that it names are looked for beside it. Raises InvalidArgument naming file and line, and as `ensure`.
        """
        from gcpmlops._retraining.file import read

        given = {**read(Path(path)), **changes}
        return self.ensure(given.pop("name"), **given)

    def get(self, name: str) -> RetrainingSetup:
        """As it is set up. Raises NotFound."""
        ledger = self._ledger(name)
        recipe = ledger.recipe()
        url = str((ledger.get("setup") or {}).get("url", ""))
        return RetrainingSetup(recipe, url, tuple(self._wiring._jobs(name)), ledger.folder)

    def list(self) -> list[RetrainingSetup]:
        """All that this staging bucket knows."""
        found = Ledger(self._clients, self._storage, self._root, "").uris()
        return [self.get(uri.split("/")[-2]) for uri in found if uri.endswith("/recipe.json")]

    def run(self, name: str, *, why: str = "asked for", force: bool = False) -> Decision:
        """Retrain now, in this process, and wait: what a pipeline step does. `force` leaves out cool-down and budget.

        Who asks has decided: there is no case, also in the mode propose. A run that was interrupted goes first.
        Raises NotFound; a run that fails, or is refused, says so in the decision.
        """
        return self._desk(name, seconds=None).start({"kind": "request"}, why, {}, force=force, who=self._clients.caller)

    def trigger(self, name: str, *, why: str = "asked for", force: bool = False) -> None:
        """Have the function retrain, and return at once; the timeline has what becomes of it.

        As `run`, but not in this process. Raises NotFound.
        """
        ledger = self._ledger(name)
        ledger.recipe()
        request = f"{ledger.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        who = self._clients.caller
        ledger.put(f"requests/{request}", {"id": request, "why": why, "force": force, "who": who, "taken": False})
        self._wiring.kick(name)

    def look(self, name: str) -> builtins.list[Decision]:
        """Look at all triggers now, in this process, as the function does when it is their turn."""
        desk = self._desk(name, seconds=None)
        return [desk.called(each, {}) for each in self._ledger(name).recipe().triggers if not isinstance(each, OnAlert)]

    def handle(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """What the function does with a call: {"retraining": NAME, "trigger": INDEX or "work"}, or a push of Pub/Sub.

        Raises InvalidArgument for another one, NotFound.
        """
        name, which = str(body.get("retraining", "")), str(body.get("trigger", ""))
        desk, triggers = self._desk(name, seconds=_CALL), self._ledger(name).recipe().triggers
        if which == wiring.WORK:
            return desk.work().to_dict()
        if which == ALERT:
            return self._alerted(desk, triggers, _incident(body)).to_dict()
        if which.isdigit() and int(which) < len(triggers):
            return desk.called(triggers[int(which)], {}).to_dict()
        raise InvalidArgument(field="trigger", value=which, allowed="the index of one of its triggers, work, or alert")

    def timeline(self, name: str, *, run: str = "", limit: int | None = None, incidents: bool = False) -> Timeline:
        """Everything that happened, the oldest first; of one run, or the last `limit` events. Raises NotFound.

        With `incidents` those of alerts about its model stand between: what was opened, and when it was over.
        """
        ledger = self._ledger(name)
        events = ledger.timeline(run=run, limit=limit)
        if not events:
            ledger.recipe()  # a retraining that is deleted has a timeline all the same
        if not incidents or not events:
            return events
        found = self._wiring.incidents(ledger.recipe().model, since=events[0].at)
        return Timeline(sorted([*events, *found], key=lambda event: event.at))

    def runs(self, name: str) -> builtins.list[dict[str, Any]]:
        """The runs with their outcomes and what each step found, the oldest first. Raises NotFound."""
        ledger = self._ledger(name)
        ledger.recipe()
        return ledger.all("runs")

    def cases(self, name: str, *, state: str | None = None) -> builtins.list[Case]:
        """The decision cases, the oldest first. Raises NotFound."""
        return [case for case in self._desk(name, seconds=None).cases() if state in (None, case.state)]

    def approve(self, name: str, case: str, *, reason: str, who: str | None = None) -> Case:
        """Have the function retrain, judge and deploy what the case proposes; who and why are kept.

        Raises NotFound, FailedPrecondition where it is decided already.
        """
        decided = self._decide(name, case, cases.APPROVED, reason, who)
        self._wiring.kick(name)
        return decided

    def decline(self, name: str, case: str, *, reason: str, who: str | None = None) -> Case:
        """No retraining; the same trigger opens no case before the cool-down is over. Raises as `approve`."""
        return self._decide(name, case, cases.DECLINED, reason, who)

    def snooze(self, name: str, case: str, *, until: Duration | datetime, reason: str, who: str | None = None) -> Case:
        """Decide later: `until` is a time, or how long from now. Raises as `approve`."""
        end = until if isinstance(until, datetime) else self._clients.now() + _span(until)
        return self._decide(name, case, cases.SNOOZED, reason, who, until=end)

    def pause(self, name: str) -> None:
        """Nothing but people sets it off any more. Raises NotFound."""
        ledger = self._ledger(name)
        ledger.recipe()
        self._wiring.pause(name)
        ledger.say("PAUSED", "its triggers are not looked at")

    def resume(self, name: str) -> None:
        """The triggers are looked at again. Raises NotFound."""
        ledger = self._ledger(name)
        ledger.recipe()
        self._wiring.resume(name)
        ledger.say("UNPAUSED", "its triggers are looked at again")

    def delete(self, name: str, *, purge: bool = False) -> None:
        """Remove its schedules and what brings alerts; with `purge` its timeline, runs and cases, too.

        Models, tables and the function stay. Raises NotFound where nothing of it is left.
        """
        ledger = self._ledger(name)
        if not (purge and ledger.uris()):
            ledger.recipe()
        self._wiring.remove(name)
        if purge:
            ledger.remove()
        else:
            ledger.say("DELETED", "its schedules are gone; the timeline stays")
            ledger.take("recipe")

    def _decide(
        self, name: str, case: str, state: str, reason: str, who: str | None, *, until: datetime | None = None
    ) -> Case:
        if not reason.strip():
            raise InvalidArgument("a decision needs its reason", field="reason", allowed="why it is decided so")
        desk = self._desk(name, seconds=None)
        return desk.decide(case, state, who=who or self._clients.caller, reason=reason, until=until)

    def _alerted(self, desk: Desk, triggers: Sequence[Trigger], incident: dict[str, Any]) -> Decision:
        """Alerts of all policies come by one subscription; one that is no trigger may have got the channel by hand."""
        policy = str(incident.get("policy_name", ""))
        for trigger in triggers:
            if isinstance(trigger, OnAlert) and trigger.policy == policy:
                return desk.called(trigger, incident)
        return Decision(NOTHING, f"no trigger is the alert policy {policy!r}")

    def _keep(self, ledger: Ledger, recipe: Recipe, url: str) -> None:
        """The recipe, and on the timeline what is new in it."""
        before, setup = ledger.find_recipe(), ledger.get("setup")
        ledger.keep_recipe(recipe)
        ledger.change("setup", lambda old: {**(old or {"at": ledger.now().isoformat()}), "url": url})
        if before is None or setup is None:
            ledger.say("SET_UP", f"in the mode {recipe.mode}", mode=recipe.mode)
        elif changed := recipe.differs(before):
            mode = f"; the mode is {recipe.mode} now" if "mode" in changed else ""
            ledger.say("SET_UP", f"anew: {', '.join(changed)}{mode}", mode=recipe.mode)

    def _uploaded(self, name: str, source: Path_ | None, settings: JobSettings) -> dict[str, Any]:
        """The job's request; the code is put where it stays, the same code once."""
        from gcpmlops._jobs import plan
        from gcpmlops._preflight import require

        training = self._modules.training
        request = training._with_defaults(JobRequest.of(source, {"display_name": name, **settings}))
        planned = plan.plan(self._clients, request)
        if request.preflight:
            require(training._problems(planned))
        content = b"".join(each.content for each in planned.packages.values())
        folder = GsUri.parse(f"{self._root}/{name}") / f"code/{hashlib.sha256(content).hexdigest()[:16]}"

        def moved(text: str) -> str:
            return text.replace(str(planned.staging), str(folder))

        packages = {moved(uri): package for uri, package in planned.packages.items()}
        plan.upload(self._clients, self._storage, replace(planned, packages=packages, staging=folder))
        made: dict[str, Any] = json.loads(moved(type(planned.job).to_json(planned.job)))
        return made

    def _desk(self, name: str, *, seconds: float | None) -> Desk:
        def ticking(on: bool) -> None:
            self._wiring.ticking(name, on)

        return Desk(self._ledger(name), self._lookout, self._modules, seconds=seconds, ticking=ticking)

    def _ledger(self, name: str) -> Ledger:
        _check_name(name)
        return Ledger(self._clients, self._storage, f"{self._root}/{name}", name)

    @cached_property
    def _root(self) -> str:
        bucket = self._clients.config.staging_bucket or _staging.default_bucket(self._clients)
        return f"gs://{bucket.removeprefix('gs://').rstrip('/')}/gcpmlops/retraining"


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,39}", name):
        raise InvalidArgument(
            field="retraining", value=name, allowed="up to 40 letters, digits and hyphens, a letter first"
        )


def _span(duration: Duration) -> timedelta:
    return timedelta(seconds=seconds_of(duration, field="until"))


def _gates(given: Path_ | Sequence[Gate]) -> list[dict[str, Any]]:
    from gcpmlops.evaluation import gate_file

    gates = given if isinstance(given, Sequence) and not isinstance(given, str) else gate_file.read(given)
    return [asdict(gate) for gate in gates]


def _incident(body: Mapping[str, Any]) -> dict[str, Any]:
    """What Cloud Monitoring published, out of a Pub/Sub push. Raises InvalidArgument."""
    try:
        found = json.loads(base64.b64decode(body["message"]["data"]))["incident"]
    except (KeyError, TypeError, ValueError):
        found = None
    if not isinstance(found, dict):
        raise InvalidArgument(field="message", allowed="a notification of Cloud Monitoring, pushed by Pub/Sub")
    return found
