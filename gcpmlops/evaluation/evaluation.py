"""`client.evaluation`: how good and how fair a model is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from gcpmlops.bigquery import BigQuery
from gcpmlops.evaluation.data import Data, Sources
from gcpmlops.evaluation.values import is_number, is_whole
from gcpmlops.exceptions import InvalidArgument
from gcpmlops.storage import Storage
from gcpmlops.types import Path_

if TYPE_CHECKING:
    import pandas

    from gcpmlops.evaluation.comparison import Comparison
    from gcpmlops.evaluation.examples import Examples
    from gcpmlops.evaluation.gates import Gate, Verdict
    from gcpmlops.evaluation.result import EvaluationResult
    from gcpmlops.evaluation.task import Task


class Settings(TypedDict, total=False):
    """What every evaluation takes."""

    name: str
    """The model's name in reports."""
    slices: Sequence[str]
    """Columns and expressions (pandas' or GoogleSQL's signs): `carrier`, `km // 500`, `hour >= 18 AND month = 1`"""
    minimum_size: int
    """Slices and groups with fewer rows are counted and not measured (30)."""
    resamples: int
    """Of the bootstrap (1000); 0: no intervals."""
    confidence: float
    """Of the intervals (0.95)."""
    seed: int
    """The same seed gives the same intervals (0)."""


_DEFAULTS: Settings = {
    "name": "model", "slices": (), "minimum_size": 30, "resamples": 1000, "confidence": 0.95, "seed": 0
}  # fmt: skip


class Evaluation:
    """`client.evaluation`; needs the extra `evaluation`.

    Data is a DataFrame, a BigQuery table or query, a CSV, Parquet or JSON lines file (here or gs://...), or the output
    of a batch prediction: its handle, gs:// folder or table, in which predictions are columns (`prediction`,
    `prediction_0`, ...) beside the instances' fields.
    """

    def __init__(self, bigquery: BigQuery, storage: Storage) -> None:
        self._sources = Sources(bigquery, storage)

    def classification(
        self,
        data: Data,
        *,
        target: str,
        score: str | Mapping[Any, str] | None = None,
        prediction: str | None = None,
        positive: Any = 1,
        threshold: float = 0.5,
        sensitive: Sequence[str] = (),
        **settings: Unpack[Settings],
    ) -> EvaluationResult:
        """Measure a classifier by `score`, the column of the positive class's probability, or class → column.

        Where there are labels alone, `prediction` is their column; metrics that need scores then have no value. With
        two classes, rows whose score reaches `threshold` are called positive, and `sensitive` names columns whose
        groups are compared for bias. Raises InvalidArgument, MissingExtra, and what a BigQuery query raises.
        """
        if not is_number(threshold) or not 0 <= threshold <= 1:
            raise InvalidArgument(field="threshold", value=threshold, allowed="0 to 1")
        if (score is None) == (prediction is None):
            raise InvalidArgument("a classifier has scores or labels", field="score", allowed="score or prediction")
        frame = self.frame(data)
        from gcpmlops.evaluation import examples
        from gcpmlops.evaluation.binary import Binary
        from gcpmlops.evaluation.multiclass import Multiclass

        if prediction is not None:
            rows, threshold = examples.called(frame, target, prediction, positive), 0.5
        else:
            rows = examples.classification(frame, target, {} if score is None else score, positive)
        scored, two = prediction is None, rows.predictions.ndim == 1
        task: Task = Binary(threshold, scored) if two else Multiclass(rows.classes, scored)
        if sensitive and not two:
            raise InvalidArgument("bias is measured between groups of two classes", field="sensitive", allowed="none")
        about: dict[str, Any] = {"target": target, **({"score": score} if scored else {"prediction": prediction})}
        about |= {"threshold": threshold} if two and scored else {}
        return _evaluate(task, rows, settings, about, _names(sensitive, "sensitive"))

    def regression(self, data: Data, *, target: str, prediction: str, **settings: Unpack[Settings]) -> EvaluationResult:
        """Measure predictions of a number. Raises InvalidArgument, MissingExtra, and what a query raises."""
        frame = self.frame(data)
        from gcpmlops.evaluation import examples
        from gcpmlops.evaluation.regression import Regression

        rows = examples.values(frame, target, prediction)
        return _evaluate(Regression(), rows, settings, {"target": target, "prediction": prediction})

    def forecasting(
        self,
        data: Data,
        *,
        target: str,
        prediction: str,
        time: str | None = None,
        series: str | None = None,
        season: int = 1,
        history: Data | None = None,
        quantiles: Mapping[float, str] | None = None,
        **settings: Unpack[Settings],
    ) -> EvaluationResult:
        """Measure forecasts: regression's metrics, mase, and pinball loss and coverage of `quantiles` (0.9 → column).

        mase scales by the error of repeating the value `season` steps back within each `series`, ordered by `time`, in
        `history` (the data itself without one). Raises InvalidArgument, MissingExtra, and what a query raises.
        """
        frame = self.frame(data)
        from gcpmlops.evaluation import examples, regression

        wrong = [each for each in quantiles or {} if not 0 < each < 1]
        if wrong or season < 1:
            field, value = ("quantiles", wrong[0]) if wrong else ("season", season)
            raise InvalidArgument(field=field, value=value, allowed="between 0 and 1" if wrong else "1 or more")
        columns = {str(quantile): column for quantile, column in (quantiles or {}).items()}
        rows = examples.values(frame, target, prediction, columns)
        past = frame if history is None else self.frame(history)
        for each in (frame, past):
            examples.check_columns(each, [target, *filter(None, (series,)), *([time] if time and each is past else [])])
        scale = regression.naive_scale(frame, past, target=target, series=series, time=time, season=season)
        task = regression.Forecasting(quantiles=tuple(quantiles or ()))
        about = {"target": target, "prediction": prediction, "season": season}
        return _evaluate(task, rows.having(regression.SCALE, scale), settings, about)

    def compare(
        self,
        champion: EvaluationResult,
        challenger: EvaluationResult,
        *,
        metrics: Sequence[str] | None = None,
        resamples: int = 1000,
        confidence: float = 0.95,
        seed: int = 0,
    ) -> Comparison:
        """The challenger's differences on the same rows: intervals by a paired bootstrap, p-values by permutation.

        Raises InvalidArgument where the rows, classes or kinds differ.
        """
        from gcpmlops.evaluation import comparison

        return comparison.compare(
            champion, challenger, metrics=metrics, resamples=resamples, confidence=confidence, seed=seed
        )

    def check(
        self,
        result: EvaluationResult | Path_,
        *,
        gates: Path_ | Gate | Sequence[Gate],
        champion: EvaluationResult | Path_ | None = None,
    ) -> Verdict:
        """Judge by gates, or by a YAML file of them; `.require()` on the verdict raises where one failed.

        Results may be the JSON files that were kept of them. Raises InvalidArgument, with file and line, for a gate on
        what was not evaluated.
        """
        from gcpmlops.evaluation import gate_file
        from gcpmlops.evaluation import gates as gates_

        result = self.read(result)
        champion = None if champion is None else self.read(champion)
        if isinstance(gates, gates_.Gate):
            return gates_.check(result, [gates], champion)
        if isinstance(gates, Sequence) and not isinstance(gates, str):
            return gates_.check(result, gates, champion)
        return gate_file.check(gates, result, champion)

    def read(self, result: EvaluationResult | Path_) -> EvaluationResult:
        """What `to_json` wrote, here or at gs://..., without the rows. Raises InvalidArgument, NotFound."""
        from gcpmlops.evaluation.result import EvaluationResult

        if isinstance(result, EvaluationResult):
            return result
        return EvaluationResult.from_text(self._sources.text(result), str(result))

    def frame(self, data: Data) -> pandas.DataFrame:
        """The rows of any kind of data, as every evaluation reads them. Raises InvalidArgument, NotFound."""
        return self._sources.frame(data)


