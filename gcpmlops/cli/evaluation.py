"""`gcpmlops evaluation`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from gcpmlops.cli import _output
from gcpmlops.cli._options import Call, command

if TYPE_CHECKING:
    from gcpmlops.evaluation import Comparison, EvaluationResult, Verdict

F = TypeVar("F", bound=Callable[..., Any])
_KEPT = ("report", "json", "card")


@click.group()
def evaluation() -> None:
    """Metrics, comparisons, gates and reports of models.

    DATA is a BigQuery table, a query, a file, or a batch prediction's output. A file is CSV, Parquet or JSON lines,
    here or in Cloud Storage. Of a batch prediction, which is its gs:// folder or its table, instances and predictions
    are columns: prediction, or prediction_0, prediction_1, ...
    """


def _settings(function: F) -> F:
    """What every evaluation takes, and where its results go."""
    for option in reversed(
        [
            click.option("--target", required=True, help="Column of the outcomes."),
            click.option("--name", default="model", show_default=True, help="The model's name in reports."),
            click.option("--slices", multiple=True, metavar="COLUMN|EXPRESSION", help="May be repeated."),
            click.option("--minimum-size", type=int, default=30, show_default=True, help="Rows of a measured slice."),
            click.option("--resamples", type=int, default=1000, show_default=True, help="0: no intervals."),
            click.option("--confidence", type=float, default=0.95, show_default=True, help="Of the intervals."),
            click.option("--seed", type=int, default=0, show_default=True, help="The same one, the same intervals."),
            *_OUTPUTS,
        ]
    ):
        function = option(function)
    return function


_OUTPUTS: list[Callable[..., Any]] = [
    click.option("--report", metavar="FILE.html", help="Write the report with plots; may be gs://."),
    click.option("--json", metavar="FILE.json", help="Write all that was found; may be gs://."),
    click.option("--card", metavar="FILE.md|.html", help="Write a model card; may be gs://."),
    click.option("--gates", type=click.Path(exists=True, dir_okay=False), help="YAML file; exit with 1 if one fails."),
]
_SCORE: dict[str, Any] = {"multiple": True, "metavar": "COLUMN|CLASS=COLUMN"}


@command(
    evaluation,
    "classification",
    example="""gcpmlops evaluation classification flights.scored --target late --score probability \\
  --slices carrier --sensitive origin --gates gates.yaml --report late.html
gcpmlops evaluation classification gs://my-data/out/prediction-kinds-1 --target kind --prediction prediction""",
)
@click.argument("data")
@click.option("--score", **_SCORE, help="Column of probabilities; of several classes one for each.")
@click.option("--prediction", help="Column of labels, where there are no probabilities.")
@click.option("--positive", default="1", show_default=True, help="The positive class.")
@click.option("--threshold", type=float, default=0.5, show_default=True, help="Rows from it on are called positive.")
@click.option("--sensitive", multiple=True, metavar="COLUMN", help="Compare its groups for bias; may be repeated.")
@click.option("--champion", help="JSON of the champion's evaluation on the same rows, for gates that compare.")
@_settings
def classification(call: Call, data: str, score: Sequence[str], champion: str | None, **given: Any) -> None:
    """Measure a classifier."""
    if bool(score) == bool(given["prediction"]):
        raise click.UsageError("A classifier has --score or --prediction, one of the two.")
    _measure(call, "classification", data, champion, score=_score(score), **given)


@command(
    evaluation,
    "regression",
    example="gcpmlops evaluation regression delays.csv --target arr_delay --prediction predicted --json delays.json",
)
@click.argument("data")
@click.option("--prediction", required=True, help="Column of predictions.")
@click.option("--champion", help="JSON of the champion's evaluation on the same rows, for gates that compare.")
@_settings
def regression(call: Call, data: str, champion: str | None, **given: Any) -> None:
    """Measure predictions of a number."""
    _measure(call, "regression", data, champion, **given)


@command(
    evaluation,
    "forecasting",
    example="""gcpmlops evaluation forecasting sales.forecast --target sold --prediction expected --time day \\
  --series shop --season 7 --quantile 0.9=p90 --history sales.daily""",
)
@click.argument("data")
@click.option("--prediction", required=True, help="Column of predictions.")
@click.option("--time", help="Column that orders the rows.")
@click.option("--series", help="Column that tells the series apart.")
@click.option("--season", type=int, default=1, show_default=True, help="Steps after which values repeat.")
@click.option("--history", help="Data of the time before, for mase.")
@click.option("--quantile", "quantiles", multiple=True, metavar="Q=COLUMN", help="Forecast of a quantile.")
@click.option("--champion", help="JSON of the champion's evaluation on the same rows, for gates that compare.")
@_settings
def forecasting(call: Call, data: str, champion: str | None, quantiles: Sequence[str], **given: Any) -> None:
    """Measure forecasts."""
    _measure(call, "forecasting", data, champion, quantiles=dict(map(_quantile, quantiles)), **given)


