"""One HTML file of a comparison: verdict, figures, and each feature's distributions. No script, no network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from itertools import pairwise

from gcpmlops._drift.result import Distribution, DriftResult, FeatureDrift
from gcpmlops.evaluation.svg import Area, Axis, figure
from gcpmlops.evaluation.values import number

_TITLES = {"compare": "Comparison", "skew": "Training-serving skew", "drift": "Drift"}
_STATISTICS = {"jensen_shannon": "Jensen-Shannon", "l_infinity": "L-infinity"}
_BARS = 12  # categories of one picture
_PICTURES = 60
_WIDTH, _LEFT, _STEP = 390, 124, 26  # of bars of categories
_LEGEND = {"baseline": "c7", "current": "c0"}
_HOW = (
    "Numbers and times: Jensen-Shannon divergence (base 2) of the shares by interval; categories: L-infinity distance, "
    "the largest difference of a category's shares. Both lie between 0 (alike) and 1. Stability: population stability "
    "index of the same shares. A feature with a data problem is never counted as drifted."
)


def page(result: DriftResult) -> str:
    """The whole page."""
    title = escape(f"{_TITLES[result.method]}: {result.current} against {result.baseline}")
    style = files("gcpmlops.evaluation").joinpath("report.css").read_text()
    view = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head = f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">{view}<title>{title}</title>'
    body = "\n".join(_parts(result))
    return f"{head}<style>{style}</style></head>\n<body><h1>{title}</h1>\n{body}\n</body></html>\n"


def _parts(result: DriftResult) -> Iterator[str]:
    yield _about(result)
    yield _verdict(result)
    yield f"<h2>Features</h2>{_table(result)}"
    order = sorted(result.features, key=lambda each: (not each.problems, -(each.distance or 0.0)))
    drawn = [each for each in order if each.distribution is not None]
    if drawn:
        note = f"<p>The first {_PICTURES} of {len(drawn)}.</p>" if len(drawn) > _PICTURES else ""
        pictures = "".join(_picture(each) for each in drawn[:_PICTURES])
        yield f"<h2>Distributions</h2>{note}<div class='figures'>{pictures}</div>"
    if result.skipped:
        items = "".join(f"<li>{escape(name)}: {escape(why)}</li>" for name, why in result.skipped.items())
        yield f"<h2>Not compared</h2><ul>{items}</ul>"
    yield _how()


def _about(result: DriftResult) -> str:
    said = [
        f"{result.current}: {result.current_rows:,} rows",
        f"against {result.baseline}: {result.baseline_rows:,} rows",
        f"{len(result.features)} features",
    ]
    said += [result.at.isoformat(timespec="seconds")] if result.at else []
    return f"<p class='about'>{escape(' · '.join(said))}</p>"


def _verdict(result: DriftResult) -> str:
    """What to do, and why."""
    if result.verdict == "ok":
        return f"<div class='verdict passed'><strong>No drift</strong>: {len(result.features)} features</div>"
    parts = []
    if result.data_problems:
        items = "".join(f"<li>{_problem(each.feature, each.message)}</li>" for each in result.data_problems)
        parts.append(f"<strong>Data problems</strong>: mend the feed; don't train on these data<ul>{items}</ul>")
    if result.anomalies:
        items = "".join(f"<li>{_far(each)}</li>" for each in result.anomalies)
        count = f"{len(result.anomalies)} of {len(result.features)} features"
        parts.append(f"<strong>Drift</strong>: {count}<ul>{items}</ul>")
    return "".join(f"<div class='verdict failed'>{part}</div>" for part in parts)


def _problem(feature: str, message: str) -> str:
    return f"<b>{escape(feature)}</b>: {escape(message)}" if feature else escape(message)


def _far(each: FeatureDrift) -> str:
    return f"<b>{escape(each.name)}</b>: {number(each.distance)}, above {number(each.threshold)}"


def _table(result: DriftResult) -> str:
    rows = result.rows()
    if not rows:
        return "<p>None.</p>"
    right = {"distance", "threshold", "stability", "rows", "missing"}
    head = "".join(f"<th{_mark(name in right)}>{escape(name)}</th>" for name in rows[0])
    body = ""
    for row in rows:
        cells = "".join(f"<td{_mark(name in right)}>{_cell(name, value)}</td>" for name, value in row.items())
        css = "" if row["verdict"] == "ok" else " class='failed'"
        body += f"<tr{css}>{cells}</tr>"
    said = "<caption>rows with a value, and the share without one: baseline / current</caption>"
    return f"<div class='wide'><table>{said}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _mark(right: bool) -> str:
    return " class='figure'" if right else ""


def _cell(name: str, value: str) -> str:
    if name != "verdict":
        return escape(_STATISTICS.get(value, value))
    css = "ok" if value == "ok" else "no"
    return f"<span class='{css}'>{escape(value)}</span>"


def _picture(each: FeatureDrift) -> str:
    counts = each.distribution
    assert counts is not None  # noqa: S101 - asked for where there is one
    far = "" if each.distance is None else f": {number(each.distance)}"
    title = f"{each.name}{far}{'' if each.verdict == 'ok' else f' ({each.verdict})'}"
    bars = _numbers(each, counts) if _is_even(counts.edges) else _labels(each, counts)
    return figure(title, bars, _LEGEND, _note(each, counts))


def _note(each: FeatureDrift, counts: Distribution) -> str:
    parts = [problem.message for problem in each.problems]
    if each.kind == "time":
        ends = (
            datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M") for at in (counts.edges[0], counts.edges[-1])
        )
        parts.append(" to ".join(ends))
    if len(counts.labels) > _BARS:
        parts.append(f"the {_BARS} most frequent of {len(counts.labels):,}")
    return "; ".join(parts)


def _share(side: Sequence[float]) -> list[float]:
    total = sum(side)
    return [each / total if total else 0.0 for each in side]


def _numbers(each: FeatureDrift, counts: Distribution) -> str:
    """Both sides' shares by interval: the baseline as bars, the current side as steps over them."""
    was, now, start = _share(counts.baseline), _share(counts.current), 0.0
    edges, label = counts.edges, each.name
    if each.kind == "time":
        start, label = edges[0], "days from the first"
        edges = tuple((edge - start) / 86_400 for edge in edges)
    area = Area(Axis(label, edges[0], edges[-1]), Axis.of("share of rows", [*was, *now], zero=True))
    parts = [
        area.bar(low, high, share, "c7", f"{number(low)} to {number(high)}: {share:.1%} before, {after:.1%} now")
        for (low, high), share, after in zip(pairwise(edges), was, now, strict=True)
    ]
    steps = [
        point
        for (low, high), share in zip(pairwise(edges), now, strict=True)
        for point in ((low, share), (high, share))
    ]
    return area.svg(each.name, [*parts, area.line([(edges[0], 0.0), *steps, (edges[-1], 0.0)], "c0", "current")])


