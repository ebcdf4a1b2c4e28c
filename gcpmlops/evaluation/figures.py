"""The pictures of an evaluation, drawn from its plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any

from gcpmlops.evaluation import words
from gcpmlops.evaluation.fairness import RATES, Fairness
from gcpmlops.evaluation.result import EvaluationResult
from gcpmlops.evaluation.svg import COLOURS, Area, Axis, figure, intervals
from gcpmlops.evaluation.values import direction, number

MOST = 40  # rows of one picture
_TABLE = 12  # classes of a confusion matrix with figures in it
_RASTER = 60


def of(result: EvaluationResult, champion: EvaluationResult | None) -> Iterator[str]:
    """ROC, precision-recall, calibration, confusion, thresholds, residuals: what the kind of model has."""
    named = {result.name: result.curves} | ({former(champion): champion.curves} if champion else {})
    each = _biggest(result) if result.kind == "multiclass" else named
    yield from _ranking(result, each)
    yield from _calibration(named)
    if "thresholds" in result.curves:
        yield _thresholds(result)
    if result.confusion is not None:
        yield _confusion(result.confusion.labels, result.confusion.matrix)
    if "residuals" in result.curves:
        yield from _residuals(result)


def former(champion: EvaluationResult) -> str:
    """The champion's name beside the challenger's."""
    return champion.name if champion.name == "champion" else f"{champion.name} (champion)"


def _biggest(result: EvaluationResult) -> dict[str, Any]:
    """The classes with the most rows, as many as there are colours."""
    confusion, classes = result.confusion, result.curves.get("classes", {})
    if confusion is None or not classes:
        return {}
    rows = {label: sum(row) for label, row in zip(confusion.labels, confusion.matrix, strict=True)}
    return {label: classes[label] for label in sorted(classes, key=lambda label: -rows[label])[:COLOURS]}


def _ranking(result: EvaluationResult, named: Mapping[str, Any]) -> Iterator[str]:
    area = Area(Axis("false positive rate"), Axis("true positive rate"))
    lines = _lines(area, named, "roc", "false_positive_rate", "true_positive_rate")
    if lines:
        mark = _operating_point(result, area, "false_positive_rate", "recall")
        note = _shown(result, named)
        ring = f"Ring: the threshold of {number(result.settings.get('threshold'))}."
        picture = area.svg("ROC", [area.line([(0, 0), (1, 1)], "even"), *lines.values(), mark])
        yield figure("ROC", picture, _legend(lines), note or (ring if mark else ""))
    area = Area(Axis("recall"), Axis("precision"))
    lines = _lines(area, named, "pr", "recall", "precision")
    if lines:
        mark = _operating_point(result, area, "recall", "precision")
        note = f"Ring: the threshold of {number(result.settings.get('threshold'))}." if mark else ""
        yield figure(
            "Precision and recall", area.svg("Precision and recall", [*lines.values(), mark]), _legend(lines), note
        )


def _shown(result: EvaluationResult, named: Mapping[str, Any]) -> str:
    count = len(result.classes)
    return f"The {len(named)} biggest of {count} classes." if result.kind == "multiclass" and len(named) < count else ""


def _operating_point(result: EvaluationResult, area: Area, x: str, y: str) -> str:
    if result.kind != "binary":
        return ""
    across, up = result.metrics[x].value, result.metrics[y].value
    return "" if across is None or up is None else area.dot(across, up, "ring", f"{x} {across:.3f}, {y} {up:.3f}")


def _lines(area: Area, named: Mapping[str, Any], key: str, x: str, y: str) -> dict[str, str]:
    found = {}
    for n, (name, curves) in enumerate(named.items()):
        if key in curves:
            points = list(zip(curves[key][x], curves[key][y], strict=True))
            found[name] = area.line(points, f"c{n % COLOURS}", name)
    return found


def _legend(lines: Mapping[str, str]) -> dict[str, str]:
    return {name: f"c{n}" for n, name in enumerate(lines)}


def _calibration(named: Mapping[str, Any]) -> Iterator[str]:
    known = {name: each["calibration"] for name, each in named.items() if each.get("calibration", {}).get("rows")}
    if not known:
        return
    area = Area(Axis("mean score"), Axis("share of positives"))
    parts = [area.line([(0, 0), (1, 1)], "even")]
    for n, (name, each) in enumerate(known.items()):
        points = list(zip(each["mean_score"], each["fraction_positive"], strict=True))
        parts.append(area.line(points, f"c{n}", name))
        for (x, y), rows in zip(points, each["rows"], strict=True):
            parts.append(area.dot(x, y, f"c{n}", f"{name}: {number(x)} → {number(y)}, {rows:,} rows"))
    note = "Each dot is a tenth of the scale of scores; on the dotted line scores mean what they say."
    yield figure("Calibration", area.svg("Calibration", parts), {name: f"c{n}" for n, name in enumerate(known)}, note)
    yield _scores(next(iter(known.values())))


def _scores(calibration: Mapping[str, Any]) -> str:
    """How many rows have which score: a calibration curve means little where there are few."""
    rows = calibration["rows"]
    area = Area(Axis("score"), Axis.of("rows", rows, zero=True))
    bins = [min(int(mean * 10 - 1e-9), 9) for mean in calibration["mean_score"]]
    bars = [
        area.bar(at / 10, (at + 1) / 10, count, "c0", f"{at / 10} to {(at + 1) / 10}: {count:,} rows")
        for at, count in zip(bins, rows, strict=True)
    ]
    return figure("Scores", area.svg("Scores", bars))


def _confusion(labels: Sequence[str], matrix: Sequence[Sequence[int]]) -> str:
    """Figures and their share of the row for some classes, a raster for many."""
    if len(labels) > _TABLE:
        return _raster(labels, matrix)
    head = "".join(f"<th scope='col'>{escape(label)}</th>" for label in labels)
    body = ""
    for label, row in zip(labels, matrix, strict=True):
        total = sum(row) or 1
        cells = "".join(
            f'<td style="--share:{count / total:.3f}">{count:,}<small>{count / total:.1%}</small></td>' for count in row
        )
        body += f"<tr><th scope='row'>{escape(label)}</th>{cells}</tr>"
    corner = "<th class='corner'>truth ↓ &nbsp; called →</th>"
    table = f"<div class='wide'><table class='confusion'><tr>{corner}{head}</tr>{body}</table></div>"
    note = "Rows are the truth; percentages are shares of a row."
    return figure("Confusion", table, note=note, wide=len(labels) > 3)


def _raster(labels: Sequence[str], matrix: Sequence[Sequence[int]]) -> str:
    size = min(len(labels), _RASTER)
    kept = sorted(range(len(labels)), key=lambda n: -sum(matrix[n]))[:size]
    cell = 400 / size
    parts = []
    for down, truth in enumerate(kept):
        total = sum(matrix[truth]) or 1
        for across, called in enumerate(kept):
            if count := matrix[truth][called]:
                place = f'x="{across * cell:.1f}" y="{down * cell:.1f}" width="{cell:.1f}" height="{cell:.1f}"'
                tip = escape(f"{labels[truth]} called {labels[called]}: {count:,} ({count / total:.1%})")
                parts.append(
                    f'<rect class="cell" {place} style="--share:{count / total:.3f}"><title>{tip}</title></rect>'
                )
    picture = f'<svg class="raster" viewBox="0 0 400 400" role="img" aria-label="Confusion">{"".join(parts)}</svg>'
    which = f"The {size} biggest of {len(labels)}" if size < len(labels) else f"All {size}"
    note = (
        f"{which} classes, the biggest first: down the truth, across what was called. Darker: a larger share of a row."
    )
    return figure("Confusion", picture, note=note)


def _thresholds(result: EvaluationResult) -> str:
    curve, names = result.curves["thresholds"], ("precision", "recall", "f1")
    area = Area(Axis("threshold"), Axis("value"))
    at = result.settings.get("threshold", 0.5)
    parts = [area.line([(at, 0), (at, 1)], "whole", f"threshold {at}")]
    for n, name in enumerate(names):
        pairs = zip(curve["threshold"], curve[name], strict=True)
        points = [(x, y) for x, y in pairs if y is not None]
        parts.append(area.line(points, f"c{n}", name))
    legend = {words.title(name): f"c{n}" for n, name in enumerate(names)} | {f"threshold {number(at)}": "whole"}
    return figure("By threshold", area.svg("By threshold", parts), legend)


def _residuals(result: EvaluationResult) -> Iterator[str]:
    shown, target = result.curves["residuals"], str(result.settings.get("target", "target"))
    truth, said, error = (shown[name] for name in ("target", "prediction", "residual"))
    note = f"{len(truth):,} of {result.rows:,} rows, drawn at random." if len(truth) < result.rows else ""
    area = Area(Axis.of(target, truth), Axis.of("prediction", said))
    ends = [max(area.x.low, area.y.low), min(area.x.high, area.y.high)]
    even = area.line([(end, end) for end in ends], "even") if ends[0] < ends[1] else ""
    picture = area.svg("Prediction and truth", [area.cloud(list(zip(truth, said, strict=True)), "c0"), even])
    yield figure("Prediction and truth", picture, note=note)
    area = Area(Axis.of("prediction", said), Axis.of("prediction - target", error))
    none = area.line([(area.x.low, 0), (area.x.high, 0)], "even") if area.y.low < 0 < area.y.high else ""
    picture = area.svg("Residuals", [area.cloud(list(zip(said, error, strict=True)), "c0"), none])
    yield figure("Residuals", picture, note=note)
    yield _histogram(result.curves["histogram"])


def _histogram(histogram: Mapping[str, Any]) -> str:
    edges, rows = histogram["edges"], histogram["rows"]
    area = Area(Axis("prediction - target", edges[0], edges[-1]), Axis.of("rows", rows, zero=True))
    pairs = zip(pairwise(edges), rows, strict=True)
    bars = [area.bar(a, b, n, "c0", f"{number(a)} to {number(b)}: {n:,} rows") for (a, b), n in pairs]
    return figure("Distribution of residuals", area.svg("Distribution of residuals", bars))


def slices(result: EvaluationResult, champion: EvaluationResult | None, metric: str) -> Iterator[str]:
    """A picture for each column or expression: the metric of each part, worst first, the whole as a line."""
    before = {each.name: each.metrics for each in champion.slices} if champion else {}
    for by in dict.fromkeys(each.by for each in result.slices):
        kept = [each for each in result.slices if each.by == by and each.metrics and _defined(each, metric)]
        if not kept:
            continue
        kept.sort(key=lambda each: (each.metrics[metric].value or 0.0) * (direction(metric) or 1))
        rows = [
            (each.name, [each.metrics[metric], *_of_champion(before, each.name, metric)], f"{each.rows:,} rows")
            for each in kept[:MOST]
        ]
        title = f"{words.title(metric)} by {by}"
        legend = {result.name: "c0"} | ({former(champion): "c1"} if champion and before else {})
        note = f"The {MOST} worst of {len(kept)}." if len(kept) > MOST else ""
        whole = result.metrics[metric].value
        picture = intervals(title, metric, rows, whole=whole)
        yield figure(title, picture, {**legend, f"all rows: {number(whole)}": "whole"}, note)


def _defined(part: Any, metric: str) -> bool:
    return metric in part.metrics and part.metrics[metric].value is not None


def _of_champion(before: Mapping[str, Any], name: str, metric: str) -> list[Any]:
    return [before[name][metric]] if metric in before.get(name, {}) else []


def fairness(found: Fairness) -> str:
    """The rates of each group."""
    groups = [group for group in found.groups if group.rates]
    rows = [
        (group.name, [group.rates[rate] for rate in RATES], f"{group.rows:,} rows, {group.positives:,} positive")
        for group in groups[:MOST]
    ]
    title = f"Rates by {found.sensitive}"
    note = f"The {MOST} biggest of {len(groups)} groups." if len(groups) > MOST else ""
    return figure(title, intervals(title, "rate", rows), {words.title(r): f"c{n}" for n, r in enumerate(RATES)}, note)
