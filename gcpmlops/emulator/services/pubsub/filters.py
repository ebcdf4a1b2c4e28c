"""The filter language of subscriptions: conditions on attributes, joined by AND, OR, NOT and parentheses."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from google.api_core import exceptions

Predicate = Callable[[Mapping[str, str]], bool]

_MAX_BYTES = 256
_TOKEN = re.compile(r'\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<word>[A-Za-z0-9_][A-Za-z0-9_\-]*)|(?P<sign>!=|[=:.,()\-]))')
_ESCAPE = re.compile(
    r"\\(?:(?P<hex>x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U000[0-9A-Fa-f]{5}|U0010[0-9A-Fa-f]{4})"
    r"|(?P<octal>[0-3][0-7]{2})|(?P<other>.))"
)
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


@lru_cache(maxsize=1024)
def compiled(text: str) -> Predicate | None:
    """What a filter lets through, by the attributes; None: everything.

    Raises: InvalidArgument naming the place.
    """
    if not text.strip():
        return None
    if len(text.encode()) > _MAX_BYTES:
        raise exceptions.InvalidArgument(f"filter: {len(text.encode())} bytes, {_MAX_BYTES} are allowed.")
    return _Parser(text).whole()


class _Parser:
    """Recursive descent. ``AND`` and ``OR`` do not mix without parentheses, as the real service has it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._at = 0

    def whole(self) -> Predicate:
        found = self._expression()
        if self._at < len(self._tokens):
            raise self._wrong("unexpected")
        return found

    def _expression(self) -> Predicate:
        parts = [self._term()]
        operator = self._peek() if self._peek() in ("AND", "OR") else ""
        while operator and self._take(operator):
            parts.append(self._term())
        if self._peek() in ("AND", "OR"):
            raise self._wrong("AND and OR need parentheses to be mixed;")
        if len(parts) == 1:
            return parts[0]
        join = any if operator == "OR" else all
        return lambda attributes: join(part(attributes) for part in parts)

    def _term(self) -> Predicate:
        if self._take("NOT") or self._take("-"):
            negated = self._term()
            return lambda attributes: not negated(attributes)
        if self._take("("):
            inner = self._expression()
            self._expect(")")
            return inner
        return self._prefix() if self._take("hasPrefix") else self._condition()

    def _prefix(self) -> Predicate:
        self._expect("(")
        key = self._attribute(".")
        self._expect(",")
        prefix = self._string()
        self._expect(")")
        return lambda attributes: key in attributes and attributes[key].startswith(prefix)

    def _condition(self) -> Predicate:
        self._expect("attributes")
        if self._take(":"):
            key = self._name()
            return lambda attributes: key in attributes
        self._expect(".")
        name = self._name()
        if self._take("="):
            value = self._string()
            return lambda attributes: name in attributes and attributes[name] == value
        self._expect("!=")
        other = self._string()
        return lambda attributes: name not in attributes or attributes[name] != other

    def _attribute(self, sign: str) -> str:
        self._expect("attributes")
        self._expect(sign)
        return self._name()

    def _name(self) -> str:
        token = self._peek()
        if not token or not (token[0] == '"' or token[0].isalnum() or token[0] == "_"):
            raise self._wrong("an attribute's key is expected instead of")
        self._at += 1
        return _unquoted(token)

    def _string(self) -> str:
        token = self._peek()
        if not token.startswith('"'):
            raise self._wrong('a "quoted" value is expected instead of')
        self._at += 1
        return _unquoted(token)

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self, token: str) -> bool:
        found = self._peek() == token
        self._at += found
        return found

    def _expect(self, token: str) -> None:
        if not self._take(token):
            raise self._wrong(f"{token!r} is expected instead of")

    def _wrong(self, what: str) -> exceptions.InvalidArgument:
        return exceptions.InvalidArgument(
            f"Invalid filter {self._text!r}: {what} {self._peek() or 'its end'!r}. "
            'Conditions are attributes:key, attributes.key = "value", attributes.key != "value" and '
            'hasPrefix(attributes.key, "prefix").'
        )


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            raise exceptions.InvalidArgument(f"Invalid filter {text!r}: {text[at:].strip()!r} can't be read.")
        tokens.append(match[0].strip())
        at = match.end()
    return tokens


def _unquoted(token: str) -> str:
    return _ESCAPE.sub(_escaped, token[1:-1]) if token.startswith('"') else token


def _escaped(match: re.Match[str]) -> str:
    if match["hex"]:
        return chr(int(match["hex"][1:], 16))
    if match["octal"]:
        return chr(int(match["octal"], 8))
    return _CONTROLS.get(match["other"], match["other"])
