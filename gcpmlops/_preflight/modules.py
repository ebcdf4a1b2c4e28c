"""The modules of a package, found and parsed without importing any."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gcpmlops._jobs.packaging import SourcePackage

_COMPILED = (".so", ".pyd", ".pyx", ".pyi")


@dataclass(frozen=True)
class Module:
    """A parsed module; `path` as the user knows it."""

    name: str
    path: str
    tree: ast.Module
    is_package: bool

    def where(self, node: ast.AST) -> str:
        """FILE:LINE."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}"

    @property
    def package(self) -> str:
        """What its relative imports start from."""
        return self.name if self.is_package else self.name.rpartition(".")[0]


class Modules:
    """All modules of a package by their dotted names."""

    def __init__(self, package: SourcePackage) -> None:
        self._package = package
        self._root = _root(package)
        self._names = dict(_dotted(package.files, self._root))
        self.tops = {name.partition(".")[0] for name in self._names}

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def entry(self) -> Module | None:
        """What `python -m` runs; None where it can't be found or read."""
        name = self._package.module
        return self.get(f"{name}.__main__" if f"{name}.__main__" in self else name)

    def get(self, name: str) -> Module | None:
        """A module; None where it is compiled, not Python, or not there. Raises SyntaxError naming the file."""
        file = self._names.get(name)
        if file is None or not file.endswith(".py"):
            return None
        shown = self._package.shown(file)
        try:
            tree = ast.parse(self._package.files[file], filename=shown)
        except ValueError as exc:  # null bytes
            raise SyntaxError(str(exc), (shown, 1, 1, "")) from exc
        return Module(name, shown, tree, file.endswith("/__init__.py"))

    def is_whole(self, package: str) -> bool:
        """Whether what is not among its modules can't be imported from it."""
        return package in self and package.partition(".")[0] in self.tops


def _root(package: SourcePackage) -> str:
    """The folder that modules are found in: the archive's own, src/, or where the module to run is."""
    tail = package.module.replace(".", "/")
    endings = (f"{tail}.py", f"{tail}/__main__.py", f"{tail}/__init__.py")
    for root in ("", "src/"):
        if any(f"{root}{ending}" in package.files for ending in endings):
            return root
    found = [name.removesuffix(ending) for name in package.files for ending in endings if name.endswith(f"/{ending}")]
    return min(found, key=len, default="")


def _dotted(files: Mapping[str, bytes], root: str) -> Iterator[tuple[str, str]]:
    for name in files:
        if not name.startswith(root) or name == "setup.py":
            continue
        path = name.removeprefix(root)
        if path.endswith("/__init__.py"):
            yield path.removesuffix("/__init__.py").replace("/", "."), name
        elif path.endswith(".py"):
            yield path.removesuffix(".py").replace("/", "."), name
        elif path.endswith(_COMPILED):
            yield path.partition(".")[0].replace("/", "."), name
