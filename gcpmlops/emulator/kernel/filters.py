"""List filters (AIP-160, which Cloud Logging's language extends) and ``order_by``, over any message.

Grammar: comparisons ``field OP value`` with ``= != < <= > >= : =~ !~``, joined by AND, OR, NOT, ``-`` and parentheses;
two terms side by side are an AND; OR binds tighter than AND, as AIP-160 has it. A bare word searches every string.
A service may add functions of its own (``in_context("...")``), which are also asked by ``name:"..."``, and tests that
stand where a value would (``field = starts_with("...")``): see ``parse``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar

from google.api_core import exceptions
from google.protobuf import struct_pb2, timestamp_pb2
from google.protobuf.message import Message

from gcpmlops.emulator.kernel.masks import raw

T = TypeVar("T")
Predicate = Callable[[Any], bool]
Function = Callable[[Sequence[str]], Predicate]

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<op>=~|!~|!=|<=|>=|[=<>:()\-,])|(?P<word>[^\s=<>!:(),"']+))""",
    re.X,
)
_ESCAPE = re.compile(r"(?:\\u[0-9a-fA-F]{4})+|\\.")
_COMPARATORS = {"=", "!=", "<", "<=", ">", ">=", ":", "=~", "!~"}


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
) -> Filter:
    """Parses a filter that may call a service's own functions.

    Args:
        text: the filter; one that is empty lets everything through.
        functions: each gets the strings of ``name("a", "b")``, or of ``name:"a","b"``, and returns the test.
        tests: each gets the strings of ``field = name("a", "b")`` and returns the test of the field's values.
        max_depth: how deep parentheses may nest (0: no limit).

    Raises: InvalidArgument for a filter that doesn't parse, or calls a function that isn't there.
    """
    parser = _Parser(text, functions, tests or {}, max_depth)
    return Filter(parser.parse(), parser.comparisons)


def order(items: Iterable[T], order_by: str) -> list[T]:
    """Sorts by ``field [asc|desc], ...``.

    Raises: InvalidArgument for a field that the messages don't have.
    """
    ordered = list(items)
    for clause in reversed([part.split() for part in order_by.split(",") if part.strip()]):
        direction = clause[1].lower() if len(clause) > 1 else "asc"
        if len(clause) > 2 or direction not in ("asc", "desc"):
            raise exceptions.InvalidArgument(f"order_by {order_by!r}: expected 'field [asc|desc], ...'.")
        path = clause[0].split(".")
        ordered.sort(key=lambda item: _sort_key(item, path, order_by), reverse=direction == "desc")
    return ordered


def _sort_key(item: Any, path: list[str], order_by: str) -> Any:
    values = list(_values(item, path))
    if not values and _unknown(item, path[0]):
        raise exceptions.InvalidArgument(f"order_by {order_by!r}: there is no field {path[0]!r}.")
    value = values[0] if values else ""
    if isinstance(value, timestamp_pb2.Timestamp):
        value = _instant(value)
    elif isinstance(value, _Enum):
        value = value.number
    kind = 0 if value == "" else 2 if isinstance(value, str) else 1  # a Struct's values may be of several kinds
    return kind, value


class _Parser:
    def __init__(
        self, text: str, functions: Mapping[str, Function] | None, tests: Mapping[str, Function], max_depth: int
    ) -> None:
        self.text = text
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
        terms = self._terms() if self.tokens else []
        if self.at < len(self.tokens):
            raise self._error(f"unexpected {self.tokens[self.at][1]!r}")
        return terms

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
        if self.functions is not None and kind == "word" and self._is_call(left, self.functions):
            return self._call(left, self.functions)
        path = self._path(kind, left)
        if self._peek() not in _COMPARATORS:
            needle = _unquote(kind, left).lower()
            return lambda m: any(needle in text.lower() for text in _strings(m))
        _, comparator = self._next()
        if self._accept("("):
            return self._alternatives(path, comparator)
        return self._compared(path, comparator)

    def _compared(self, path: list[str], comparator: str) -> Predicate:
        if self._peek() in self.tests and comparator in ("=", "!="):
            return self._tested(path, comparator)
        value = self._value()
        self.comparisons.append((path, comparator, value))
        return _comparison(path, comparator, value)

    def _tested(self, path: list[str], comparator: str) -> Predicate:
        _, name = self._next()
        self._expect("(")
        arguments = self._arguments()
        self._expect(")")
        self.comparisons.append((path, comparator, f"{name}({', '.join(arguments)})"))
        test = self.tests[name](arguments)
        return lambda m: any(test(value) for value in _values(m, path)) == (comparator == "=")

    def _arguments(self) -> list[str]:
        arguments = [self._value()]
        while self._accept(","):
            arguments.append(self._value())
        return arguments

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

    def _alternatives(self, path: list[str], comparator: str) -> Predicate:
        options, every = [self._compared(path, comparator)], False
        while not self._accept(")"):
            every = self._accept("AND") or every
            if not every and not self._accept("OR"):
                raise self._error("expected OR or AND between the values")
            options.append(self._compared(path, comparator))
        return lambda m: (all if every else any)(option(m) for option in options)

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
    return str(json.loads(f'"{text}"')) if text[1] in "unrt" and text != "\\u" else text[1:]


