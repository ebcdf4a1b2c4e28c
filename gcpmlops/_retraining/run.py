"""One retraining from fresh data to the promotion, a method a step; a run that outlasts its caller is gone on with.

What a step found is kept in the run's record before the next one begins, so that nothing is done twice.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from gcpmlops import _google, _staging
from gcpmlops._retraining.recipe import CANDIDATE, Recipe
from gcpmlops.exceptions import DeadlineExceeded, GcpMlopsError, JobFailed, NotFound, RolloutFailed

if TYPE_CHECKING:
    from gcpmlops._jobs.job import Job
    from gcpmlops.batch_predictions import BatchPredictions
    from gcpmlops.bigquery import BigQuery
    from gcpmlops.clients import Clients
    from gcpmlops.endpoints import Endpoint, Endpoints, RolloutEvent
    from gcpmlops.evaluation import EvaluationResult, Verdict
    from gcpmlops.evaluation.evaluation import Evaluation
    from gcpmlops.models import Model, Models
    from gcpmlops.training import Training

PROMOTED, CANDIDATE_KEPT, GATES_FAILED, ROLLED_BACK = "PROMOTED", "CANDIDATE", "GATES_FAILED", "ROLLED_BACK"
FAILED, UNDER_WAY = "FAILED", "UNDER_WAY"
_TRIES = 3  # of a step whose process is killed
_log = logging.getLogger("gcpmlops.retraining")
STEPS = ("data", "training", "register", "predict", "gate", "rollout")


@dataclass(frozen=True)
class Modules:
    """Those of the client that a run needs."""

    clients: Clients
    bigquery: BigQuery
    training: Training
    models: Models
    batch_predictions: BatchPredictions
    evaluation: Evaluation
    endpoints: Endpoints


class Book(Protocol):
    """Where a run is written down: a `Ledger`, or a delivery's workspace."""

    folder: str

    def now(self) -> datetime: ...

    def say(self, kind: str, text: str, *, run: str = "", **facts: Any) -> Any: ...

    def put(self, what: str, record: Mapping[str, Any]) -> None: ...


