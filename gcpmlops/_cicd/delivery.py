"""The steps of a delivery from training to promotion: those of a retraining, in the order of a pipeline.

The candidate is evaluated before anything registers it: a model that its gates refuse leaves nothing in the registry.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gcpmlops._cicd.definition import Definition, is_file
from gcpmlops._jobs.job import Job
from gcpmlops._retraining.recipe import AUTO, Recipe
from gcpmlops._retraining.run import Run, _filled, _values
from gcpmlops.exceptions import FailedPrecondition, GcpMlopsError, NotFound
from gcpmlops.types import is_gs_uri

if TYPE_CHECKING:
    from gcpmlops.evaluation import EvaluationResult
    from gcpmlops.models import Model


class Refused(GcpMlopsError):  # noqa: N818 - a verdict, no malfunction
    """The delivery works; the model is not good enough."""


@dataclass
class Delivery(Run):
    """One delivery; each step returns what is said of it in a line."""

    definition: Definition = field(kw_only=True)

    def train(self) -> str:
        """Data into tables, then a training job, or the one that an interrupted step has started."""
        if "job" not in self.facts:
            self._tables()
            self._keep()
        self._training()
        return f"custom job {self.facts['job'].rpartition('/')[2]}"

    def evaluate(self) -> str:
        """Candidate and champion predict the same rows; both are measured."""
        self._predict()
        challenger, champion = self._results
        self.facts["measured"] = _values(challenger, champion)
        words = self._compared(challenger, champion)
        self.say("EVALUATED", words)
        return words

    def gate(self) -> str:
        """Raises Refused naming each gate that failed."""
        challenger, champion = self._results
        verdict = self.modules.evaluation.check(challenger, gates=self._gates(champion), champion=champion)
        self.facts["verdict"] = verdict.to_dict()
        if failed := self._refused(verdict):
            serves = f"; {self.recipe.endpoint} goes on as it is" if champion else ""
            raise Refused(f"the model was refused: {failed}{serves}")
        return f"{len(verdict.results)} passed" + ("" if champion else "; there is no champion to compare with")

    def register(self) -> str:
        """A version without traffic, with its evaluation and its lineage."""
        if "model" not in self.facts:
            self._upload(f"delivery {self.recipe.name}, {self.id}")
            self._keep()
        challenger, champion = self._results
        verdict = self.modules.evaluation.check(challenger, gates=self._gates(champion), champion=champion)
        self.modules.models.import_evaluation(self.facts["model"], challenger, verdict=verdict)
        return self._title

    def deploy(self) -> str:
        """By canary beside what serves; at once where nothing does. Raises RolloutFailed, FailedPrecondition."""
        model = self.modules.models.get(self.facts["model"])
        self.modules.endpoints.ensure(self.recipe.endpoint)
        self._check_champion(model)
        self.facts["deployed"] = how = self._deployed(model)
        return f"{self._title} on {self.recipe.endpoint}: {how}"

    def promote(self) -> str:
        """The version is production and champion."""
        model = self.modules.models.get(self.facts["model"])
        why = f"delivery {self.recipe.name}, {self.id}: passed every gate and {self.facts['deployed']}"
        self._promote(model, self.facts["deployed"], f"{why} on {self.recipe.endpoint}")
        return self._title

    @property
    def _title(self) -> str:
        return f"{self.recipe.model}@{self.facts['model'].rpartition('@')[2]}"

    @cached_property
    def _results(self) -> tuple[EvaluationResult, EvaluationResult | None]:
        return self._both()

    def _fill(self, table: str, source: str) -> None:
        """A file's rows are loaded, a query's selected."""
        if not is_file(source):
            super()._fill(table, source)
            return
        where = source if is_gs_uri(source) else self.definition.folder / source
        self.modules.bigquery.load(table, source=where, write_disposition="WRITE_TRUNCATE")

    def _start_job(self) -> Job:
        words = {
            "table": self.facts.get("training_table", ""),
            "evaluation_table": self.facts["evaluation_table"],
            "run": self.id,
            "now": self.at.isoformat(),
        }
        source = self.definition.source
        where = source if is_gs_uri(source) else self.definition.folder / source
        settings: Any = {"display_name": self.recipe.name, **_filled(dict(self.recipe.job), words)}
        return self.modules.training.submit(where, **settings)

    def _predictors(self) -> dict[str, Model | Job]:
        found: dict[str, Model | Job] = {}
        if "champion" in self.facts:
            found["champion"] = self.modules.models.get(self.facts["champion"])
        return {**found, "model": self.modules.training.get(self.facts["job"])}

    def _batch(self, model: Model | Job, **settings: Any) -> str:
        server = {"server": dict(self.recipe.server)} if isinstance(model, Job) and self.recipe.server else {}
        return super()._batch(model, **server, **settings)

    def _champion(self) -> Model | None:
        try:
            self.modules.endpoints.get(self.recipe.endpoint)
        except NotFound:
            return None
        return super()._champion()

    def _check_champion(self, model: Model) -> None:
        """What serves is what the candidate was compared with. Raises FailedPrecondition."""
        serving = self._champion()
        now = serving.versioned_name if serving else ""
        if now not in (self.facts.get("champion", ""), model.versioned_name):
            raise FailedPrecondition(
                f"{self.recipe.endpoint} serves another model than the one that the candidate was compared with",
                resource=self.recipe.endpoint,
                next_step="Compare it with that one: begin again with the step evaluate.",
            )


def recipe_of(definition: Definition, gates: list[dict[str, Any]]) -> Recipe:
    """What the steps of a retraining are told."""
    return Recipe(
        name=definition.name, model=definition.model, endpoint=definition.endpoint, mode=AUTO,
        job=dict(definition.job), training=definition.training, evaluation=definition.evaluation,
        dataset=definition.dataset, features=list(definition.features), task=definition.task,
        evaluate=dict(definition.evaluate), gates=gates, deploy=dict(definition.deploy),
        server=dict(definition.server), canary=json.loads(json.dumps(asdict(definition.strategy))),
        samples=definition.samples,
    )  # fmt: skip