def _comparison(path: list[str], comparator: str, wanted: str) -> Predicate:
    if comparator in ("!=", "!~"):
        positive = _comparison(path, "=" if comparator == "!=" else "=~", wanted)
        return lambda m: not positive(m)
    test = _tests(wanted)[comparator]
    return lambda m: any(test(value) for value in _values(m, path))


def _tests(wanted: str) -> dict[str, Predicate]:
    pattern = re.compile(wanted) if _is_regex(wanted) else None
    return {
        "=": lambda v: _equal(v, wanted),
        ":": lambda v: wanted == "*" or _has(v, wanted),
        "=~": lambda v: pattern is not None and pattern.search(str(v)) is not None,
        "<": lambda v: _compare(v, wanted) == -1,
        ">": lambda v: _compare(v, wanted) == 1,
        "<=": lambda v: _compare(v, wanted) in (-1, 0),
        ">=": lambda v: _compare(v, wanted) in (0, 1),
    }


def _is_regex(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True


def _equal(value: Any, wanted: str) -> bool:
    if isinstance(value, str) and "*" in wanted and not isinstance(value, _Enum):
        return value == wanted or _wildcard(wanted).fullmatch(value) is not None
    return _compare(value, wanted) == 0


@lru_cache(maxsize=256)
def _wildcard(wanted: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in wanted.split("*")), re.S)


def _has(value: Any, wanted: str) -> bool:
    if isinstance(value, _Key):
        return value == wanted
    if isinstance(value, str) and not isinstance(value, _Enum):
        return wanted.strip("*").lower() in value.lower()
    return _compare(value, wanted) == 0


def _compare(value: Any, wanted: str) -> int | None:
    """-1, 0 or 1; None where the two can't be compared."""
    mine: Any = value
    other: Any = wanted
    try:
        if isinstance(value, _Enum):
            mine, other = value.number, value.number_of(wanted)
        elif isinstance(value, timestamp_pb2.Timestamp):
            mine, other = _instant(value), _moment(wanted)
        elif isinstance(value, bool):
            mine, other = str(value).lower(), wanted.lower()
        elif isinstance(value, int | float):
            other = float(wanted)
    except ValueError:
        return None
    return int(mine > other) - int(mine < other)


def _instant(value: timestamp_pb2.Timestamp) -> datetime:
    moment: datetime = value.ToDatetime(tzinfo=UTC)
    return moment


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class _Key(str):
    """A key of a map: `labels:team` asks for that very key."""

    __slots__ = ()


class _Enum(str):
    """An enum value: compares by number (severities are ordered), shows its name."""

    __slots__ = ("number", "values")
    number: int
    values: Any

    @classmethod
    def of(cls, descriptor: Any, number: int) -> _Enum:
        known = descriptor.values_by_number.get(number)
        value = cls(known.name if known else str(number))
        value.number, value.values = number, descriptor.values_by_name
        return value

    def number_of(self, wanted: str) -> int:
        found = self.values.get(wanted.upper())
        return int(found.number) if found is not None else int(wanted)


def _unknown(message: Any, name: str) -> bool:
    return name not in {field.name for field in raw(message).DESCRIPTOR.fields} and not any(
        field.json_name == name for field in raw(message).DESCRIPTOR.fields
    )


def _values(message: Any, path: list[str]) -> Iterator[Any]:
    """Every value at a dotted path, through repeated fields, maps and Structs; scalars count when set or default."""
    node = raw(message)
    if not path:
        yield from [node] if not isinstance(node, struct_pb2.Value) else _plain(node)
    elif isinstance(node, struct_pb2.Value):
        kind = node.WhichOneof("kind") or "null_value"
        yield from _values(getattr(node, kind), path[1:] if path[0] == kind else path)
    elif isinstance(node, struct_pb2.Struct):
        if path[0] in node.fields:
            yield from _values(node.fields[path[0]], path[1:])
    elif isinstance(node, Message):
        yield from _field_values(node, path)


def _plain(node: struct_pb2.Value) -> Iterator[Any]:
    kind = node.WhichOneof("kind")
    if kind == "list_value":
        for item in node.list_value.values:
            yield from _plain(item)
    elif kind is not None and kind != "null_value":
        yield getattr(node, kind)


def _field_values(node: Message, path: list[str]) -> Iterator[Any]:
    fields = node.DESCRIPTOR.fields
    field = next((f for f in fields if path[0] in (f.name, f.json_name)), None)
    if field is None:
        return
    value = getattr(node, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        yield from _map_values(value, path[1:])
    elif field.is_repeated:
        for item in value:
            yield from _values(item, path[1:]) if isinstance(item, Message) else [item]
    elif field.enum_type is not None:
        yield _Enum.of(field.enum_type, value)
    elif field.message_type is None or node.HasField(field.name):
        yield from _values(value, path[1:])


def _map_values(entries: Any, path: list[str]) -> Iterator[Any]:
    if not path:
        yield from map(_Key, entries.keys())
    elif (key := ".".join(path)) in entries:
        yield from _values(entries[key], [])


def _strings(message: Any) -> Iterator[str]:
    for field, value in raw(message).ListFields():
        items = value if field.is_repeated else [value]
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            items = list(value.values())
        for item in items:
            if isinstance(item, Message):
                yield from _strings(item)
            elif isinstance(item, str):
                yield item
