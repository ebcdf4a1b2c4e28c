"""Arguments that a program's argparse refuses: its parser rebuilt from the literal calls that make it."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator, Sequence
from typing import NoReturn

from gcpmlops._jobs.machines import near
from gcpmlops._preflight.modules import Module
from gcpmlops._preflight.parsers import Built, Parser, parsers
from gcpmlops._preflight.problems import Problem

_ROUNDS = 20
_FIX = "Correct args."
_CHANGED = re.compile(
    r"sys\.argv(?:\[[^\]]*\])? = |sys\.argv\.(?:pop|remove|append|insert|extend|clear)|del sys\.argv|sys\.argv \+="
)


class Refused(Exception):  # noqa: N818 - what argparse says, on its way out of argparse
    """The parser's own message, and the action that it is about."""

    def __init__(self, message: str, action: argparse.Action | None = None) -> None:
        super().__init__(message)
        self.action = action


class Literal(argparse.ArgumentParser):
    """Raises where argparse would end the program."""

    def error(self, message: str) -> NoReturn:
        raise Refused(message)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise Refused("", None)


def check(modules: Sequence[Module], args: Sequence[str]) -> Iterator[Problem]:
    """What the one parser of the program refuses; nothing for several, or for one that can't be rebuilt.

    `modules` are those that run, the one that is started first.
    """
    parser = _the_one(modules, args)
    built = parser.build(Literal) if parser else None
    if parser and built:
        yield from _refusals(parser, built, list(args))


def positionals(modules: Sequence[Module], args: Sequence[str]) -> dict[str, str]:
    """The names that the parser gives to words without an option, as far as it can be told."""
    parser = _the_one(modules, args)
    built = parser.build(Literal) if parser else None
    if not built:
        return {}
    try:
        options, _ = built.parser.parse_known_args(list(args))
    except (Refused, argparse.ArgumentError):
        return {}
    found: dict[str, str] = {}
    for action in built.parser._actions:  # argparse has no other list of them
        if not action.option_strings:
            value = getattr(options, action.dest, None)
            found |= {str(each): action.dest for each in (value if isinstance(value, list) else [value])}
    return found


def _the_one(modules: Sequence[Module], args: Sequence[str]) -> Parser | None:
    found = list(parsers(modules[0])) or [parser for module in modules for parser in parsers(module)]
    changed = any(_CHANGED.search(ast.unparse(module.tree)) for module in modules)
    return None if len(found) != 1 or changed or any("$(" in word for word in args) else found[0]


def _refusals(parser: Parser, built: Built, args: list[str]) -> Iterator[Problem]:
    """All of them: what was refused once is let through the next time."""
    yield from _unknown(parser, built, args)
    yield from _repeated(parser, built, args)
    for _ in range(_ROUNDS):
        refused = _refused(built.parser, args)
        if refused is None:
            return
        fix = "Add it to args." if "required" in str(refused) else _FIX
        yield Problem("argument", f"the script says: {refused}", _where(parser, built, refused), fix)
        if refused.action is None:
            return
        _let_through(refused.action)


def _where(parser: Parser, built: Built, refused: Refused) -> str:
    """The line of the option that it is about; of the first one that is missing."""
    if refused.action is not None:
        return built.where.get(id(refused.action), parser.where)
    missing = str(refused).partition("are required: ")[2].split(", ")
    for action in built.parser._actions:  # argparse has no other list of them
        if "/".join(action.option_strings) in missing or action.dest in missing or action.metavar in missing:
            return built.where.get(id(action), parser.where)
    return parser.where


def _refused(parser: argparse.ArgumentParser, args: list[str]) -> Refused | None:
    """What the parser says, with the action that it is about, as far as it has one."""
    parser.exit_on_error = False
    try:
        parser.parse_known_args(args)
    except argparse.ArgumentError as exc:
        return Refused(str(exc), _action_of(parser, exc))
    except Refused as exc:
        return exc if str(exc) else None
    return None


def _action_of(parser: argparse.ArgumentParser, exc: argparse.ArgumentError) -> argparse.Action | None:
    for action in parser._actions:  # argparse has no other list of them
        if exc.argument_name in ("/".join(action.option_strings), action.metavar, action.dest):
            return action
    return None


def _let_through(action: argparse.Action) -> None:
    action.type, action.choices = None, None


def _unknown(parser: Parser, built: Built, args: list[str]) -> Iterator[Problem]:
    """Words that no option takes; argparse names them only where nothing else is wrong."""
    if built.is_open:
        return
    actions = built.parser._actions  # as above
    kept = [(action, action.type, action.choices, action.required) for action in actions]
    for action in actions:
        action.type, action.choices, action.required = None, None, False
    try:
        _, unknown = built.parser.parse_known_args(args)
    except (Refused, argparse.ArgumentError):
        return
    finally:
        for action, kind, choices, required in kept:
            action.type, action.choices, action.required = kind, choices, required
    options = [option for action in actions for option in action.option_strings if option not in ("-h", "--help")]
    for word in unknown:
        close = near(word.partition("=")[0], options, count=1)
        known = ", ".join(option for option in options if option.startswith("--")) or "none"
        fix = f"Did you mean {close[0]}? It knows {known}." if close else f"It knows {known}."
        yield Problem("argument", f"the script says: unrecognized arguments: {word}", parser.where, fix)


def _repeated(parser: Parser, built: Built, args: list[str]) -> Iterator[Problem]:
    """A list in args repeats its option; of a `nargs` option only the last one counts."""
    for action in built.parser._actions:  # as above
        if action.nargs not in ("+", "*") or type(action).__name__ != "_StoreAction":
            continue
        for option in action.option_strings:
            count = sum(word.startswith(f"{option}=") for word in args)
            if count > 1:
                what = f"{option} is given {count} times, and with nargs={action.nargs!r} only the last counts"
                fix = f'Pass args as words: ["{option}", "a", "b"].'
                yield Problem("argument", what, built.where.get(id(action), parser.where), fix)