@command(
    evaluation,
    "compare",
    example="""gcpmlops evaluation compare flights.scored --target late --champion old --challenger new \\
  --gates gates.yaml
gcpmlops evaluation compare old.csv --challenger-data new.csv --target price --kind regression \\
  --champion predicted --challenger predicted""",
)
@click.argument("data")
@click.option("--champion", **_SCORE, required=True, help="The champion's column in DATA.")
@click.option("--challenger", **_SCORE, required=True, help="The challenger's column.")
@click.option("--challenger-data", help="Where that is elsewhere: the same rows in the same order.")
@click.option(
    "--kind",
    type=click.Choice(["classification", "labels", "regression"]),
    default="classification",
    help="labels: the columns hold classes, not probabilities.",
)
@click.option("--positive", default="1", show_default=True, help="The positive class.")
@click.option("--threshold", type=float, default=0.5, show_default=True, help="Rows from it on are called positive.")
@click.option("--sensitive", multiple=True, metavar="COLUMN", help="Compare its groups for bias; may be repeated.")
@click.option("--metrics", multiple=True, metavar="METRIC", help="Compare only these; may be repeated.")
@_settings
def compare(call: Call, data: str, metrics: Sequence[str], **given: Any) -> None:
    """Compare a challenger with the champion on the same rows; gates may judge it."""
    outputs = {name: given.pop(name) for name in (*_KEPT, "gates")}
    _check_gates(outputs["gates"])
    with call.waiting(f"Comparing on {data}"):
        champion, challenger = _both(call, data, **given)
        drawing = {name: given[name] for name in ("resamples", "confidence", "seed")}
        found = call.read("evaluation.compare", champion, challenger, metrics=list(metrics) or None, **drawing)
        verdict = _verdict(call, challenger, outputs.pop("gates"), champion)
    _finish(call, challenger, outputs, verdict, found)


@command(
    evaluation,
    "check",
    example="gcpmlops evaluation check challenger.json --gates gates.yaml --champion champion.json",
)
@click.argument("result", metavar="RESULT.json")
@click.option("--gates", type=click.Path(exists=True, dir_okay=False), required=True, help="YAML file of gates.")
@click.option("--champion", help="JSON of the champion's evaluation on the same rows.")
def check(call: Call, result: str, gates: str, champion: str | None) -> None:
    """Judge a kept evaluation by gates; exit with 1 if one fails."""
    verdict = call.read("evaluation.check", result, gates=gates, champion=champion)
    _show_verdict(call, verdict)
    click.get_current_context().exit(0 if verdict.passed else 1)


@command(evaluation, "report", example="gcpmlops evaluation report late.json late.html")
@click.argument("result", metavar="RESULT.json")
@click.argument("path", metavar="FILE.html")
def report(call: Call, result: str, path: str) -> None:
    """Write the report of a kept evaluation."""
    call.keep(path, call.read("evaluation.read", result).report)


def _score(given: Sequence[str]) -> Any:
    """COLUMN, or CLASS=COLUMN for each class."""
    if len(given) == 1 and "=" not in given[0]:
        return given[0]
    pairs = [text.partition("=") for text in given]
    wrong = [text for text, (_, equals, _) in zip(given, pairs, strict=True) if not equals]
    if wrong:
        raise click.BadParameter(f"{wrong[0]!r} is not CLASS=COLUMN: several scores need their classes")
    return {label: column for label, _, column in pairs} or None


def _quantile(text: str) -> tuple[float, str]:
    number, _, column = text.partition("=")
    try:
        if column:
            return float(number), column
    except ValueError:
        column = ""
    raise click.BadParameter(f"{text!r} is not Q=COLUMN, such as 0.9=p90")


def _measure(call: Call, kind: str, data: str, champion: str | None, **given: Any) -> NoReturn:
    """Measure, judge, write and show; ends the command."""
    outputs = {name: given.pop(name) for name in (*_KEPT, "gates")}
    _check_gates(outputs["gates"])
    with call.waiting(f"Evaluating {data}"):
        result = call.read(f"evaluation.{kind}", data, **given)
        verdict = _verdict(call, result, outputs.pop("gates"), champion)
    _finish(call, result, outputs, verdict)


