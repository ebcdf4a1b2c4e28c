"""What a SQL text refers to, by its syntax tree: tables, columns, where it breaks."""

from __future__ import annotations

import re
from typing import Any

import sqlglot
from bqemulator.catalog.models import Clustering, TimePartitioning
from sqlglot import exp

from gcpmlops.emulator.services.bigquery.engine.core import Core, Reference
from gcpmlops.emulator.services.bigquery.engine.errors import EngineError, not_found

_POSITION = re.compile(r"at \[\d+:\d+\]")
_MODEL = re.compile(r"^\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?:TEMP\s+|TEMPORARY\s+)?MODEL\b", re.IGNORECASE)
_EXPORT = re.compile(r"^\s*EXPORT\s+(DATA|MODEL)\b", re.IGNORECASE)
_ML = re.compile(r"\bML\.([A-Z_]+)\s*\(", re.IGNORECASE)
_TIME_TRAVEL = re.compile(r"\bFOR\s+SYSTEM_?\s*TIME\s+AS\s+OF\b", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z_]\w*")
_OPENERS = {
    "SELECT",
    "WITH",
    "FROM",
    "INSERT",
    "UPDATE",
    "DELETE",
    "MERGE",
    "TRUNCATE",
    "CREATE",
    "DROP",
    "ALTER",
    "DECLARE",
    "SET",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "IF",
    "WHILE",
    "LOOP",
    "FOR",
    "REPEAT",
    "CASE",
    "CALL",
    "EXECUTE",
    "RETURN",
    "RAISE",
    "BREAK",
    "LEAVE",
    "CONTINUE",
    "ITERATE",
    "EXPORT",
    "LOAD",
    "ASSERT",
    "GRANT",
    "REVOKE",
    "END",
    "UNDROP",
}
_KEYWORDS = {
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP",
    "ORDER",
    "HAVING",
    "LIMIT",
    "JOIN",
    "ON",
    "AND",
    "OR",
    "NOT",
    "AS",
    "BY",
    "IN",
    "IS",
    "NULL",
    "UNION",
    "ALL",
    "DISTINCT",
    "WITH",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "INNER",
    "LEFT",
    "RIGHT",
    "FULL",
    "CROSS",
    "USING",
    "INTO",
    "SET",
    "BETWEEN",
    "LIKE",
    "EXISTS",
}
_COMMENT = re.compile(r"--[^\n]*|#[^\n]*|/\*.*?\*/", re.DOTALL)
_STRING = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"")


def refuse_unbuilt(sql: str) -> None:
    """Raises notImplemented, by name, for the statements that only a real BigQuery can run."""
    bare = _STRING.sub("''", _COMMENT.sub(" ", sql))
    if _TIME_TRAVEL.search(bare):
        raise EngineError("notImplemented", "FOR SYSTEM_TIME AS OF is not implemented")
    for statement in bare.split(";"):
        if _MODEL.match(statement):
            raise EngineError(
                "notImplemented", "CREATE MODEL is not implemented: train with a Vertex AI custom job instead"
            )
        if found := _EXPORT.match(statement):
            raise EngineError(
                "notImplemented", f"EXPORT {found.group(1).upper()} is not implemented: use an extract job"
            )
        if found := _ML.search(statement):
            raise EngineError("notImplemented", f"ML.{found.group(1).upper()} is not implemented")


def trees(sql: str) -> list[exp.Expr]:
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


def layout(tree: exp.Expr) -> dict[str, Any]:
    """Clustering and time partitioning of a CREATE TABLE, as columns of the catalog."""
    found: dict[str, Any] = {}
    cluster = tree.find(exp.ClusterProperty)
    if cluster is not None:
        found["clustering"] = Clustering(fields=tuple(node.name for node in cluster.find_all(exp.Column)))
    partition = tree.find(exp.PartitionedByProperty)
    column = partition.find(exp.Column) if partition is not None else None
    if partition is not None and column is not None and not partition.find(exp.RangeBucket):
        unit = re.search(r"\b(HOUR|MONTH|YEAR)\b", partition.sql("bigquery"), re.IGNORECASE)
        name = None if column.name.upper() in ("_PARTITIONTIME", "_PARTITIONDATE") else column.name
        found["time_partitioning"] = TimePartitioning.model_validate(
            {"type": unit.group(1).upper() if unit else "DAY", "field": name}
        )
    return found


def syntax_error(sql: str) -> EngineError | None:
    """The place where the text stops being SQL, in BigQuery's words."""
    first = _WORD.search(_COMMENT.sub(lambda found: " " * len(found.group()), sql))
    if first is not None and first.group().upper() not in _OPENERS:
        return _unexpected(sql, f'Unexpected identifier "{first.group()}"', first.start())
    try:
        sqlglot.parse(sql, read="bigquery")
    except sqlglot.errors.ParseError as error:
        return _parse_error(sql, error.errors[0] if error.errors else {})
    except sqlglot.errors.TokenError:
        quote = re.search(r"['\"][^'\"]*$", sql)
        return _unexpected(sql, "Unclosed string literal", quote.start() if quote else len(sql))
    return None


def _parse_error(sql: str, found: dict[str, Any]) -> EngineError:
    token = str(found.get("highlight") or "").strip()
    waits = not str(found.get("end_context") or "").strip() and not str(found.get("description")).startswith(
        "Invalid expression"
    )
    if waits or not token:
        return _unexpected(sql, "Unexpected end of script", len(sql.rstrip()))
    kind = "keyword" if token.upper() in _KEYWORDS else "identifier" if token[0].isalpha() else "token"
    shown = f"keyword {token.upper()}" if kind == "keyword" else f'{kind} "{token}"'
    lines = sql.splitlines(keepends=True)
    start = sum(len(line) for line in lines[: (found.get("line") or 1) - 1]) + (found.get("col") or 1) - len(token)
    return _unexpected(sql, f"Unexpected {shown}", start)


def _unexpected(sql: str, what: str, index: int) -> EngineError:
    line = sql.count("\n", 0, index) + 1
    return EngineError(
        "invalidQuery", f"Syntax error: {what} at [{line}:{index - sql.rfind(chr(10), 0, index)}]", "query"
    )


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
    if error.reason == "invalidQuery" and (broken := syntax_error(sql)):
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


def unnamed_columns(sql: str) -> dict[int, str]:
    """Position to ``f0_``, ``f1_``, ... for the result columns of a SELECT that are expressions without an alias."""
    parsed = trees(sql)
    select: exp.Expr | None = parsed[-1] if parsed else None
    while isinstance(select, exp.SetOperation | exp.Subquery):
        select = select.this
    if not isinstance(select, exp.Select) or any(column.is_star for column in select.selects):
        return {}
    named = exp.Alias | exp.Column | exp.Dot
    unnamed = [at for at, column in enumerate(select.selects) if not isinstance(column, named)]
    return {at: f"f{number}_" for number, at in enumerate(unnamed)}
