"""Expressions (the part of CEL that policies and providers are full of): conditions, and mappings of a token's claims.

Understood are ``assertion.sub``, ``assertion['a-b']``, strings, numbers, lists, ``+ -``, ``== != < <= > >= in``,
``&& || !``, parentheses, ``timestamp(..)``, ``duration(..)``, ``.startsWith(..)``, ``.endsWith(..)``,
``.contains(..)``, ``.extract(..)``, and a time's ``.getFullYear(..)`` and the like.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from google.api_core import exceptions

_TOKEN = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|&&|\|\||!(?!=)|\btrue\b|\bfalse\b""")
_PYTHON = {"&&": " and ", "||": " or ", "!": " not ", "true": "True", "false": "False"}
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_ORDERS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip


class _UnknownError(Exception):
    """A form that is not understood."""


def _timestamp(text: str) -> datetime:
    """RFC 3339, with its zone."""
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise _UnknownError from None
    if found.tzinfo is None:
        raise _UnknownError
    return found


def _duration(text: str) -> timedelta:
    """``1h30m``, ``60s``."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|h|m|s)", text)
    if "".join(map("".join, parts)) != text or not parts:
        raise _UnknownError
    return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in parts))


def _extract(text: str, template: str) -> str:
    """What stands where the template has {..}, between the text before and behind it; else nothing."""
    before, _, rest = template.partition("{")
    after = rest.partition("}")[2]
    start = text.find(before)
    if start < 0:
        return ""
    found = text[start + len(before) :]
    end = found.find(after) if after else len(found)
    return found[:end] if end >= 0 else ""


def _in_zone(read: Callable[[datetime], int]) -> Callable[..., int]:
    def answer(moment: datetime, zone: str = "UTC") -> int:
        try:
            return read(moment.astimezone(ZoneInfo(zone)))
        except (ZoneInfoNotFoundError, ValueError):
            raise _UnknownError from None

    return answer


_FUNCTIONS: dict[str, Callable[..., Any]] = {"timestamp": _timestamp, "duration": _duration}
_METHODS: dict[str, Callable[..., Any]] = {
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "contains": str.__contains__,
    "extract": _extract,
    "getFullYear": _in_zone(lambda t: t.year),
    "getMonth": _in_zone(lambda t: t.month - 1),  # these count from 0, but for getDate
    "getDate": _in_zone(lambda t: t.day),
    "getDayOfMonth": _in_zone(lambda t: t.day - 1),
    "getDayOfWeek": _in_zone(lambda t: t.isoweekday() % 7),
    "getDayOfYear": _in_zone(lambda t: t.timetuple().tm_yday - 1),
    "getHours": _in_zone(lambda t: t.hour),
    "getMinutes": _in_zone(lambda t: t.minute),
    "getSeconds": _in_zone(lambda t: t.second),
}


def evaluate(expression: str, variables: Mapping[str, Any]) -> Any:
    """The expression's value.

    Args:
        expression: such as ``assertion.repository == 'me/mine'``.
        variables: what its names stand for, ``{"assertion": claims}``.

    Raises: MethodNotImplemented for what is not understood; InvalidArgument for a claim that is not there.
    """
    try:
        return _value(_parsed(expression), variables)
    except (SyntaxError, _UnknownError):
        raise exceptions.MethodNotImplemented(f"The expression {expression!r} is not understood here.") from None
    except (KeyError, TypeError) as error:
        raise exceptions.InvalidArgument(f"The expression {expression!r} has no value: {error}.") from None


def is_well_formed(expression: str) -> bool:
    """Whether it can be CEL at all, understood here or not."""
    bare = _TOKEN.sub(lambda match: "''" if match[1] else match[0], expression)  # strings may hold anything
    if "?" in bare or "//" in bare:  # choices and comments are CEL's alone
        return bare.count("(") == bare.count(")") and bare.count("[") == bare.count("]")
    try:
        _parsed(expression)
    except SyntaxError:
        return False
    return True


@lru_cache(maxsize=1024)
def _parsed(expression: str) -> ast.expr:
    """As Python reads it; in parentheses it may go over several lines. Raises: SyntaxError."""
    text = _TOKEN.sub(lambda match: match[1] or _PYTHON[match[0]], expression).strip()
    return ast.parse(f"({text}\n)", mode="eval").body


def _value(node: ast.expr, variables: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=value) if isinstance(value, str | bool | int):
            return value
        case ast.Name(id=name):
            return variables[name]
        case ast.Attribute(value=inner, attr=name):
            return _value(inner, variables)[name]
        case ast.Subscript(value=inner, slice=key):
            return _value(inner, variables)[_value(key, variables)]
        case ast.List(elts=items):
            return [_value(item, variables) for item in items]
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _value(left, variables) + _value(right, variables)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return _value(left, variables) - _value(right, variables)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*(_value(each, variables) for each in args))
        case ast.Call(func=ast.Attribute(value=inner, attr=name), args=args, keywords=[]) if name in _METHODS:
            return _METHODS[name](_value(inner, variables), *(_value(each, variables) for each in args))
        case _:
            return _truth(node, variables)


def _truth(node: ast.expr, variables: Mapping[str, Any]) -> bool:
    match node:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _value(operand, variables)
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(_value(part, variables) for part in parts)
        case ast.BoolOp(values=parts):
            return any(_value(part, variables) for part in parts)
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _compared(op, _value(left, variables), _value(right, variables))
    raise _UnknownError


def _compared(op: ast.cmpop, left: Any, right: Any) -> bool:
    if isinstance(op, ast.Eq | ast.NotEq):
        return bool((left == right) == isinstance(op, ast.Eq))
    if isinstance(op, ast.In):
        return bool(left in right)
    if type(op) in _ORDERS:
        return bool(_ORDERS[type(op)](left, right))
    raise _UnknownError
