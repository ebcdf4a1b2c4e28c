"""The imports that surely happen when a module runs: not within `if`, loops or `try` with a handler for them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import TypeAlias

Import: TypeAlias = ast.Import | ast.ImportFrom
_TOLERANT = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
_CONDITIONAL = (ast.Lambda, ast.IfExp, ast.BoolOp, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Certain:
    """Goes through a module as it would run, into its own functions where they are surely called."""

    def __init__(self, tree: ast.Module, *, runs: bool) -> None:
        self._tree = tree
        self._runs = runs
        """Whether it is the program, whose `if __name__ == "__main__"` counts."""
        names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        self._functions = {
            node.name: node
            for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and names.count(node.name) == 1
            and not node.decorator_list
        }
        self._entered: set[str] = set()

    def imports(self) -> Iterator[Import]:
        """Each import statement."""
        yield from self._block(self._tree.body)

    def _block(self, statements: Sequence[ast.stmt]) -> Iterator[Import]:
        for statement in statements:
            yield from self._statement(statement)
            if _may_leave(statement):
                return

    def _statement(self, statement: ast.stmt) -> Iterator[Import]:
        match statement:
            case ast.Import() | ast.ImportFrom():
                yield statement
            case ast.If() if self._runs and _is_main_guard(statement.test):
                yield from self._block(statement.body)
            case ast.Try() | ast.TryStar():
                if not any(map(_tolerates, statement.handlers)):
                    yield from self._block(statement.body)
                yield from self._block(statement.finalbody)
            case ast.With() | ast.AsyncWith():
                if not any(_suppresses(item.context_expr) for item in statement.items):
                    yield from self._block(statement.body)
            case ast.ClassDef():
                yield from self._block(statement.body)
            case ast.Expr() | ast.Assign() | ast.AnnAssign() | ast.AugAssign() | ast.Return():
                yield from self._calls(statement)

    def _calls(self, node: ast.AST) -> Iterator[Import]:
        """Into the module's own functions that an expression surely calls."""
        if isinstance(node, _CONDITIONAL):
            return
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            function = self._functions.get(node.func.id)
            if function is not None and function.name not in self._entered:
                self._entered.add(function.name)
                yield from self._block(function.body)
        for child in ast.iter_child_nodes(node):
            yield from self._calls(child)


def _is_main_guard(test: ast.expr) -> bool:
    if not isinstance(test, ast.Compare) or len(test.ops) != 1 or not isinstance(test.ops[0], ast.Eq):
        return False
    sides = {ast.unparse(test.left), ast.unparse(test.comparators[0])}
    return sides == {"__name__", "'__main__'"}


def _tolerates(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(ast.unparse(each).rpartition(".")[2] in _TOLERANT for each in caught)


def _suppresses(context: ast.expr) -> bool:
    return isinstance(context, ast.Call) and ast.unparse(context.func).rpartition(".")[2] in ("suppress", "raises")


def _may_leave(statement: ast.stmt) -> bool:
    """Whether what follows may not be reached: a return or a raise of its own, or a return somewhere within."""
    if isinstance(statement, ast.Return | ast.Raise):
        return True
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return False
    return any(isinstance(node, ast.Return) for node in ast.walk(statement))