def _labels(each: FeatureDrift, counts: Distribution) -> str:
    """Both sides' shares of the most frequent categories, or of intervals, side by side."""
    was, now = _share(counts.baseline), _share(counts.current)
    if counts.edges:
        names = [f"{number(low)} to {number(high)}" for low, high in pairwise(counts.edges)]
        return horizontal(each.name, list(zip(names, was, now, strict=True)))
    order = sorted(range(len(was)), key=lambda n: -max(was[n], now[n]))[:_BARS]
    return horizontal(each.name, [(counts.labels[n], was[n], now[n]) for n in order])


def _is_even(edges: Sequence[float]) -> bool:
    """Intervals of one width; of others, by quantiles, the widest would seem to weigh the most."""
    widths = [high - low for low, high in pairwise(edges)]
    return bool(widths) and max(widths) - min(widths) <= 1e-6 * max(widths)


def horizontal(title: str, rows: Sequence[tuple[str, float, float]]) -> str:
    """A pair of bars for each name."""
    most = max((max(was, now) for _, was, now in rows), default=1.0) or 1.0
    inside = "".join(_pair(n, name, was, now, most) for n, (name, was, now) in enumerate(rows))
    box = f'viewBox="0 0 {_WIDTH} {16 + _STEP * len(rows)}" role="img" aria-label="{escape(title)}"'
    return f"<svg {box}>{inside}</svg>"


def _pair(n: int, name: str, was: float, now: float, most: float) -> str:
    top, short = 8 + n * _STEP, name if len(name) <= 18 else f"{name[:17]}…"
    tip = f"<title>{escape(name)}: {was:.1%} before, {now:.1%} now</title>"
    parts = [f'<text x="{_LEFT - 8}" y="{top + 14}" text-anchor="end">{escape(short)}{tip}</text>']
    for offset, share, css in ((0, was, "c7"), (10, now, "c0")):
        long = max(share / most * (_WIDTH - _LEFT - 60), 0.5)
        place = f'x="{_LEFT}" y="{top + offset}" width="{long:.1f}" height="9"'
        parts.append(f'<rect class="bar {css}" {place}>{tip}</rect>')
    end = _LEFT + max(was, now) / most * (_WIDTH - _LEFT - 60) + 6
    return "".join([*parts, f'<text x="{end:.1f}" y="{top + 14}">{now:.1%}</text>'])


def _how() -> str:
    return f"<h2>How it was measured</h2><p>{_HOW}</p>"