def _evaluate(
    task: Task, examples: Examples, given: Settings, about: dict[str, Any], sensitive: Sequence[str] = ()
) -> EvaluationResult:
    from gcpmlops.evaluation import batch_output, fairness, slices
    from gcpmlops.evaluation.bootstrap import Drawing
    from gcpmlops.evaluation.result import EvaluationResult
    from gcpmlops.evaluation.task import measure

    settings: Settings = {**_DEFAULTS, **given}
    unknown = set(settings) - set(_DEFAULTS)
    if unknown:
        raise TypeError(f"there is no setting {min(unknown)!r}; known: {', '.join(_DEFAULTS)}")
    drawing = Drawing(settings["resamples"], settings["confidence"], settings["seed"])
    size = _size(settings["minimum_size"])
    by = _names(settings["slices"], "slices")
    threshold = about.get("threshold", 0.5)
    failed = {name: count for name, count in examples.frame.attrs.items() if name == batch_output.FAILED}
    parts = slices.evaluate(task, examples, by, minimum_size=size, drawing=drawing)  # first: it may be refused
    bias = (
        fairness.evaluate(examples, each, threshold=threshold, minimum_size=size, drawing=drawing) for each in sensitive
    )
    return EvaluationResult(
        name=settings["name"],
        kind=task.kind,
        rows=len(examples),
        slices=parts,
        fairness=tuple(bias),
        metrics=measure(task, examples, drawing),
        settings=about
        | {"slices": list(by), "sensitive": list(sensitive), "minimum_size": size}
        | vars(drawing)
        | failed,
        curves=task.curves(examples),
        classes=tuple(map(str, examples.classes)),
        digest=examples.digest,
        examples=examples,
        task=task,
    )


def _size(given: Any) -> int:
    if not is_whole(given) or given < 1:
        raise InvalidArgument(field="minimum_size", value=given, allowed="a number of rows, 1 or more")
    return int(given)


def _names(given: Sequence[str], field: str) -> tuple[str, ...]:
    """One name is a list of one: a str is a sequence of letters otherwise."""
    names = (given,) if isinstance(given, str) else tuple(given)
    if not all(isinstance(name, str) for name in names):
        raise InvalidArgument(field=field, value=given, allowed="names of columns, or expressions")
    return names
