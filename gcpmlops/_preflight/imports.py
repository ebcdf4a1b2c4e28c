"""Imports that the image and the requirements lack, and modules that a package lacks of its own."""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gcpmlops._jobs.packaging import SourcePackage
from gcpmlops._preflight import distributions
from gcpmlops._preflight.certain import Certain
from gcpmlops._preflight.distributions import Available
from gcpmlops._preflight.modules import Module as Module
from gcpmlops._preflight.modules import Modules
from gcpmlops._preflight.problems import Problem

# gone from newer Pythons than the image's, or of other systems
_STDLIB = sys.stdlib_module_names | {
    "distutils",
    "imp",
    "asynchat",
    "asyncore",
    "smtpd",
    "cgi",
    "cgitb",
    "pipes",
    "telnetlib",
    "__main__",
}


@dataclass(frozen=True)
class Imported:
    """A module that is surely imported, and where."""

    name: str
    module: Module
    node: ast.AST
    parts: tuple[str, ...] = ()
    """The names that are taken from it."""


class Imports:
    """All sure imports of what runs, from the module that `python -m` starts."""

    def __init__(self, package: SourcePackage) -> None:
        self.package = package
        self.modules = Modules(package)
        self.reached: dict[str, Module] = {}
        self.foreign: list[Imported] = []
        self.problems: list[Problem] = []
        entry = self._read(self.modules.entry)
        if entry is not None:
            self._visit(entry, runs=True)

    @functools.cached_property
    def finds_elsewhere(self) -> bool:
        """Whether the code changes where modules are found, or installs some itself."""
        texts = (ast.unparse(module.tree) for module in self.reached.values())
        return any("sys.path" in text or ("pip" in text and "install" in text) for text in texts)

    def _read(self, read: object) -> Module | None:
        try:
            return read()  # type: ignore[operator,no-any-return]  # a bound method of Modules
        except SyntaxError as exc:
            where = f"{exc.filename}:{exc.lineno or 1}"
            self.problems.append(Problem("import", f"Python can't read it: {exc.msg}", where, "Correct it."))
            return None

    def _visit(self, module: Module, *, runs: bool = False) -> None:
        if module.name in self.reached:
            return
        self.reached[module.name] = module
        self._reach(module.name.rpartition(".")[0])
        for node in Certain(module.tree, runs=runs).imports():
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self._imported(Imported(alias.name, module, node))
            else:
                self._imported_from(module, node)

    def _imported_from(self, module: Module, node: ast.ImportFrom) -> None:
        parts = tuple(alias.name for alias in node.names)
        name = node.module or ""
        if node.level:
            base = module.package.split(".") if module.package else []
            if node.level > len(base):
                what = f"`{ast.unparse(node)}` goes beyond the package"
                self.problems.append(Problem("import", what, module.where(node), "Import it by its full name."))
                return
            name = ".".join([*base[: len(base) - node.level + 1], *([name] if name else [])])
        self._imported(Imported(name, module, node, parts))

    def _imported(self, imported: Imported) -> None:
        top = imported.name.partition(".")[0]
        if top not in self.modules.tops:
            self.foreign.append(imported)
            return
        if imported.name not in self.modules and self.modules.is_whole(imported.name.rpartition(".")[0]):
            what = f"there is no module {imported.name} in the package"
            fix = "Add it, or correct the import."
            self.problems.append(Problem("import", what, imported.module.where(imported.node), fix))
            return
        self._reach(imported.name)
        for part in imported.parts:
            self._reach(f"{imported.name}.{part}")

    def _reach(self, name: str) -> None:
        """A module of the package's own is read as well, and the packages that it is in."""
        if name and name in self.modules and name not in self.reached:
            module = self._read(functools.partial(self.modules.get, name))
            if module is not None:
                self._visit(module)


def check(imports: Imports, image: str, requirements: tuple[str, ...] | None) -> Iterator[Problem]:
    """Problems with what is imported in that image; nothing for images and projects that can't be judged."""
    yield from imports.problems
    environment = None if requirements is None else distributions.available(image, requirements)
    if environment is None:
        return
    modules = {imported.name for imported in imports.foreign}
    guess = bool(environment.unaccounted(modules)) or imports.finds_elsewhere
    said: set[str] = set()
    for imported in imports.foreign:
        for name in _names(imported):
            lacking = _lacking(name, environment, guess=guess)
            if lacking is not None and lacking not in said:
                said.add(lacking)
                yield _problem(name, lacking, imported, imports, image)


def _names(imported: Imported) -> list[str]:
    """In a namespace of many distributions, what is taken from it counts."""
    if imported.name in ("google", "google.cloud"):
        return [f"{imported.name}.{part}" for part in imported.parts]
    return [imported.name]


def _lacking(name: str, environment: Available, *, guess: bool) -> str | None:
    """The distribution (or module) that is not there; None where it is, or where that can't be told."""
    top = name.partition(".")[0]
    if top in _STDLIB or name in ("google", "google.cloud"):
        return None
    distribution = distributions.of_module(name)
    if distribution is None:
        if guess or top == "google" or environment.has(top, top):
            return None
        return top
    if environment.has(distribution, name if top != "google" else distribution):
        return None
    if (guess or environment.unknown) and distributions.is_often_brought(distribution):
        return None
    return distribution


def _problem(name: str, lacking: str, imported: Imported, imports: Imports, image: str) -> Problem:
    top = name.partition(".")[0]
    where = imported.module.where(imported.node)
    if sibling := _sibling(imports.package, top):
        return Problem("import", f"{name} is yours, and not in the package", where, sibling)
    what = f"{_short(image)} and the requirements have no {name}"
    if distributions.of_module(name) is None:
        return Problem("import", what, where, "Put the distribution that has it into requirements.")
    return Problem("import", what, where, f'Put "{lacking}" into requirements.')


def _sibling(package: SourcePackage, top: str) -> str:
    """What to do about a module that stands beside the code but is not found as that; empty where there is none."""
    place = Path(package.place)
    if place.suffix == ".py" and any((place.parent / name).exists() for name in (f"{top}.py", f"{top}/__init__.py")):
        return f"Give the folder {place.parent} in place of the script: only the script itself was packed."
    inside = [name for name in package.files if name.endswith((f"/{top}.py", f"/{top}/__init__.py"))]
    if inside:
        own = inside[0].removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        return f"Import it as {own}: the code runs as a package."
    return ""


def _short(image: str) -> str:
    return image.rpartition("/")[2].removesuffix(":latest")
