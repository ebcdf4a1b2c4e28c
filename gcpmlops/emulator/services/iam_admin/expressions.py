"""Expressions over a token's claims (the part of CEL that providers are full of): mappings and conditions.

Understood are ``assertion.sub``, ``assertion['a-b']``, strings, lists, ``+``, ``== != in && || !``, parentheses and
``.startsWith(..)``, ``.endsWith(..)``, ``.contains(..)``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from google.api_core import exceptions

_TOKEN = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|&&|\|\||!(?!=)|\btrue\b|\bfalse\b""")
_PYTHON = {"&&": " and ", "||": " or ", "!": " not ", "true": "True", "false": "False"}
_METHODS = {"startsWith": str.startswith, "endsWith": str.endswith, "contains": str.__contains__}


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


def _parsed(expression: str) -> ast.expr:
    """As Python reads it; in parentheses it may go over several lines. Raises: SyntaxError."""
    text = _TOKEN.sub(lambda match: match[1] or _PYTHON[match[0]], expression).strip()
    return ast.parse(f"({text}\n)", mode="eval").body


class _UnknownError(Exception):
    """A form that is not among those."""


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
        case ast.Call(func=ast.Attribute(value=inner, attr=name), args=[argument]) if name in _METHODS:
            return bool(_METHODS[name](_value(inner, variables), _value(argument, variables)))
    raise _UnknownError


def _compared(op: ast.cmpop, left: Any, right: Any) -> bool:
    if isinstance(op, ast.Eq | ast.NotEq):
        return bool((left == right) == isinstance(op, ast.Eq))
    if isinstance(op, ast.In):
        return bool(left in right)
    raise _UnknownError
