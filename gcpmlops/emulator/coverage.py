"""What is built: every method of every service served, from the contract, the code, and what the tests called.

``python -m gcpmlops.emulator.coverage [CALLS]`` writes docs/coverage.md. CALLS is a file of method names that emulators
with ``GCPMLOPS_RECORD_CALLS`` wrote while the tests ran; without it the marks of the present page are kept.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from gcpmlops.emulator.kernel import contract
from gcpmlops.emulator.kernel.service import Service

Row = tuple[str, str, bool]  # service, method, built

_PAGE = Path("docs/coverage.md")
_HEAD = """# Coverage

Every method of every service that the local Google Cloud serves. *built*: it does what the real one documents, within
what its docstring says. *called*: the project's own tests call it through an official client, gcloud, bq or gsutil.
Calls of the two hand-written JSON APIs, Cloud Storage and BigQuery, are not recorded: their suites are in
tests/emulator/services. What is not built answers UNIMPLEMENTED over gRPC and 501 over REST, and names itself. This
page is generated (`make coverage`); a test fails when it is stale.

"""


def rows() -> Iterator[Row]:
    """All methods, service by service."""
    from gcpmlops.emulator.services.bigquery.methods import methods
    from gcpmlops.emulator.services.catalog import PACKAGES
    from gcpmlops.emulator.services.storage.routes import ROUTES

    yield from (("Cloud Storage JSON API", name, built) for name, built in _storage(ROUTES))
    yield from (("BigQuery v2 API", name, built) for name, built in methods())
    built = _implementations()
    for _, package, _ in PACKAGES.values():
        for folder in contract.services(package):
            service = contract.load(package, folder)
            answers = built.get(service.proto, [])
            for method in sorted(service.methods.values(), key=lambda item: item.name):
                yield service.proto, method.name, any(hasattr(part, method.attribute) for part in answers)


def page(called: Iterable[str]) -> str:
    """The page as Markdown."""
    seen = set(called)
    parts, summary = [], ["| service | built | methods |", "|---|---|---|"]
    for service, group in groupby(rows(), key=lambda row: row[0]):
        methods = list(group)
        done = sum(built for _, _, built in methods)
        summary.append(f"| {service} | {done} | {len(methods)} |")
        parts.append(f"## {service}\n\n| method | built | called |\n|---|---|---|\n" + _lines(methods, seen))
    return _HEAD + "\n".join(summary) + "\n\n" + "\n".join(parts)


def marks(text: str) -> set[str]:
    """The methods that a page marks as called."""
    found, service = set(), ""
    for line in text.splitlines():
        if line.startswith("## "):
            service = line[3:]
        elif match := re.fullmatch(r"\| (\S+) \| (?:yes)? ?\| yes \|", line):
            found.add(f"{service}.{match[1]}")
    return found


def _lines(methods: list[Row], called: set[str]) -> str:
    def yes(value: bool) -> str:
        return "yes " if value else ""

    return "".join(f"| {m} | {yes(built)}| {yes(f'{s}.{m}' in called)}|\n" for s, m, built in methods)


def _storage(routes: Iterable[object]) -> list[tuple[str, bool]]:
    table: dict[str, bool] = {}
    for route in routes:
        name = str(getattr(route, "method", ""))
        table[name] = table.get(name, False) or getattr(route, "handler", None) is not None
    return sorted(table.items())


def _implementations() -> dict[str, list[type[Service]]]:
    package = importlib.import_module("gcpmlops.emulator.services")
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if ".engine" not in module.name:  # BigQuery's engine is a process of its own
            importlib.import_module(module.name)
    found: dict[str, list[type[Service]]] = {}
    for service in Service.__subclasses__():
        found.setdefault(service.proto, []).append(service)
    return found


def main(arguments: list[str]) -> None:
    """Writes the page."""
    before = _PAGE.read_text("utf-8") if _PAGE.exists() else ""
    called = set(Path(arguments[0]).read_text("utf-8").split()) if arguments else marks(before)
    _PAGE.parent.mkdir(exist_ok=True)
    _PAGE.write_text(page(called), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
