"""List filters (AIP-160, which Cloud Logging's language extends) and ``order_by``, over any message.

Grammar: comparisons ``field OP value`` with ``= != < <= > >= : =~ !~``, joined by AND, OR, NOT, ``-`` and parentheses;
two terms side by side are an AND; OR binds tighter than AND, as AIP-160 has it. A bare word searches every string.
A service may add functions of its own (``in_context("...")``), which are also asked by ``name:"..."``, and tests that
stand where a value would (``field = starts_with("...")``): see ``parse``. Where its language differs otherwise, it says
so by a ``Dialect``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gcpmlops.emulator.kernel.filters.comparing import Dialect, Function, Getter, Predicate
from gcpmlops.emulator.kernel.filters.ordering import order
from gcpmlops.emulator.kernel.filters.parser import Parser, path_of

__all__ = [
    "Dialect",
    "Filter",
    "Function",
    "Getter",
    "Predicate",
    "compile_filter",
    "matches",
    "order",
    "parse",
    "path_of",
]

_AIP_160 = Dialect()


def matches(text: str, message: Any) -> bool:
    """Whether ``message`` satisfies the filter; an empty filter lets everything through.

    Raises: InvalidArgument for a filter that doesn't parse.
    """
    return not text.strip() or compile_filter(text)(message)


@lru_cache(maxsize=256)
def compile_filter(text: str) -> Predicate:
    """Parses once, evaluates often."""
    return parse(text)


@dataclass(frozen=True)
class Filter:
    """A parsed filter; calling it tells whether a message satisfies it.

    Attributes:
        terms: what has to hold, joined by AND.
        comparisons: every (path, operator, value) that it compares, wherever it stands.
    """

    terms: Sequence[Predicate]
    comparisons: Sequence[tuple[Sequence[str], str, str]]

    def __call__(self, message: Any) -> bool:
        return all(term(message) for term in self.terms)


def parse(
    text: str,
    functions: Mapping[str, Function] | None = None,
    *,
    tests: Mapping[str, Function] | None = None,
    max_depth: int = 0,
    dialect: Dialect = _AIP_160,
) -> Filter:
    """Parses a filter that may call a service's own functions.

    Args:
        text: the filter; one that is empty lets everything through.
        functions: each gets the strings of ``name("a", "b")``, or of ``name:"a","b"``, and returns the test.
        tests: each gets the strings of ``field = name("a", "b")`` and returns the test of the field's values.
        max_depth: how deep parentheses may nest (0: no limit).
        dialect: how the service's language differs.

    Raises: InvalidArgument for a filter that doesn't parse, or calls a function that isn't there.
    """
    parser = Parser(text, functions, tests or {}, max_depth, dialect)
    return Filter(parser.parse(), parser.comparisons)
