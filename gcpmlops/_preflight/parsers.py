"""The argparse parsers that a module makes, as far as they are made of literals."""

from __future__ import annotations

import argparse
import ast
import builtins
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from gcpmlops._preflight.modules import Module

Scope: TypeAlias = "ast.Module | ast.FunctionDef | ast.AsyncFunctionDef"
_TYPES = {"int": int, "float": float, "str": str, "complex": complex}
_SHOWN_ONLY = {
    "description",
    "epilog",
    "usage",
    "prog",
    "formatter_class",
    "exit_on_error",
    "color",
    "suggest_on_error",
}
_CONSTRUCTOR = {"add_help", "allow_abbrev", "prefix_chars", "conflict_handler"}
_READ_ONLY = {"error", "exit", "print_help", "print_usage", "format_help", "format_usage", "get_default"}
_MISSING = object()


class NotLiteral(Exception):  # noqa: N818 - ends the rebuilding, and is no fault
    """What decides it is only known when the program runs."""


@dataclass
class Built:
    """A parser like the program's. An open one may have more options than could be read."""

    parser: argparse.ArgumentParser
    is_open: bool = False
    where: dict[int, str] = field(default_factory=dict)
    """FILE:LINE of each action, by its id."""


@dataclass(frozen=True)
class Parser:
    """A variable that holds a parser, and the function or module that it is a variable of."""

    module: Module
    scope: Scope
    name: str
    call: ast.Call

    @property
    def where(self) -> str:
        """FILE:LINE."""
        return self.module.where(self.call)

    def build(self, make: Callable[..., argparse.ArgumentParser]) -> Built | None:
        """Rebuild it; None where it is not known what it parses, or how."""
        try:
            return _Building(self, make).build()
        except (NotLiteral, ValueError, TypeError, argparse.ArgumentError):
            return None


