"""What a SQL text refers to, by its syntax tree: tables, columns, where it breaks."""

from __future__ import annotations

import re

import sqlglot
from sqlglot import exp

from gcpmlops.emulator.services.bigquery.engine.core import Core, Reference
from gcpmlops.emulator.services.bigquery.engine.errors import EngineError, not_found

_POSITION = re.compile(r"at \[\d+:\d+\]")
_MODEL = re.compile(r"^\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?:TEMP\s+|TEMPORARY\s+)?MODEL\b", re.IGNORECASE)
_EXPORT = re.compile(r"^\s*EXPORT\s+(DATA|MODEL)\b", re.IGNORECASE)
_ML = re.compile(r"\bML\.([A-Z_]+)\s*\(", re.IGNORECASE)
_COMMENT = re.compile(r"--[^\n]*|#[^\n]*|/\*.*?\*/", re.DOTALL)
_STRING = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"")


def refuse_unbuilt(sql: str) -> None:
    """Raises notImplemented, by name, for the statements that only a real BigQuery can run."""
    bare = _STRING.sub("''", _COMMENT.sub(" ", sql))
    for statement in bare.split(";"):
        if _MODEL.match(statement):
            raise EngineError("notImplemented", "CREATE MODEL is not implemented: train with a Vertex AI custom job instead")
        if found := _EXPORT.match(statement):
            raise EngineError("notImplemented", f"EXPORT {found.group(1).upper()} is not implemented: use an extract job")
        if found := _ML.search(statement):
            raise EngineError("notImplemented", f"ML.{found.group(1).upper()} is not implemented")


def trees(sql: str) -> list[exp.Expression]:
    """Syntax trees of the statements; none where the text does not parse (scripts, errors)."""
    try:
        return [tree for tree in sqlglot.parse(sql, read="bigquery") if tree is not None]
    except sqlglot.errors.SqlglotError:
        return []


def tables(sql: str, project: str) -> list[Reference]:
    """Tables that are named with a dataset, in the order of the text, without INFORMATION_SCHEMA and wildcards."""
    found: dict[Reference, None] = {}
    for tree in trees(sql):
        for node in tree.find_all(exp.Table):
            parts = [part for item in node.parts for part in item.name.split(".")]
            if len(parts) < 2 or "INFORMATION_SCHEMA" in {part.upper() for part in parts} or "*" in parts[-1]:
                continue
            owner = ".".join(parts[:-2]) or project
            found.setdefault((owner, parts[-2], parts[-1]))
    return list(found)


def columns(sql: str) -> set[str] | None:
    """Column names in lower case that the text mentions; None where it takes all of them (``SELECT *``)."""
    names: set[str] = set()
    parsed = trees(sql)
    for tree in parsed:
        if any(not isinstance(star.parent, exp.Count) for star in tree.find_all(exp.Star)):
            return None
        names |= {node.name.lower() for node in tree.find_all(exp.Column)}
    return names if parsed else None


def syntax_error(sql: str) -> EngineError | None:
    """The place where the text stops being SQL, in BigQuery's words."""
    try:
        sqlglot.parse(sql, read="bigquery")
    except sqlglot.errors.ParseError as error:
        first = error.errors[0] if error.errors else {}
        token = str(first.get("highlight") or "").strip()
        line, column = first.get("line") or 1, max((first.get("col") or 1) - len(token) + 1, 1)
        what = f'Unexpected "{token}"' if token else "Unexpected end of script"
        return EngineError("invalidQuery", f"Syntax error: {what} at [{line}:{column}]", "query")
    except sqlglot.errors.TokenError as error:
        return EngineError("invalidQuery", f"Syntax error: {str(error).splitlines()[0]} at [1:1]", "query")
    return None


def explain(core: Core, sql: str, project: str, error: EngineError) -> EngineError:
    """The better error where the text itself shows the cause: a missing table or dataset, a syntax error."""
    if error.reason == "notImplemented":
        return error
    for reference in tables(sql, project):
        if core.catalog.get_dataset(reference[0], reference[1]) is None:
            return not_found("Dataset", f"{reference[0]}:{reference[1]}")
        creates = re.search(r"does not exist|not found", error.message, re.IGNORECASE)
        if creates and core.catalog.get_table(*reference) is None:
            return not_found("Table", f"{reference[0]}:{reference[1]}.{reference[2]}")
    if error.reason == "invalidQuery" and not _POSITION.search(error.message):
        broken = syntax_error(sql)
        if broken:
            return broken
    if error.reason == "invalidQuery" and not _POSITION.search(error.message):
        return _with_position(sql, error)
    return error


def _with_position(sql: str, error: EngineError) -> EngineError:
    """Adds the line and column of the name that the message quotes, where the text has it."""
    missing = re.search(r'Referenced column "?(\w+)"? not found', error.message)
    message = f"Unrecognized name: {missing.group(1)}" if missing else error.message
    name = missing.group(1) if missing else next(iter(re.findall(r'["\'](\w+)["\']', error.message)), None)
    at = re.search(rf"\b{re.escape(name)}\b", sql, re.IGNORECASE) if name else None
    if at is None:
        return EngineError(error.reason, message, "query")
    line = sql.count("\n", 0, at.start()) + 1
    column = at.start() - sql.rfind("\n", 0, at.start())
    return EngineError(error.reason, f"{message} at [{line}:{column}]", "query")
