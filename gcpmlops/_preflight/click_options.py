"""Arguments that a program's click command refuses: the command rebuilt from its literal decorators."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any

from gcpmlops._preflight.modules import Module
from gcpmlops._preflight.problems import Problem

_TYPES = {
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "click.INT": int,
    "click.FLOAT": float,
    "click.STRING": str,
}
_SETTINGS = ("required", "is_flag", "multiple", "nargs", "count", "flag_value", "default")


def check(module: Module, args: Sequence[str]) -> Iterator[Problem]:
    """What the one command of the module that is started refuses; nothing where it can't be rebuilt."""
    functions = [node for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef)]
    commands = [each for each in functions if any(_is(mark, "command") for mark in each.decorator_list)]
    if len(commands) != 1 or any(_is(mark, "group") for each in functions for mark in each.decorator_list):
        return
    parameters = [_parameter(mark) for mark in commands[0].decorator_list if not _is(mark, "command")]
    if any(each is None for each in parameters):
        return
    import click

    command = click.Command("job", params=[each for each in parameters if each is not None][::-1])
    try:
        command.make_context("job", list(args))
    except click.exceptions.Exit:
        return
    except click.UsageError as exc:
        where = module.where(commands[0])
        yield Problem("argument", f"the script says: {exc.format_message().rstrip('.')}", where, "Correct args.")


def _is(mark: ast.expr, name: str) -> bool:
    called = mark.func if isinstance(mark, ast.Call) else mark
    return ast.unparse(called) in (f"click.{name}", name) or ast.unparse(called).endswith(f".{name}")


def _parameter(mark: ast.expr) -> Any:
    """The option or argument that a decorator makes; None for anything else."""
    import click

    kinds = {"click.option": click.Option, "click.argument": click.Argument}
    make = kinds.get(ast.unparse(mark.func)) if isinstance(mark, ast.Call) else None
    if make is None or not isinstance(mark, ast.Call):
        return None
    try:
        names = [ast.literal_eval(name) for name in mark.args]
        settings = {str(k.arg): ast.literal_eval(k.value) for k in mark.keywords if k.arg in _SETTINGS}
        for keyword in mark.keywords:
            if keyword.arg == "type" and ast.unparse(keyword.value) in _TYPES:
                settings["type"] = _TYPES[ast.unparse(keyword.value)]
            elif keyword.arg == "type" and _is(keyword.value, "Choice") and isinstance(keyword.value, ast.Call):
                settings["type"] = click.Choice(ast.literal_eval(keyword.value.args[0]))
            elif keyword.arg in ("type", "cls", "callback", "envvar", None):
                return None
        return make(names, **settings)
    except (ValueError, TypeError, IndexError):
        return None
