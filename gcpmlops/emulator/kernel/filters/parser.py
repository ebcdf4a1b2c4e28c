"""Text into predicates."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.api_core import exceptions

from gcpmlops.emulator.kernel.filters import fields
from gcpmlops.emulator.kernel.filters.comparing import Dialect, Function, Getter, Predicate, comparison

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<op>=~|!~|!=|<=|>=|[=<>:()\-,])|(?P<word>[^\s=<>!:(),"']+))""",
    re.X,
)
_ESCAPE = re.compile(r"(?:\\u[0-9a-fA-F]{4})+|\\.")
_COMPARATORS = {"=", "!=", "<", "<=", ">", ">=", ":", "=~", "!~"}


@dataclass(frozen=True)
class _Side:
    """The left side of a comparison and its operator."""

    get: Getter
    path: list[str]
    comparator: str


class Parser:
    """One filter's text; `parse` once."""

    def __init__(
        self,
        text: str,
        functions: Mapping[str, Function] | None,
        tests: Mapping[str, Function],
        max_depth: int,
        dialect: Dialect,
    ) -> None:
        self.text = text
        self.dialect = dialect
        self.functions = functions
        self.tests = tests
        self.max_depth = max_depth
        self.depth = 0
        self.comparisons: list[tuple[Sequence[str], str, str]] = []
        self.tokens = list(self._split(text))
        self.at = 0

    def _split(self, text: str) -> Iterator[tuple[str, str]]:
        position = 0
        while text[position:].strip():
            match = _TOKEN.match(text, position)
            if match is None:
                raise self._error(f"at {text[position : position + 20]!r}")
            kind = match.lastgroup or ""
            yield kind, match.group(kind)
            position = match.end()

    def parse(self) -> list[Predicate]:
        """The terms, of which all must hold. Raises InvalidArgument."""
        terms = self._terms() if self.tokens else []
        if self.at < len(self.tokens):
            raise self._error(f"unexpected {self.tokens[self.at][1]!r}")
        return terms

    def path(self) -> list[str]:
        """The whole text as one path. Raises InvalidArgument."""
        path = self._path(*self._next())
        if self.at < len(self.tokens):
            raise self._error("expected a field")
        return path

    def _terms(self) -> list[Predicate]:
        terms = [self._disjunction()]
        while self._peek() not in ("", ")"):
            self._accept("AND")
            terms.append(self._disjunction())
        return terms

    def _conjunction(self) -> Predicate:
        terms = self._terms()
        return terms[0] if len(terms) == 1 else lambda m: all(term(m) for term in terms)

    def _disjunction(self) -> Predicate:
        terms = [self._term()]
        while self._accept("OR"):
            terms.append(self._term())
        return terms[0] if len(terms) == 1 else lambda m: any(term(m) for term in terms)

    def _term(self) -> Predicate:
        if self._accept("NOT") or self._accept("-"):
            inner = self._term()
            return lambda m: not inner(m)
        if self._accept("("):
            self._enter()
            inner = self._conjunction()
            self._expect(")")
            self.depth -= 1
            return inner
        return self._comparison()

    def _enter(self) -> None:
        self.depth += 1
        if self.max_depth and self.depth > self.max_depth:
            raise self._error(f"parentheses nest deeper than {self.max_depth}")

    def _comparison(self) -> Predicate:
        kind, left = self._next()
        if kind == "op":
            raise self._error(f"unexpected {left!r}")
        if kind == "word" and self._peek() == "(" and left.lower() in self.dialect.computed:
            return self._compared_to(self._computed(left), lambda: [f"{left}()"])
        if self.functions is not None and kind == "word" and self._is_call(left, self.functions):
            return self._call(left, self.functions)
        path = self._path(kind, left)
        if self._peek() not in _COMPARATORS:
            needle = _unquote(kind, left).lower()
            return lambda m: any(needle in text.lower() for text in fields.strings(m))
        if wrong := self.dialect.check(path):
            raise self._error(wrong)
        direct = fields.getter(self.dialect.message_type, path) if self.dialect.message_type is not None else None
        return self._compared_to(direct or (lambda m: fields.values(m, path)), lambda: path)

    def _compared_to(self, get: Getter, named: Callable[[], list[str]]) -> Predicate:
        _, comparator = self._next()
        if comparator not in _COMPARATORS:
            raise self._error(f"expected a comparison instead of {comparator!r}")
        side = _Side(get, named(), comparator)
        return self._alternatives(side) if self._accept("(") else self._compared(side)

    def _computed(self, name: str) -> Getter:
        """``name(arguments)``, of which some may be such calls themselves."""
        self._expect("(")
        arguments = [self._computed_argument()]
        while self._accept(","):
            arguments.append(self._computed_argument())
        self._expect(")")
        try:
            return self.dialect.computed[name.lower()](arguments)
        except ValueError as error:
            raise self._error(f"{name}: {error}") from None

    def _computed_argument(self) -> Any:
        name = self._peek()
        if (
            self.at + 1 < len(self.tokens)
            and self.tokens[self.at + 1][1] == "("
            and name.lower() in self.dialect.computed
        ):
            self._next()
            return self._computed(name)
        return self._argument()

    def _compared(self, side: _Side) -> Predicate:
        path, comparator = side.path, side.comparator
        if self._peek() in self.tests and comparator in ("=", "!="):
            return self._tested(path, comparator)
        value = self._value()
        self.comparisons.append((path, comparator, value))
        get = side.get
        if comparator == ":" and value == "*":
            get = lambda m: fields.present(m, path)  # noqa: E731 - as `side.get`
        fails = self.dialect.fails_without(path)
        try:
            return comparison(get, comparator, value, self.dialect, fails_without=fails)
        except ValueError as error:
            raise self._error(str(error)) from None

    def _tested(self, path: list[str], comparator: str) -> Predicate:
        _, name = self._next()
        self._expect("(")
        arguments = self._arguments()
        self._expect(")")
        self.comparisons.append((path, comparator, f"{name}({', '.join(arguments)})"))
        test = self.tests[name](arguments)
        return lambda m: any(test(value) for value in fields.values(m, path)) == (comparator == "=")

    def _arguments(self) -> list[str]:
        arguments = [self._argument()]
        while self._accept(","):
            arguments.append(self._argument())
        return arguments

    def _argument(self) -> str:
        """A value, or a field's path as it is written: ``labels."a.b"``."""
        text = self._value()
        while text.endswith(".") and self.tokens[self.at - 1][0] == "word" and self.at < len(self.tokens):
            text += self._next()[1]
        return text

    def _is_call(self, name: str, functions: Mapping[str, Function]) -> bool:
        return self._peek() == "(" or (name in functions and self._peek() == ":")

    def _call(self, name: str, functions: Mapping[str, Function]) -> Predicate:
        if name not in functions:
            raise self._error(f"there is no function {name!r} (here: {', '.join(sorted(functions))})")
        _, opening = self._next()
        arguments = self._arguments()
        if opening == "(":
            self._expect(")")
        return functions[name](arguments)

    def _alternatives(self, side: _Side) -> Predicate:
        options, every = [self._alternative(side)], False
        while not self._accept(")"):
            every = self._accept("AND") or every
            if not every and not self._accept("OR"):
                raise self._error("expected OR or AND between the values")
            options.append(self._alternative(side))
        return lambda m: (all if every else any)(option(m) for option in options)

    def _alternative(self, side: _Side) -> Predicate:
        if self._accept("NOT"):
            inner = self._compared(side)
            return lambda m: not inner(m)
        return self._compared(side)

    def _path(self, kind: str, left: str) -> list[str]:
        """The segments of a path, some of them in quotes: ``labels."a.b/c"``, ``metadata."a:b".number_value``."""
        if kind == "string":
            return [_unquote(kind, left)]
        parts = left.split(".")
        while parts[-1] == "":
            parts[-1] = _unquote(*self._next())
            if self._peek().startswith(".") and self.tokens[self.at][0] == "word":
                parts += self._next()[1][1:].split(".")
        return parts

    def _value(self) -> str:
        sign = "-" if self._accept("-") else ""
        kind, text = self._next()
        value = sign + _unquote(kind, text)
        while kind == "word" and self._peek() == ":" and re.match(r"\d{4}-\d\d-\d\dT\d\d", value):  # a bare timestamp
            value += self._next()[1] + self._next()[1]
        while kind == "word" and self._peek() == "-" and re.match(r"\d{4}(-\d\d)?$", value):
            value += self._next()[1] + self._next()[1]
        return value

    def _peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def _accept(self, text: str) -> bool:
        if self._peek() == text and self.tokens[self.at][0] != "string":
            self.at += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            raise self._error(f"expected {text!r}")

    def _next(self) -> tuple[str, str]:
        if self.at >= len(self.tokens):
            raise self._error("it ends too early")
        self.at += 1
        return self.tokens[self.at - 1]

    def _error(self, what: str) -> exceptions.InvalidArgument:
        return exceptions.InvalidArgument(f"Invalid filter {self.text!r}: {what}.")


def _unquote(kind: str, text: str) -> str:
    return _ESCAPE.sub(_unescaped, text[1:-1]) if kind == "string" else text


def _unescaped(match: re.Match[str]) -> str:
    """A character that JSON would write so: the SDK's uploader quotes display names by json.dumps."""
    text = match[0]
    if text[1] in "unrt" and text != "\\u":
        return str(json.loads(f'"{text}"'))
    return text[1:] if text[1] in "\"'\\/" else text  # others mean something in patterns: \d


def path_of(text: str) -> list[str]:
    """The segments of a field's path. Raises InvalidArgument."""
    return Parser(text, None, {}, 0, Dialect()).path()