def parsers(module: Module) -> Iterator[Parser]:
    """All that are assigned to a variable; one that is not makes the module's parsers unknown."""
    for scope in ast.walk(module.tree):
        if not isinstance(scope, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for node in own_nodes(scope):
            if not _makes_parser(node):
                continue
            target = _assigned(scope, node)
            yield Parser(module, scope, target, node)  # type: ignore[arg-type]  # _makes_parser says that it is a call


def own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a scope without those of the functions and classes in it."""
    for child in ast.iter_child_nodes(scope):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from own_nodes(child)


def _makes_parser(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2].endswith("ArgumentParser")


def _assigned(scope: Scope, call: ast.AST) -> str:
    for node in own_nodes(scope):
        if isinstance(node, ast.Assign) and node.value is call and len(node.targets) == 1:
            return ast.unparse(node.targets[0])
        if isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is call:
            return ast.unparse(node.target)
    return ""


class _Building:
    """Replays the calls on one parser's variable, in their order."""

    def __init__(self, parser: Parser, make: Callable[..., argparse.ArgumentParser]) -> None:
        self._parser = parser
        tree = parser.module.tree
        self._parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        self._constants = _constants(parser.module.tree, parser.scope)
        if ast.unparse(parser.call.func) not in ("argparse.ArgumentParser", "ArgumentParser") or not parser.name:
            raise NotLiteral
        self._built = Built(make(prog="", add_help=True, **self._constructor()))
        self._holders: dict[str, Any] = {parser.name: self._built.parser}
        self._parsed = False

    def _constructor(self) -> dict[str, Any]:
        call, found = self._parser.call, {}
        if len(call.args) > 4:  # prog, usage, description, epilog
            raise NotLiteral
        for keyword in call.keywords:
            if keyword.arg in _CONSTRUCTOR:
                found[keyword.arg] = self._value(keyword.value)
            elif keyword.arg not in _SHOWN_ONLY:
                raise NotLiteral
        found.pop("add_help", None)
        return found

    def build(self) -> Built:
        """Raises NotLiteral."""
        for node in self._named():
            self._use(node)
        if not self._parsed:
            raise NotLiteral
        return self._built

    def _named(self) -> list[ast.Name | ast.Attribute]:
        """Whatever is read, in order; a module's variable may be read in its functions, too."""
        scope = self._parser.scope
        nodes = ast.walk(scope) if isinstance(scope, ast.Module) else own_nodes(scope)
        read = [node for node in nodes if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load)]
        return sorted(read, key=lambda node: (node.lineno, node.col_offset))

    def _use(self, node: ast.Name | ast.Attribute) -> None:
        """One place where the parser or a group of it is named."""
        holder = ast.unparse(node)
        if holder not in self._holders:
            return
        attribute = self._parents[node]
        call = self._parents.get(attribute)
        if not isinstance(attribute, ast.Attribute) or not isinstance(call, ast.Call) or call.func is not attribute:
            self._escaped(node)
            return
        match attribute.attr:
            case "add_argument":
                self._add_argument(holder, call)
            case "add_argument_group" | "add_mutually_exclusive_group":
                self._add_group(holder, attribute.attr, call)
            case "parse_args" | "parse_known_args":
                self._parse(attribute.attr, call)
            case name if name not in _READ_ONLY and name != "set_defaults":
                raise NotLiteral

    def _escaped(self, node: ast.AST) -> None:
        """Handed to somebody, who may add options; returned, whoever gets it may do anything."""
        parent = self._parents.get(node)
        if isinstance(parent, ast.Call | ast.keyword):
            self._built.is_open = True
        elif isinstance(parent, ast.Return) and ast.unparse(node) == self._parser.name:
            self._returned()
        else:
            raise NotLiteral

    def _returned(self) -> None:
        """`make_parser().parse_args()`; kept in a variable, more may have happened to it."""
        made = getattr(self._parser.scope, "name", "")
        for call in ast.walk(self._parser.module.tree):
            if not isinstance(call, ast.Call) or ast.unparse(call.func) != made:
                continue
            use, outer = self._parents[call], self._parents.get(self._parents[call])
            if isinstance(use, ast.Attribute) and use.attr in ("parse_args", "parse_known_args"):
                self._parse(use.attr, outer)
            elif isinstance(use, ast.Assign) and self._only_parsed(ast.unparse(use.targets[0])):
                continue
            else:
                raise NotLiteral

    def _only_parsed(self, name: str) -> bool:
        """Whether nothing but parsing is done with the variable."""
        for node in ast.walk(self._parser.module.tree):
            if isinstance(node, ast.Name) and node.id == name != self._parser.name and isinstance(node.ctx, ast.Load):
                use = self._parents[node]
                if not isinstance(use, ast.Attribute) or use.attr not in ("parse_args", "parse_known_args"):
                    return False
                self._parse(use.attr, self._parents[use])
        if name == self._parser.name:  # the same name in both places: not told apart
            self._built.is_open, self._parsed = True, True
        return True

    def _add_argument(self, holder: str, call: ast.Call) -> None:
        names = [self._value(arg, _MISSING) for arg in call.args]
        if not all(isinstance(name, str) for name in names) or any(keyword.arg is None for keyword in call.keywords):
            self._built.is_open = True
            return
        settings = self._settings({str(keyword.arg): keyword.value for keyword in call.keywords})
        if not self._is_sure(call):
            settings.pop("required", None)
            if not str(names[0]).startswith("-"):
                raise NotLiteral
        action = self._holders[holder].add_argument(*names, **settings)
        self._built.where[id(action)] = self._parser.module.where(call)

    def _settings(self, given: dict[str, ast.expr]) -> dict[str, Any]:
        """What decides whether a value is taken."""
        found: dict[str, Any] = {"default": argparse.SUPPRESS}
        for name in ("action", "nargs", "required", "dest", "const", "choices"):
            if name in given:
                value = self._value(given[name], _MISSING)
                if name in ("action", "nargs") and value is _MISSING:
                    found[name] = self._of_argparse(given[name])
                elif value is not _MISSING:
                    found[name] = value
        kind = given.get("type")
        if kind is not None and ast.unparse(kind) in _TYPES:
            found["type"] = _TYPES[ast.unparse(kind)]
        elif kind is not None:
            found.pop("choices", None)  # of what its own type makes of a word
        if found.get("action") in ("store_const", "append_const"):
            found.setdefault("const", True)
        return found

    def _of_argparse(self, node: ast.expr) -> Any:
        name = ast.unparse(node).rpartition(".")[2]
        if name in ("BooleanOptionalAction", "REMAINDER", "OPTIONAL", "ZERO_OR_MORE", "ONE_OR_MORE"):
            return getattr(argparse, name)
        raise NotLiteral

    def _add_group(self, holder: str, method: str, call: ast.Call) -> None:
        assign = self._parents.get(call)
        options: dict[str, Any] = {}
        if method == "add_mutually_exclusive_group":
            required = [self._value(k.value, default=False) for k in call.keywords if k.arg == "required"]
            options = {"required": bool(required and required[0]) and self._is_sure(call)}
        group = getattr(self._holders[holder], method)(**options)
        if isinstance(assign, ast.Assign) and len(assign.targets) == 1:
            self._holders[ast.unparse(assign.targets[0])] = group
        elif isinstance(assign, ast.Attribute):  # parser.add_argument_group("x").add_argument(...)
            self._built.is_open = True
        elif not isinstance(assign, ast.Expr):
            raise NotLiteral

    def _parse(self, method: str, call: ast.AST | None) -> None:
        """Only what is parsed off the command line counts."""
        if not isinstance(call, ast.Call):
            raise NotLiteral
        given = [*call.args, *(k.value for k in call.keywords if k.arg == "args")]
        if given and ast.unparse(given[0]) not in ("None", "sys.argv[1:]") and not self._is_parameter(given[0]):
            raise NotLiteral
        self._parsed = True
        if method == "parse_known_args":
            self._built.is_open = True

    def _is_parameter(self, word: ast.expr) -> bool:
        node: ast.AST = word
        while not isinstance(
            scope := self._parents.get(node, node), ast.FunctionDef | ast.AsyncFunctionDef | ast.Module
        ):
            node = scope
        if isinstance(scope, ast.Module) or not isinstance(word, ast.Name):
            return False
        return word.id in {a.arg for a in [*scope.args.args, *scope.args.kwonlyargs]}

    def _is_sure(self, node: ast.AST) -> bool:
        """Whether it happens whenever the scope runs: not within `if`, loops or `try`."""
        while node is not self._parser.scope:
            node = self._parents[node]
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node is not self._parser.scope:
                return False
            if isinstance(node, ast.If | ast.For | ast.While | ast.Try | ast.IfExp) and not _is_main(node):
                return False
        return True

    def _value(self, node: ast.expr, default: Any = None) -> Any:
        """A literal's value, or a constant's; `default` for anything else, without one NotLiteral."""
        try:
            return _evaluated(node, self._constants)
        except (ValueError, TypeError, SyntaxError):
            if default is None:
                raise NotLiteral from None
            return default


