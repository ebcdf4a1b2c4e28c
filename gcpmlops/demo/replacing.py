"""A better model takes over: evaluated by month and airline, judged by gates, put into production by degrees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcpmlops.demo import data, sql
from gcpmlops.demo.steps import NAME, Codes, instance
from gcpmlops.demo.story import Story
from gcpmlops.demo.traffic import Traffic
from gcpmlops.endpoints import Canary

if TYPE_CHECKING:
    import pandas

    from gcpmlops.client import Client
    from gcpmlops.endpoints import Endpoint
    from gcpmlops.evaluation import Comparison, EvaluationResult, Verdict
    from gcpmlops.models import Model

GATES = Path(__file__).parent / "gates.yaml"
THRESHOLD = 0.3  # a flight with this chance is called late
# On the real cloud a step takes many minutes: Cloud Monitoring is some minutes behind.
CANARY = Canary(steps=(5, 25, 100), bake=1.0, settle=0, patience=60, min_requests=20, tolerance=None)


@dataclass(frozen=True)
class Judged:
    """Both models on the same flights, and what the gates say."""

    champion: EvaluationResult
    challenger: EvaluationResult
    comparison: Comparison
    verdict: Verdict


@dataclass
class Replacement:
    """The steps, in the order of their definition."""

    client: Client
    story: Story
    flights: Sequence[data.Flight]
    """Which neither model has seen."""
    codes: Codes

    def predict(self, champion: Model, challenger: Model) -> list[pandas.DataFrame]:
        """What both say of all flights, by batch prediction; a row a flight, in the same order."""
        title = f"Ask both about {len(self.flights):,} later flights"
        with self.story.step(title, api="JobService.CreateBatchPredictionJob") as step:
            rows = self._rows()
            jobs = [
                self.client.batch_predictions.submit(model, source=rows, included_fields=sql.FEATURES)
                for model in (champion, challenger)
            ]
            jobs = [job.wait() for job in jobs]
            step.resource = ", ".join(f"batchPredictionJobs/{job.id}" for job in jobs)
            step.note = str(jobs[-1].counts)
            return [self.client.evaluation.frame(job).sort_values("flight") for job in jobs]

    def evaluate(self, frames: Sequence[pandas.DataFrame]) -> Judged:
        """Metrics with intervals, by month and airline, and between the airports; then the gates."""
        evaluation = self.client.evaluation
        with self.story.step("Evaluate both by month and airline", api="") as step:
            champion, challenger = (
                evaluation.classification(
                    frame, target="late", score="prediction_1", threshold=THRESHOLD, name=f"{NAME}@{name}",
                    slices=["month", "airline"], sensitive=["airport"], minimum_size=200, resamples=200,
                )
                for name, frame in zip(("champion", "challenger"), frames, strict=True)
            )  # fmt: skip
            metrics = ("roc_auc", "pr_auc", "brier")
            comparison = evaluation.compare(champion, challenger, metrics=metrics, resamples=200)
            step.note = str(comparison["roc_auc"])
        with self.story.step("Judge the challenger by the gates", api="", resource="gates.yaml") as step:
            verdict = evaluation.check(challenger, gates=GATES, champion=champion).require()
            step.note = f"{len(verdict.results)} passed"
        return Judged(champion, challenger, comparison, verdict)

    def keep(self, judged: Judged, challenger: Model, report: Path) -> None:
        """The report here, and with the version in the registry."""
        about: dict[str, Any] = {"comparison": judged.comparison, "verdict": judged.verdict}
        with self.story.step("Keep the evaluation with the version", api="ModelService.ImportModelEvaluation") as step:
            judged.challenger.report(report, **about)
            kept = self.client.models.import_evaluation(challenger.versioned_name, judged.challenger, **about)
            step.resource, step.note = f"evaluations/{kept.id}", str(report)

    def replace(self, endpoint: Endpoint, challenger: Model) -> None:
        """By canary, under a constant load of requests; the challenger is the champion then."""
        with self.story.step("Put it into production by canary", api="EndpointService.UpdateEndpoint") as step:
            with Traffic(endpoint, self._instances) as traffic:
                rollout = self.client.endpoints.deploy(
                    endpoint.name,
                    model=challenger,
                    strategy=CANARY,
                    on_event=lambda event: self.story.detail(str(event)),
                )
            step.resource = f"endpoints/{endpoint.id}"
            step.note = f"{rollout.decision.lower()}; {traffic}"
        with self.story.step("Make it the champion", api="ModelService.MergeVersionAliases") as step:
            why = f"passed every gate and the canary on {endpoint.display_name}"
            self.client.models.promote(challenger.versioned_name, to="production", reason=why)
            self.client.models.promote(challenger.versioned_name, to="champion", reason=why)
            step.resource = f"models/{challenger.id}@{challenger.version_id}"
            step.note = "who, when and why are kept"

    @cached_property
    def _instances(self) -> list[list[int]]:
        return [instance(flight, self.codes) for flight in self.flights]

    def _rows(self) -> pandas.DataFrame:
        import pandas

        frame = pandas.DataFrame(self._instances, columns=list(sql.FEATURES))
        return frame.assign(
            flight=range(len(frame)),
            airline=[flight.row["carrier"] for flight in self.flights],
            airport=[flight.row["origin"] for flight in self.flights],
            late=[int(flight.late) for flight in self.flights],
        )
