"""What a query does with which datasets, tables, routines and models: what its caller needs permission for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sqlglot import exp

from gcpmlops.emulator.services.bigquery.engine import queries, scripts, statements
from gcpmlops.emulator.services.bigquery.engine.core import Reference
from gcpmlops.emulator.services.bigquery.engine.errors import EngineError

_WRITES = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.TruncateTable, exp.Alter, exp.LoadData)
_KINDS = {"FUNCTION": " routine", "TABLE FUNCTION": " routine", "PROCEDURE": " routine", "MODEL": " model"}
_ALTER_SCHEMA = re.compile(r"ALTER\s+SCHEMA\s+(?:IF\s+EXISTS\s+)?([`\w.:-]+)", re.IGNORECASE)
_DYNAMIC = re.compile(r"(?:EXECUTE\s+IMMEDIATE|CALL)\b\s*", re.IGNORECASE)
_HARMLESS = re.compile(r"\s*(?:(?:RAISE|RETURN|BREAK|LEAVE|CONTINUE|ITERATE)\b|$)", re.IGNORECASE)
_LITERAL = re.compile(
    r"""(?P<quote>'{3}|"{3}|['"])(?P<sql>.*?)(?P=quote)\s*(?:(?:INTO|USING)\b.*|;\s*)?""", re.DOTALL | re.IGNORECASE
)
Access = tuple[str, Reference]


def of_query(config: dict[str, Any], project: str) -> list[Access]:
    """Of a JobConfigurationQuery."""
    try:
        return accesses(queries.prepared(config, project), project)
    except EngineError:
        return []


def accesses(sql: str, project: str) -> list[Access]:
    """What is done and to what, each once; nothing for what does not parse: running it will say so.

    read, write, create, delete: a table. With " dataset", " routine" or " model" after it: one of those. "list": the
    tables of a dataset, or of a project. "dynamic": statements that are only known when they run.
    """
    return list(dict.fromkeys(_in_script(sql, project) if scripts.is_script(sql) else _in_text(sql, project)))


def _in_text(sql: str, project: str) -> Iterator[Access]:
    for tree in statements.trees(sql):
        yield from _of(tree, project)


def _in_script(sql: str, project: str) -> Iterator[Access]:
    """What can't be read in a script is not known before it runs."""
    for part in scripts.parts(sql):
        if statements.trees(part):
            yield from _in_text(part, project)
        elif not _HARMLESS.match(part):
            yield "dynamic", (project, "", "")


def _of(tree: Any, project: str) -> Iterator[Access]:
    if isinstance(tree, exp.Command):
        yield from _of_command(tree.sql(dialect="bigquery"), project)
        return
    if isinstance(tree, (exp.Create, exp.Drop)) and tree.args.get("kind") == "SCHEMA":
        yield f"{_verb(tree)} dataset", _dataset(".".join(_parts(tree.find(exp.Table))), project)
        return
    tables = list(tree.find_all(exp.Table))
    target = tree.find(exp.Table) if isinstance(tree, (*_WRITES, exp.Create, exp.Drop)) else None
    for table in tables:
        of_kind = _KINDS.get(str(tree.args.get("kind") or "").upper(), "")
        yield from _reference(_verb(tree) + of_kind if table is target else "read", _parts(table), project)


def _of_command(text: str, project: str) -> Iterator[Access]:
    """Of a statement that the parser leaves as it is."""
    if found := _ALTER_SCHEMA.match(text):
        yield "write dataset", _dataset(found[1].replace("`", ""), project)
    elif found := _DYNAMIC.match(text):
        literal = _LITERAL.fullmatch(text[found.end() :])
        yield from accesses(literal["sql"], project) if literal else [("dynamic", (project, "", ""))]


def _verb(tree: Any) -> str:
    return "create" if isinstance(tree, exp.Create) else "delete" if isinstance(tree, exp.Drop) else "write"


def _parts(table: Any) -> list[str]:
    return [part for item in table.parts for part in item.name.split(".")]


def _dataset(name: str, project: str) -> Reference:
    owner, _, dataset = name.replace(":", ".").rpartition(".")
    return owner or project, dataset, ""


def _reference(kind: str, parts: list[str], project: str) -> Iterator[Access]:
    upper = [part.upper() for part in parts]
    if "INFORMATION_SCHEMA" in upper:
        *owner, place = parts[: upper.index("INFORMATION_SCHEMA")] or [""]
        yield "list", (".".join(owner) or project, "" if place.lower().startswith("region-") else place, "")
    elif len(parts) > 1:
        yield kind, (".".join(parts[:-2]) or project, parts[-2], parts[-1])