def _is_main(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "__main__" in ast.unparse(node.test)


def _constants(tree: ast.Module, scope: ast.AST) -> dict[str, Any]:
    """Variables that are assigned once, and a literal."""
    assigned: dict[str, list[ast.expr | None]] = {}
    for node in [*own_nodes(tree), *own_nodes(scope)]:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                assigned.setdefault(ast.unparse(target), []).append(node.value)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            assigned.setdefault(ast.unparse(node.target), []).append(node.value)
        elif isinstance(node, ast.AugAssign | ast.For):
            assigned.setdefault(ast.unparse(node.target), []).append(None)
    found: dict[str, Any] = {}
    for name, values in assigned.items():
        first, *others = dict.fromkeys(values)
        if first is not None and not others:
            try:
                found[name] = _evaluated(first, found)
            except (ValueError, TypeError, SyntaxError):
                continue
    return found


def _evaluated(node: ast.expr, constants: dict[str, Any]) -> Any:
    """A literal, a constant, or list(), range(), sorted() and the like of them. Raises ValueError."""
    if isinstance(node, ast.Name) and node.id in constants:
        return constants[node.id]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        if node.func.id in ("range", "list", "tuple", "sorted", "set"):
            return getattr(builtins, node.func.id)(*(_evaluated(arg, constants) for arg in node.args))
        raise ValueError(node.func.id)
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "keys"
        and not node.args
    ):
        return _evaluated(node.func.value, constants)
    return ast.literal_eval(node)
