"""A model card: what the model is, what it was measured on, how it did, where it must not be used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, NamedTuple

from gcpmlops.evaluation import words
from gcpmlops.evaluation.comparison import Comparison
from gcpmlops.evaluation.gates import Verdict
from gcpmlops.evaluation.result import EvaluationResult, write
from gcpmlops.evaluation.values import number
from gcpmlops.types import Path_

_SLICES = 50
_STYLE = """:root{color-scheme:light dark}
body{font-family:system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse}th,td{border-bottom:1px solid #8885;padding:.3rem .6rem;text-align:left}"""


class _Section(NamedTuple):
    title: str
    text: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


@dataclass(frozen=True, eq=False)
class ModelCard:
    """What people say of the model, and what its evaluation says. `path.md` or `path.html`: `write` knows by suffix."""

    result: EvaluationResult
    description: str = ""
    intended_use: str = ""
    limits: Sequence[str] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    """Of training and evaluation: tables, periods, row counts."""
    lineage: Mapping[str, Any] = field(default_factory=dict)
    """The training job, its code, the model's resource name and version."""
    verdict: Verdict | None = None
    comparison: Comparison | None = None

    def markdown(self) -> str:
        """The card as Markdown."""
        return f"# {_inline(self.result.name)}\n" + "".join(_markdown(each) for each in self._sections())

    def html(self) -> str:
        """The card as one HTML page."""
        title = escape(self.result.name)
        body = "".join(_as_html(each) for each in self._sections())
        head = f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        return f"{head}<style>{_STYLE}</style></head>\n<body><h1>{title}</h1>\n{body}</body></html>\n"

    def write(self, path: Path_) -> Any:
        """HTML for a path that ends in .html, Markdown otherwise. Raises InvalidArgument."""
        return write(path, self.html() if str(path).endswith((".html", ".htm")) else self.markdown())

    def _sections(self) -> Iterator[_Section]:
        result = self.result
        if self.verdict is not None:
            yield _Section("Verdict", _decision(self.verdict))
        if self.description:
            yield _Section("What it is", self.description)
        if self.intended_use:
            yield _Section("Intended use", self.intended_use)
        measured = {"evaluated rows": f"{result.rows:,}", **self.data, **result.settings}
        yield _Section("Data", "", ("", ""), [(key, _plain(value)) for key, value in measured.items()])
        metrics = [
            (name, number(e.value), number(e.low), number(e.high), e.reason or words.meaning(name))
            for name, e in result.metrics.items()
        ]
        yield _Section("Metrics", "", ("metric", "value", "low", "high", ""), metrics)
        yield from self._slices()
        yield from self._fairness()
        yield from self._judged()
        yield _Section("Limits", "", ("limit",), [(each,) for each in (*self.limits, *self._found_limits())])
        if self.lineage:
            yield _Section("Lineage", "", ("", ""), [(key, str(value)) for key, value in self.lineage.items()])

    def _slices(self) -> Iterator[_Section]:
        if self.result.slices:
            shown = words.headlines(self.result.metrics, 4)
            rows = [
                (each.name, f"{each.rows:,}", *(str(each.metrics.get(name, "-")) for name in shown))
                for each in self.result.slices[:_SLICES]
            ]
            yield _Section("Slices", "", ("slice", "rows", *shown), rows)

    def _fairness(self) -> Iterator[_Section]:
        for each in self.result.fairness:
            rows = [(name, str(estimate)) for name, estimate in each.measures.items()]
            yield _Section(f"Fairness: {each.sensitive}", each.reason, ("measure", "value"), rows)

    def _judged(self) -> Iterator[_Section]:
        if self.comparison is not None:
            rows = [
                (each.metric, str(each).removeprefix(f"{each.metric}: "), each.verdict)
                for each in self.comparison.differences.values()
            ]
            title = f"Against {self.comparison.champion.name}"
            yield _Section(title, "", ("metric", "difference", "challenger is"), rows)
        if self.verdict is not None:
            judged = [
                (
                    *(each.gate.title, each.where, "passed" if each.passed else "FAILED", number(each.margin)),
                    each.reason or each.detail,
                )
                for each in sorted(self.verdict.results, key=lambda each: each.passed)
            ]
            yield _Section("Gates", "", ("gate", "where", "", "margin", ""), judged)

    def _found_limits(self) -> Iterator[str]:
        """What the evaluation itself could not see."""
        for each in self.result.slices:
            if each.reason:
                yield f"{each.name}: {each.reason}"
        for found in self.result.fairness:
            yield from (f"{found.sensitive} {group.name}: {group.reason}" for group in found.groups if group.reason)


def _decision(verdict: Verdict) -> str:
    count, failed = len(verdict.results), verdict.failed
    return f"Stopped: {len(failed)} of {count} gates failed." if failed else f"Passed: all {count} gates."


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _markdown(section: _Section) -> str:
    lines = [f"\n## {_inline(section.title)}\n", *([f"{section.text}\n"] if section.text else [])]
    if section.rows:
        table = [section.columns, ["---"] * len(section.columns), *section.rows]
        lines += ["| " + " | ".join(_inline(cell) for cell in row) + " |" for row in table]
    elif not section.text:
        lines.append("None known.")
    return "\n".join(lines) + "\n"


def _inline(text: str) -> str:
    """Text that stays in its cell."""
    return text.replace("|", "\\|").replace("\n", " ")


def _as_html(section: _Section) -> str:
    text = f"<p>{escape(section.text)}</p>" if section.text else ("" if section.rows else "<p>None known.</p>")
    head = "".join(f"<th>{escape(column)}</th>" for column in section.columns)
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in section.rows)
    table = f"<table><tr>{head}</tr>{rows}</table>" if section.rows else ""
    return f"<h2>{escape(section.title)}</h2>{text}{table}\n"