def _both(
    call: Call,
    data: str,
    *,
    kind: str,
    champion: Sequence[str],
    challenger: Sequence[str],
    challenger_data: str | None,
    **given: Any,
) -> Iterator[Any]:
    """The champion's evaluation, then the challenger's."""
    named = given.pop("name")
    if kind == "regression":
        given = {name: value for name, value in given.items() if name not in ("positive", "threshold", "sensitive")}
    column = "score" if kind == "classification" else "prediction"
    method = "regression" if kind == "regression" else "classification"
    frame = call.read("evaluation.frame", data)
    other = call.read("evaluation.frame", challenger_data) if challenger_data else frame
    for name, rows, where in (("champion", frame, champion), (named, other, challenger)):
        yield call.read(f"evaluation.{method}", rows, name=name, **{column: _score(where)}, **given)


def _check_gates(path: str | None) -> None:
    """What is wrong in the file is said before anything is measured. Raises InvalidArgument."""
    if path:
        from gcpmlops.evaluation import gate_file

        gate_file.read(path)


def _verdict(
    call: Call, result: EvaluationResult, gates: str | None, champion: EvaluationResult | str | None
) -> Verdict | None:
    return call.read("evaluation.check", result, gates=gates, champion=champion) if gates else None


def _finish(
    call: Call,
    result: EvaluationResult,
    outputs: dict[str, str | None],
    verdict: Verdict | None,
    comparison: Comparison | None = None,
) -> NoReturn:
    """Show the metrics and the gates, write what is asked for; exit with 1 where a gate failed."""
    if call.format != "table":
        more = {"gates": verdict and verdict.to_dict(), "comparison": comparison and comparison.to_dict()}
        _output.show_data({**result.to_dict(), **{key: each for key, each in more.items() if each}}, call.format)
    else:
        _output.show_table(list(_rows(result, comparison)))
        if verdict is not None:
            click.echo()
            _show_verdict(call, verdict)
    _write(call, result, outputs, verdict, comparison)
    click.get_current_context().exit(1 if verdict is not None and not verdict.passed else 0)


def _rows(result: EvaluationResult, comparison: Comparison | None) -> Iterator[dict[str, Any]]:
    from gcpmlops.evaluation.values import number

    if comparison is None:
        for name, each in result.metrics.items():
            ends = {"value": number(each.value), "low": number(each.low), "high": number(each.high)}
            yield {"metric": name, **ends, "note": each.reason}
        return
    for change in comparison.differences.values():
        sides = {"champion": number(change.champion), "challenger": number(change.challenger)}
        ends = {"difference": number(change.difference), "low": number(change.low), "high": number(change.high)}
        yield {"metric": change.metric, **sides, **ends, "p": number(change.p_value), "challenger is": change.verdict}


def _show_verdict(call: Call, verdict: Verdict) -> None:
    from gcpmlops.evaluation.values import number

    rows = [
        {
            "gate": each.gate.title,
            "where": each.where,
            "passed": "yes" if each.passed else "NO",
            "value": number(each.value),
            "bound": number(each.bound),
            "margin": number(each.margin),
            "note": each.reason or each.detail,
        }
        for each in verdict.results
    ]
    if call.format == "table":
        _output.show_table(rows)
    else:
        _output.show_data(verdict.to_dict(), call.format)
    failed = f"{len(verdict.failed)} of {len(verdict.results)} gates failed" if verdict.failed else "All gates passed"
    call.say(f"{failed}{f'; not judged: {len(verdict.skipped)} slices or groups' if verdict.skipped else ''}.")


def _write(
    call: Call,
    result: EvaluationResult,
    outputs: dict[str, str | None],
    verdict: Verdict | None,
    comparison: Comparison | None,
) -> None:
    from gcpmlops.evaluation import ModelCard

    card = ModelCard(result, verdict=verdict, comparison=comparison)
    more: dict[str, Any] = {"verdict": verdict, "comparison": comparison}
    writers: dict[str, Callable[[Path], Any]] = {
        "report": lambda path: result.report(path, **more),
        "json": lambda path: result.to_json(path, **more),
        "card": card.write,
    }
    for name, path in outputs.items():
        if path:
            call.keep(path, writers[name])
