"""Errors in BigQuery's words: no wording of DuckDB's, no local path and no internal schema name leaves the engine."""

from __future__ import annotations

import re
from typing import Any

from bqemulator.domain.errors import DomainError

STATUS = {
    "notFound": 404,
    "duplicate": 409,
    "accessDenied": 403,
    "notImplemented": 501,
    "internalError": 500,
    "quotaExceeded": 403,
    "stopped": 499,
    "conditionNotMet": 412,
}

_PREFIX = re.compile(r"Query execution failed: |\b(?:[A-Z]\w* )*(?:Error|Exception): (?=\S)", re.ASCII)
_ECHO = re.compile(r"\s*\n?\s*LINE \d+:.*", re.DOTALL)
_HINT = re.compile(r"\s*(?:Candidate bindings|Did you mean|Candidate functions|Possible solutions):?.*", re.DOTALL)
_SCHEMA = re.compile(r'"?([a-z][a-z0-9\-.:]*?)__(\w+)"?\."?(\w+)"?')
_PATH = re.compile(r"(?:/[\w.\-]+){2,}")


class EngineError(Exception):
    """A failure as BigQuery reports it: `reason`, `message`, `location`; `errors` is the whole collection of a job."""

    def __init__(
        self, reason: str, message: str, location: str | None = None, errors: list[dict[str, Any]] | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.location = location
        self.errors = errors or []

    @property
    def status(self) -> int:
        """The HTTP code of the reason."""
        return STATUS.get(self.reason, 400)

    def proto(self) -> dict[str, Any]:
        """ErrorProto."""
        proto = {"reason": self.reason, "message": self.message}
        return {**proto, "location": self.location} if self.location else proto

    def body(self) -> dict[str, Any]:
        """What the front turns into an HTTP error or a job's `errorResult`."""
        return {"error": {"code": self.status, **self.proto(), "errors": [self.proto(), *self.errors]}}


def not_found(kind: str, name: str) -> EngineError:
    """``Not found: Table p:d.t was not found in location US``."""
    suffix = " was not found in location US" if kind in ("Table", "Dataset") else ""
    return EngineError("notFound", f"Not found: {kind} {name}{suffix}")


def clean(message: str) -> str:
    """The first sentence of an engine message without DuckDB's prefixes, echoes, hints, schema names and paths."""
    text = _ECHO.sub("", message)
    text = _HINT.sub("", text)
    text = text if text.startswith("Syntax error: ") else _PREFIX.sub("", text)
    text = _SCHEMA.sub(r"\1:\2.\3", text)
    text = _PATH.sub("(file)", text)
    text = text.replace("BIGINT", "INT64").replace("VARCHAR", "STRING").replace("DOUBLE", "FLOAT64")
    text = text.replace("_LITERAL", "").replace("DuckDB", "BigQuery").replace("duckdb", "BigQuery")
    return " ".join(text.split()) or "Query error"


def translate(error: BaseException) -> EngineError:
    """Any exception of the engine as an EngineError."""
    if isinstance(error, EngineError):
        return error
    if isinstance(error, DomainError):
        return EngineError(error.bq_reason, clean(error.message), error.location)
    if type(error).__module__.startswith(("duckdb", "_duckdb", "sqlglot", "pyarrow")):
        return EngineError("invalidQuery", clean(str(error)), "query")
    return EngineError("internalError", f"{type(error).__name__}: {clean(str(error))}")
