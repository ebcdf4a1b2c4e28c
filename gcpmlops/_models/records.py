"""What is kept about versions: their stages with who, when and why, where they come from, how they were evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from gcpmlops import _google, _staging
from gcpmlops._handle import Named
from gcpmlops._jobs.job import Job
from gcpmlops._models import sources as model_sources
from gcpmlops._models.evaluations import Evaluations, ModelEvaluation
from gcpmlops._models.graph import ModelGraph
from gcpmlops._models.lineage import Lineage, LineageGraph, Origin
from gcpmlops._models.model import Model
from gcpmlops._models.registry import Registry
from gcpmlops._models.stages import ARCHIVED, History, Stages, check_stage
from gcpmlops.exceptions import InvalidArgument, NotFound, translated
from gcpmlops.types import GsUri

if TYPE_CHECKING:
    from gcpmlops.evaluation.card import ModelCard
    from gcpmlops.evaluation.comparison import Comparison
    from gcpmlops.evaluation.gates import Verdict
    from gcpmlops.evaluation.result import EvaluationResult


class Records(Registry):
    """The part of `client.models` that keeps and tells the story of a version."""

    def promote(
        self, name: str, *, to: str, reason: str = "", who: str | None = None, archive_previous: bool = False
    ) -> Model:
        """Move a version to staging, production or archived, or make it champion or challenger (MergeVersionAliases).

        These are aliases: `flights@production` is that version from then on, and the one that was it is it no longer;
        with `archive_previous` it is archived. A version has one of the first three at most, and one of the other two.
        Who, when and why are kept (see `history`) before the alias moves. `who` is the caller's own identity, as the
        credentials say it, where it isn't given. A version that is there already stays as it is.
        Raises InvalidArgument, NotFound.
        """
        stage, model = check_stage(to, "to"), self.get(name)
        if stage in model.stages:
            return model
        others = [] if stage == ARCHIVED else self.versions(model.name)
        previous = next((each for each in others if stage in each.aliases), None)
        who = who or self._clients.caller
        moved = self._stages.move(model, stage, previous=previous, who=who, reason=reason)
        if archive_previous and previous is not None:
            why = f"version {model.version_id} is {stage} now" + (f": {reason}" if reason else "")
            self._stages.archive(self.get(previous.versioned_name), came_from=stage, who=who, reason=why)
        return moved

    def demote(self, name: str, *, from_stage: str, reason: str = "", who: str | None = None) -> Model:
        """Take a version out of a stage, or its being champion or challenger; nobody follows (MergeVersionAliases).

        A name without @VERSION means the version that is in the stage. It is kept as for `promote`. Raises
        InvalidArgument, NotFound where no version is in the stage, FailedPrecondition where this one isn't.
        """
        stage = check_stage(from_stage, "from_stage")
        model = self.get(name if "@" in name else f"{name}@{stage}")
        return self._stages.leave(model, stage, who=who or self._clients.caller, reason=reason)

    def history(self, name: str) -> History:
        """The moves between stages of all versions, or of the one that the name says, newest first (ListExecutions).

        Raises NotFound.
        """
        model = self.get(name)
        found = self._stages.history(model)
        return History(each for each in found if "@" not in name or each.version == model.version_id)

    def record_lineage(self, name: str, *, job: Named | str | None = None, data: Sequence[str] = ()) -> Lineage:
        """Keep which job made a version and from which data, as `upload` does (MetadataService). Raises NotFound."""
        origin, model = self._origin(job, data), self.get(name)
        self._lineages.record(model, origin)
        return self.lineage(model.versioned_name)

    def lineage(self, name: str) -> Lineage:
        """Where a version comes from and where it went: job, data, code, evaluations, deployments.

        What `upload` or `record_lineage` kept, or Vertex AI's own pipelines (QueryArtifactLineageSubgraph of Vertex ML
        Metadata); evaluations and deployments as the registry has them. Raises NotFound.
        """
        model = self.get(name)
        return self._lineages.read(model, self._evaluations.of(model))

    def import_evaluation(
        self,
        name: str,
        result: EvaluationResult,
        *,
        comparison: Comparison | None = None,
        verdict: Verdict | None = None,
        card: ModelCard | None = None,
        display_name: str | None = None,
    ) -> ModelEvaluation:
        """Keep an evaluation of `client.evaluation` with a version (ImportModelEvaluation), its slices with it.

        The HTML report, the same as JSON and the model card are put beside the version's files (in the staging bucket
        where it has none), and the evaluation says where they are. A card that isn't given is made from the result and
        the version's lineage. Metrics are in Google's schemas; all of ours are in `.measured`. Slices without metrics
        are in the report and the JSON only. Raises NotFound, InvalidArgument.
        """
        if not hasattr(result, "metrics"):
            allowed = "what client.evaluation measured; of a file client.evaluation.read(PATH)"
            raise InvalidArgument(f"{type(result).__name__} is no evaluation", field="result", allowed=allowed)
        model = self.get(name)
        about = {"comparison": comparison, "verdict": verdict}
        if card is None:
            card = result.card(lineage=self.lineage(model.versioned_name).to_dict(), **about)
        return self._evaluations.add(
            model,
            result,
            folder=self._folder_of(model),
            display_name=display_name or f"{result.name} {datetime.now(UTC):%Y-%m-%d %H:%M}",
            card=card,
            comparison=comparison,
            verdict=verdict,
        )

    def evaluations(self, name: str) -> list[ModelEvaluation]:
        """The evaluations of a version, newest first (ListModelEvaluations). Raises NotFound."""
        return self._evaluations.of(self.get(name))

    def report(self, name: str) -> str:
        """The gs:// URI of the version's latest evaluation report. Raises NotFound where there is none."""
        for each in self.evaluations(name):
            if each.report:
                return each.report
        hint = "Keep one with client.models.import_evaluation."
        raise NotFound(f"model {name} has no evaluation with a report", resource=name, next_step=hint)

    def _folder_of(self, model: Model) -> GsUri:
        if model.artifact_uri:
            return GsUri.parse(model.artifact_uri.rstrip("/"))
        return _staging.folder(self._clients, self._storage, "models", model.display_name)

    def _origin(self, job: Named | str | None, data: Sequence[str]) -> Origin:
        """What made a version, and what it was made from. Raises InvalidArgument, NotFound for a job that isn't."""
        project = self._clients.config.require("project")
        named = [data] if isinstance(data, str) else data
        sources = {each.id: each for each in (model_sources.source_of(name, project=project) for name in named)}
        made_by = None if job is None else self._job(job)
        if made_by is not None and not isinstance(made_by, str):
            found = [*model_sources.read_by(made_by, project=project), *model_sources.code_of(made_by)]
            sources = {each.id: each for each in found} | sources
        return Origin(made_by, tuple(sources.values()))

    def _job(self, job: Named | str) -> _google.custom_job.CustomJob | str:
        """A custom job, or what each trial of a tuning job is; other kinds are known by their full name alone."""
        if isinstance(job, Job):
            return job.proto
        name = job if isinstance(job, str) else job.name
        full = name if name.startswith("projects/") else f"{self._clients.parent}/customJobs/{name}"
        with translated(f"job {name}", next_step="See the jobs with `gcpmlops training list`."):
            if "/customJobs/" in full:
                return self._clients.jobs.get_custom_job(name=full, **self._clients.idempotent)
            if "/hyperparameterTuningJobs/" in full:
                search = self._clients.jobs.get_hyperparameter_tuning_job(name=full, **self._clients.idempotent)
                about = {"name": search.name, "display_name": search.display_name}
                return _google.custom_job.CustomJob(job_spec=search.trial_job_spec, **about)
        return full

    @cached_property
    def _lineages(self) -> LineageGraph:
        return LineageGraph(self._graph)

    @cached_property
    def _evaluations(self) -> Evaluations:
        return Evaluations(self._clients, self._storage)

    @cached_property
    def _stages(self) -> Stages:
        return Stages(self._graph, self._merge)

    @cached_property
    def _graph(self) -> ModelGraph:
        return ModelGraph(self._clients)