@dataclass
class Run:
    """A run, as its record has it.

    Attributes:
        seconds: that this call may take for waiting; None: as long as it takes.
    """

    id: str
    recipe: Recipe
    ledger: Book
    modules: Modules
    record: dict[str, Any]
    seconds: float | None = None

    def __post_init__(self) -> None:
        self._end = None if self.seconds is None else monotonic() + self.seconds

    @property
    def facts(self) -> dict[str, Any]:
        """What the steps found."""
        found: dict[str, Any] = self.record["facts"]
        return found

    @property
    def at(self) -> datetime:
        """The time that @now is: when the run started."""
        return datetime.fromisoformat(self.record["started"])

    def go(self) -> str:
        """The steps that are left; the outcome, UNDER_WAY where the time was over."""
        try:
            while self.record["outcome"] == UNDER_WAY:
                self._begin()
                getattr(self, f"_{self._step}")()
                self._keep(step=min(self.record["step"] + 1, len(STEPS) - 1))
        except DeadlineExceeded as error:
            self.record["tries"] = 0
            self._keep()
            self.say("WAITING", f"goes on later, from {self._step}: {error.message}")
        except JobFailed as error:
            self._failed(error.message, str(error), cause=error.cause if error.exit_code else "")
        except GcpMlopsError as error:
            self._failed(error.message, str(error))
        except Exception as error:  # noqa: BLE001 - a run that says nothing would be begun again for ever
            _log.exception("run %s of %s", self.id, self.recipe.name)
            self._failed(f"{type(error).__name__}: {error}", repr(error))
        return str(self.record["outcome"])

    @property
    def _step(self) -> str:
        return STEPS[self.record["step"]]

    def _begin(self) -> None:
        """A step, for the first time or again. Raises GcpMlopsError where whoever tries it is killed."""
        tries = self.record.get("tries", 0)
        if tries >= _TRIES:
            raise GcpMlopsError(f"its process was killed {tries} times; see the log of the function or the machine")
        if tries:
            self.say("RESUMED", f"from {self._step}: the one who did it was killed")
        self.record["tries"] = tries + 1
        self._keep()

    def _failed(self, message: str, whole: str, *, cause: str = "") -> None:
        what = f"{self._step}: {message.partition(chr(10))[0]} {cause}".strip()
        self.say("FAILED", what, error=whole)
        self._ended(FAILED, what)

    def say(self, kind: str, text: str, **facts: Any) -> None:
        """An event of this run."""
        self.ledger.say(kind, text, run=self.id, **facts)

    def _data(self) -> None:
        self.modules.endpoints.get(self.recipe.endpoint)  # that is gone is known now, not after the training
        self._tables()

    def _tables(self) -> None:
        recipe, counts = self.recipe, {}
        self.modules.bigquery.ensure_dataset(recipe.dataset)
        for what, source in (("training", recipe.training), ("evaluation", recipe.evaluation)):
            if not source:
                continue
            table = f"{recipe.dataset}.{what}_{self.id.replace('-', '_')}"
            self._fill(table, source)
            counts[what] = int(self.modules.bigquery.get_table(table).rows or 0)
            self.facts[f"{what}_table"] = f"{self.modules.clients.config.require('project')}.{table}"
        learnt = f"{counts['training']:,} rows to learn from, " if "training" in counts else ""
        self.say("DATA", f"{learnt}{counts['evaluation']:,} to be judged on", **counts)
        for what, rows in counts.items():
            if not rows:
                raise GcpMlopsError(f"the query for {what} gives no rows at {self.at:%Y-%m-%d %H:%M} UTC")
            self._check_columns(what)

    def _fill(self, table: str, source: str) -> None:
        given = {"now": ("TIMESTAMP", self.at)} if "@now" in source else None
        self.modules.bigquery.query(source, parameters=given, destination=table)

    def _check_columns(self, what: str) -> None:
        """Before money is spent on training: a column that is missing or empty. Raises GcpMlopsError."""
        table, bigquery = self.facts[f"{what}_table"], self.modules.bigquery
        columns = bigquery.get_table(table).columns
        wanted = [*self.recipe.features, *([self.recipe.evaluate["target"]] if what == "evaluation" else [])]
        if missing := [name for name in wanted if name not in columns]:
            raise GcpMlopsError(f"the query for {what} gives no column {', '.join(missing)}, but {', '.join(columns)}")
        if not wanted:
            return
        counts = ", ".join(f"COUNT(`{name}`)" for name in wanted)
        (row,) = bigquery.query(f"SELECT {counts} FROM `{table}`").rows()
        if empty := [name for name, count in zip(wanted, row.values(), strict=True) if not count]:
            why = f"the data are broken: {', '.join(empty)} of {table} has no value"
            self.say("DATA_ALERT", why, empty=empty)
            raise GcpMlopsError(why)

    def _training(self) -> None:
        training = self.modules.training
        if "job" not in self.facts:
            job = self._start_job()
            self._keep(job=job.name)
            self.say("TRAINING", f"custom job {job.name.rpartition('/')[2]}", job=job.name)
        done = training.wait(self.facts["job"], timeout=self._left())
        hours = (done.proto.end_time - done.proto.start_time).total_seconds() / 3600
        self.facts["training_hours"] = hours
        self.say("TRAINED", f"in {hours * 60:.1f} min", job=done.name, model_dir=done.model_dir)

    def _start_job(self) -> Any:
        return self.modules.training._create(self._request())

    def _register(self) -> None:
        self._upload(f"retraining {self.recipe.name}, run {self.id}")

    def _upload(self, description: str) -> None:
        """A further version of the model, or its first."""
        job = self.modules.training.get(self.facts["job"])
        parent = self._registered()
        model = self.modules.models.upload(
            job,
            display_name=self.recipe.model,
            parent_model=parent.name if parent else None,
            is_default=parent is None,
            version_aliases=["candidate"],
            version_description=description,
            samples=self._samples() if self.recipe.samples else None,
            data=[f"bq://{self.facts['training_table']}"] if "training_table" in self.facts else [],
            check=False,
            **self.recipe.server,
        )
        self.facts["model"] = model.versioned_name
        self.say("REGISTERED", f"{self.recipe.model}@{model.version_id}, not serving", model=model.versioned_name)

    def _predict(self) -> None:
        """Both models on the same rows, by batch prediction."""
        champion = self._champion()
        if champion is not None:
            self.facts["champion"] = champion.versioned_name
        jobs = self.facts.setdefault("predictions", {})
        for role, model in self._predictors().items():
            if role not in jobs:
                jobs[role] = self._batch(model)
        self._keep()
        for name in jobs.values():
            self.modules.batch_predictions.wait(name, timeout=self._left())

    def _predictors(self) -> dict[str, Model | Job]:
        """Whom the evaluation asks, by role."""
        return {role: self.modules.models.get(self.facts[role]) for role in ("champion", "model") if role in self.facts}

    def _gate(self) -> None:
        challenger, champion = self._both()
        self.say("EVALUATED", self._compared(challenger, champion), **_values(challenger, champion))
        verdict = self.modules.evaluation.check(challenger, gates=self._gates(champion), champion=champion)
        self.modules.models.import_evaluation(self.facts["model"], challenger, verdict=verdict)
        if failed := self._refused(verdict):
            self._ended(GATES_FAILED, failed)
            return
        if self.recipe.mode == CANDIDATE:
            version = self.facts["model"].rpartition("@")[2]
            self._ended(CANDIDATE_KEPT, f"{self.recipe.model}@{version} waits: the mode is candidate")

    def _both(self) -> tuple[EvaluationResult, EvaluationResult | None]:
        """Challenger and champion, measured on the same rows."""
        results = {role: self._measured(role, name) for role, name in self.facts["predictions"].items()}
        return results["model"], results.get("champion")

    def _refused(self, verdict: Verdict) -> str:
        """Which gates failed, and by how much; empty where all passed."""
        if verdict.passed:
            self.say("GATES_PASSED", f"all {len(verdict.results)}", verdict=verdict.to_dict())
            return ""
        failed = "; ".join(str(each).removeprefix("FAILED").strip() for each in verdict.failed)
        self.say("GATES_FAILED", failed, verdict=verdict.to_dict())
        return failed

    def _rollout(self) -> None:
        model, endpoint = self.modules.models.get(self.facts["model"]), self.recipe.endpoint
        try:
            deployed = self._deployed(model)
        except RolloutFailed as error:
            self.say("ROLLED_BACK", "; ".join(error.reasons), steps=list(map(str, error.steps)))
            self._ended(ROLLED_BACK, "; ".join(error.reasons))
            return
        why = f"retraining {self.recipe.name}, run {self.id}: passed every gate and {deployed} on {endpoint}"
        self._promote(model, deployed, why)
        self._ended(PROMOTED, f"{self.recipe.model}@{model.version_id}")

    def _promote(self, model: Model, deployed: str, why: str) -> None:
        for stage in ("production", "champion"):
            self.modules.models.promote(model.versioned_name, to=stage, reason=why)
        self.say("PROMOTED", f"{self.recipe.model}@{model.version_id} by {deployed}", model=model.versioned_name)

    def _deployed(self, model: Model) -> str:
        """How it came to production. Raises RolloutFailed; DeadlineExceeded where a call of its own is needed first."""
        endpoints, hardware = self.modules.endpoints, dict(self.recipe.deploy)
        endpoint = endpoints.get(self.recipe.endpoint)
        if (share := self._share(endpoint, model)) == 100:
            return "an earlier attempt"
        if share is not None:
            endpoints.rollback(endpoint.name, undeploy=True)
            raise GcpMlopsError("it was killed in the middle of the canary; the traffic is what it was before")
        if not endpoint.traffic:  # nothing serves that it could be compared with
            endpoints.deploy(endpoint.name, model=model, **hardware)
            return "the first deployment"
        if self._late:
            raise DeadlineExceeded("the canary gets a call of its own")
        endpoints.deploy(
            endpoint.name, model=model, strategy=self.recipe.strategy, on_event=self._canary_event, **hardware
        )
        return "canary"

    def _share(self, endpoint: Endpoint, model: Model) -> int | None:
        """Of the traffic, that an attempt before this one has given it; None where it is not there."""
        ids = [key for key, named in endpoint.deployed.items() if named == model.versioned_name]
        return max((endpoint.traffic.get(each, 0) for each in ids), default=None)

    @property
    def _late(self) -> bool:
        """Whether much of this call's time is over: a rollout that is cut off has to be undone."""
        return self.seconds is not None and (self._left() or 0) < self.seconds / 2

    def _canary_event(self, event: RolloutEvent) -> None:
        if event.kind != "looked":
            self.say("CANARY", str(event))

    def _request(self) -> Any:
        """The job of this run: its own output folder, its own tables."""
        clients = self.modules.clients
        words = {
            "table": self.facts["training_table"],
            "evaluation_table": self.facts["evaluation_table"],
            "run": self.id,
            "now": self.at.isoformat(),
        }
        job = _google.custom_job.CustomJob.from_json(json.dumps(_filled(self.recipe.job, words)))
        output = _staging.new_folder(clients, "training", self.recipe.name)
        job.job_spec.base_output_directory.output_uri_prefix = str(output)
        return job

    def _registered(self) -> Model | None:
        try:
            return self.modules.models.get(self.recipe.model)
        except NotFound:
            return None

    def _champion(self) -> Model | None:
        """What serves most requests now; None where nothing does."""
        endpoint = self.modules.endpoints.get(self.recipe.endpoint)
        if not endpoint.traffic:
            return None
        first = max(endpoint.traffic, key=lambda key: endpoint.traffic[key])
        row = next(row for row in endpoint.proto.deployed_models if row.id == first)
        return self.modules.models.get(f"{row.model.partition('@')[0]}@{row.model_version_id or 'default'}")

    def _batch(self, model: Model | Job, **settings: Any) -> str:
        job = self.modules.batch_predictions.submit(
            model,
            source=f"bq://{self.facts['evaluation_table']}",
            destination=f"{self.ledger.folder}/predictions/{self.id}",
            included_fields=self._features(),
            predictions_format="jsonl",
            **settings,
        )
        return job.name

    def _measured(self, role: str, job: str) -> EvaluationResult:
        data = self.modules.batch_predictions.get(job)
        given: dict[str, Any] = {"resamples": 200, **self.recipe.evaluate, "name": f"{self.recipe.model}: {role}"}
        measure = getattr(self.modules.evaluation, self.recipe.task)
        result: EvaluationResult = measure(data, **given)
        return result

    def _gates(self, champion: EvaluationResult | None) -> list[Any]:
        """Without a champion nothing is asked about it."""
        from gcpmlops.evaluation import Gate

        gates = [Gate(**given) for given in self.recipe.gates]
        return gates if champion else [gate for gate in gates if gate.minimum is not None or gate.maximum is not None]

    def _compared(self, challenger: EvaluationResult, champion: EvaluationResult | None) -> str:
        """In words, by the metrics that the gates look at."""
        gated = [gate["metric"] for gate in self.recipe.gates if gate.get("metric") in challenger.metrics]
        names = dict.fromkeys(gated or list(challenger.metrics)[:1])
        if champion is None:
            return ", ".join(f"{name} {challenger.value(name):.4g}" for name in names) + "; there is no champion yet"
        return ", ".join(f"{name} {challenger.value(name):.4g} (champion {champion.value(name):.4g})" for name in names)

    def _samples(self) -> list[Any]:
        names = self._features()
        columns = ", ".join(f"`{name}`" for name in names)
        sql = f"SELECT {columns} FROM `{self.facts['evaluation_table']}` ORDER BY {columns} LIMIT {self.recipe.samples}"
        rows = [[row[name] for name in names] for row in self.modules.bigquery.query(sql).rows()]
        plain: list[Any] = json.loads(json.dumps(rows, default=str))  # a time is text in a request
        return plain

    def _features(self) -> list[str]:
        if self.recipe.features:
            return list(self.recipe.features)
        table = self.facts.get("training_table") or self.facts["evaluation_table"]
        columns = self.modules.bigquery.get_table(table).columns
        return [name for name in columns if name != self.recipe.evaluate["target"]]

    def _left(self) -> float | None:
        return None if self._end is None else max(0.1, self._end - monotonic())

    def _keep(self, *, step: int | None = None, **facts: Any) -> None:
        self.facts.update(facts)
        if step is not None:
            self.record |= {"step": step, "tries": 0}
        self.ledger.put(f"runs/{self.id}", self.record)

    def _ended(self, outcome: str, why: str) -> None:
        self.record |= {"outcome": outcome, "why": why, "ended": self.ledger.now().isoformat()}
        self._keep()
        self.say("ENDED", outcome, why=why)


def _filled(value: Any, words: Mapping[str, str]) -> Any:
    """{table} and the like, wherever a text has them."""
    if isinstance(value, str):
        for name, word in words.items():
            value = value.replace(f"{{{name}}}", word)
        return value
    if isinstance(value, Mapping):
        return {key: _filled(each, words) for key, each in value.items()}
    return [_filled(each, words) for each in value] if isinstance(value, list) else value


def _values(challenger: EvaluationResult, champion: EvaluationResult | None) -> dict[str, Any]:
    sides = {"challenger": challenger, **({"champion": champion} if champion else {})}
    return {side: {name: result.value(name) for name in result.metrics} for side, result in sides.items()}


def new_record(run_id: str, *, now: datetime, trigger: Mapping[str, Any], why: str) -> dict[str, Any]:
    """A run that has not begun."""
    return {
        "id": run_id, "started": now.isoformat(), "ended": None, "step": 0, "outcome": UNDER_WAY, "why": why,
        "set_off": why, "trigger": dict(trigger), "facts": {},
    }  # fmt: skip


__all__ = ["Modules", "Run", "new_record"]
