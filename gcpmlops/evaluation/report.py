"""One HTML file: verdict, metrics, comparison, curves, slices, bias and how it was measured. No script, no network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from gcpmlops.evaluation import figures, words
from gcpmlops.evaluation.comparison import Comparison
from gcpmlops.evaluation.fairness import RATES, Fairness
from gcpmlops.evaluation.gates import GateResult, Verdict
from gcpmlops.evaluation.result import EvaluationResult
from gcpmlops.evaluation.slices import Slice
from gcpmlops.evaluation.values import Estimate, number

_ROWS = 200  # of a table


def page(result: EvaluationResult, comparison: Comparison | None, verdict: Verdict | None) -> str:
    """The whole page."""
    title, style = (
        escape(f"Evaluation of {result.name}"),
        files("gcpmlops.evaluation").joinpath("report.css").read_text(),
    )
    view = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head = f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">{view}<title>{title}</title>'
    body = "\n".join(_parts(result, comparison, verdict))
    return f"{head}<style>{style}</style></head>\n<body><h1>{title}</h1>\n{body}\n</body></html>\n"


def _parts(result: EvaluationResult, comparison: Comparison | None, verdict: Verdict | None) -> Iterator[str]:
    champion = comparison.champion if comparison else None
    yield _about(result, champion)
    if verdict is not None:
        yield _verdict(verdict)
    yield _cards(result, comparison)
    if verdict is not None:
        yield from _gates(verdict)
    if comparison is not None:
        yield from _comparison(comparison)
    drawn = "".join(figures.of(result, champion))
    if drawn:
        yield f"{_title('Curves')}<div class='figures'>{drawn}</div>"
    if result.slices:
        yield from _slices(result, champion, verdict)
    for each in result.fairness:
        yield from _fairness(each, verdict)
    yield from _metrics(result)
    yield from _settings(result)


def _title(text: str) -> str:
    return f'<h2 id="{escape(text.lower().replace(" ", "-"))}">{escape(text)}</h2>'


def _about(result: EvaluationResult, champion: EvaluationResult | None) -> str:
    target, threshold = result.settings.get("target"), result.settings.get("threshold")
    said = [f"{result.kind}", f"{result.rows:,} rows", f"target {target}"]
    said += [f"threshold {number(threshold)}"] if threshold is not None else []
    said += [f"against {champion.name}"] if champion else []
    return f"<p class='about'>{escape(' · '.join(said))}</p>"


def _verdict(verdict: Verdict) -> str:
    """What was decided, and why."""
    count, failed = len(verdict.results), verdict.failed
    if not failed:
        return f"<div class='verdict passed'><strong>Passed</strong>: all {count} gates</div>"
    items = "".join(f"<li>{_why(each)}</li>" for each in failed[:_ROWS])
    said = f"<strong>Stopped</strong>: {len(failed)} of {count} gates failed"
    return f"<div class='verdict failed'>{said}<ul>{items}</ul></div>"


def _why(failed: GateResult) -> str:
    """As a sentence."""
    place = "" if failed.where == "overall" else f" in <b>{escape(failed.where)}</b>"
    detail = f" ({escape(failed.detail)})" if failed.detail else ""
    worse = failed.gate.tolerance is not None and (failed.value or 0) < 0 and failed.bound == -failed.gate.tolerance
    value = f"{number(-(failed.value or 0))} worse" if worse else number(failed.value)
    how = escape(failed.reason) or f"{value}{detail}, short by <b>{number(abs(failed.margin or 0))}</b>"
    return f"<b>{escape(failed.gate.title)}</b>{place}: {how}"


def _cards(result: EvaluationResult, comparison: Comparison | None) -> str:
    """The figures to look at first."""
    shown = words.headlines(result.metrics, 6)
    return f"<div class='cards'>{''.join(_card(name, result.metrics[name], comparison) for name in shown)}</div>"


def _card(name: str, estimate: Estimate, comparison: Comparison | None) -> str:
    ends = "" if estimate.low is None else f"<small>{number(estimate.low)} to {number(estimate.high)}</small>"
    found = comparison.differences.get(name) if comparison else None
    change = ""
    if found is not None and found.difference is not None:
        css = found.verdict if found.verdict in ("better", "worse") else ""
        change = f"<small class='{css}'>{found.difference:+.4f}, {found.verdict}</small>"
    title = f"<span title='{escape(words.meaning(name))}'>{escape(words.title(name))}</span>"
    return f"<div class='card'>{title}<b>{number(estimate.value)}</b>{ends}{change}</div>"


def _gates(verdict: Verdict) -> Iterator[str]:
    """Every gate at every place, those that failed first, then the narrowest."""
    ordered = sorted(verdict.results, key=lambda each: (each.passed, each.margin if each.margin is not None else 0.0))
    rows = [
        (
            *("passed" if each.passed else "FAILED", each.gate.title, each.where, number(each.value)),
            *(number(each.bound), number(each.margin), each.reason or each.detail),
        )
        for each in ordered[:_ROWS]
    ]
    columns = ("", "gate", "where", "value", "bound", "margin", "")
    css = ["" if each.passed else "failed" for each in ordered[:_ROWS]]
    yield _title("Gates") + _table(columns, rows, css, _count(len(ordered), "gates"))
    if verdict.skipped:
        yield "<p>Not judged: " + "; ".join(map(escape, verdict.skipped[:_ROWS])) + "</p>"


def _comparison(comparison: Comparison) -> Iterator[str]:
    columns = ("metric", "champion", "challenger", "difference", "low", "high", "p", "challenger is")
    rows = [
        (
            *(words.title(each.metric), number(each.champion), number(each.challenger), number(each.difference)),
            *(number(each.low), number(each.high), number(each.p_value), each.verdict),
        )
        for each in comparison.differences.values()
    ]
    caption = f"{comparison.challenger.name} against {comparison.champion.name}, on the same rows"
    yield _title("Champion and challenger") + _table(columns, rows, caption=caption)
    yield "<p>Intervals: paired bootstrap. p: how often models that are alike would differ as much, by permutation.</p>"


def _slices(result: EvaluationResult, champion: EvaluationResult | None, verdict: Verdict | None) -> Iterator[str]:
    """By the metric that is looked at first, and by those that gates ask of slices."""
    asked = [each.gate.metric for each in (verdict.failed if verdict else ()) if each.gate.slices]
    shown = list(dict.fromkeys([*asked, headline(result)]))[:3]
    yield _title("Slices")
    for metric in shown:
        yield f"<div class='figures broad'>{''.join(figures.slices(result, champion, metric))}</div>"
    rows = [
        (each.name, f"{each.rows:,}", f"{each.share:.1%}", *(_cell(each, name) for name in shown), each.reason)
        for each in result.slices[:_ROWS]
    ]
    failed = {each.where for each in verdict.failed} if verdict else set()
    css = ["failed" if each.name in failed else "" for each in result.slices[:_ROWS]]
    columns = ("slice", "rows", "share", *map(words.title, shown), "")
    yield _table(columns, rows, css, _count(len(result.slices), "slices"))


def headline(result: EvaluationResult) -> str:
    """The metric that slices are drawn by."""
    ranked = [name for name in ("roc_auc", "roc_auc_ovr", "accuracy", "rmse") if name in result.metrics]
    return next((name for name in ranked if result.metrics[name].value is not None), next(iter(result.metrics)))


def _cell(part: Slice, metric: str) -> str:
    return _interval(part.metrics[metric]) if metric in part.metrics else "-"


def _interval(estimate: Estimate) -> str:
    return number(None) if estimate.value is None else str(estimate)


def _fairness(found: Fairness, verdict: Verdict | None) -> Iterator[str]:
    yield _title(f"Fairness: {found.sensitive}")
    if found.reason:
        yield f"<p>Not compared: {escape(found.reason)}</p>"
    else:
        yield f"<div class='figures broad'>{figures.fairness(found)}</div>"
        failed = {each.gate.fairness for each in verdict.failed if each.where == found.sensitive} if verdict else set()
        measures = [
            (words.title(name), number(e.value), number(e.low), number(e.high), e.reason or words.meaning(name))
            for name, e in found.measures.items()
        ]
        css = ["failed" if name in failed else "" for name in found.measures]
        yield _table(("between groups", "value", "low", "high", ""), measures, css)
    rows = [
        (group.name, f"{group.rows:,}", f"{group.positives:,}", *_rates(group), group.reason)
        for group in found.groups[:_ROWS]
    ]
    yield _table(
        ("group", "rows", "positives", *map(words.title, RATES), ""), rows, caption=_count(len(found.groups), "groups")
    )


def _rates(group: Any) -> Iterator[str]:
    return (_interval(group.rates[rate]) if rate in group.rates else "-" for rate in RATES)


def _metrics(result: EvaluationResult) -> Iterator[str]:
    rows = [
        (words.title(name), number(e.value), number(e.low), number(e.high), e.reason or words.meaning(name))
        for name, e in list(result.metrics.items())[:_ROWS]
    ]
    yield _title("All metrics") + _table(
        ("metric", "value", "low", "high", ""), rows, caption=_count(len(result.metrics), "metrics")
    )


def _settings(result: EvaluationResult) -> Iterator[str]:
    said = {
        "kind": result.kind,
        "rows": f"{result.rows:,}",
        "classes": ", ".join(result.classes[:20]),
        **result.settings,
    }
    rows = [(name, _plain(value)) for name, value in said.items() if value not in (None, "", [], {}, ())]
    yield _title("How it was measured") + _table(("", ""), rows)


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _count(count: int, what: str) -> str:
    return f"the first {_ROWS} of {count:,} {what}; all are in the JSON" if count > _ROWS else f"{count:,} {what}"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], css: Sequence[str] = (), caption: str = "") -> str:
    """Figures to the right; a row's class says that it failed."""
    right = [bool(column) and all(_is_figure(row[n]) for row in rows) for n, column in enumerate(columns)]
    marks = [" class='figure'" if each else "" for each in right]
    head = "".join(f"<th{mark}>{escape(column)}</th>" for mark, column in zip(marks, columns, strict=True))
    body = ""
    for n, row in enumerate(rows):
        cells = "".join(f"<td{mark}>{_value(cell)}</td>" for mark, cell in zip(marks, row, strict=True))
        body += f"<tr class='{css[n]}'>{cells}</tr>" if css and css[n] else f"<tr>{cells}</tr>"
    said = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<div class='wide'><table>{said}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _is_figure(cell: str) -> bool:
    return cell.lstrip("-").split("%")[0].split(" [")[0].replace(",", "").replace(".", "").isdigit() or cell in (
        "",
        "-",
    )


def _value(cell: str) -> str:
    """Words that judge are coloured."""
    css = {"passed": "ok", "FAILED": "no", "better": "better", "worse": "worse"}.get(cell)
    return f"<span class='{css}'>{escape(cell)}</span>" if css else escape(cell)
