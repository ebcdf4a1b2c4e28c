"""Which APIs are enabled in a project, since when, and when each was last used; the gate asks here."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from google.api_core import exceptions
from google.rpc import error_details_pb2

from gcpmlops.emulator.kernel.gate import Asked, Wanted
from gcpmlops.emulator.kernel.masks import raw
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.services.service_usage.known import ALWAYS, KNOWN
from gcpmlops.emulator.settings import project_number

_SCHEMA = """
CREATE TABLE IF NOT EXISTS enabled_apis (
  project TEXT, api TEXT, enabled TEXT NOT NULL, used TEXT NOT NULL DEFAULT '', PRIMARY KEY (project, api)
);
CREATE TABLE IF NOT EXISTS disabled_apis (project TEXT, api TEXT, PRIMARY KEY (project, api));
"""
_PROJECT = re.compile(r"(?:^|/)projects/([^/:]+)")
_OPEN = {*ALWAYS, "cloudresourcemanager", "cloudbilling", "emulator", "oauth2", "sts", "metadata"}
_CONSOLE = "https://console.developers.google.com/apis/api/{api}/overview?project={project}"
_USED_WITHIN, _ENABLED_WITHIN = timedelta(days=30), timedelta(days=3)


class EnabledApis:
    """By project id and full name of the API.

    Args:
        active: tells whether a project is here and not deleted; asking brings none into being.
        id_of: a project's id by id or number; raises where there is none.
        billed: tells whether a project, by its id, has a billing account.
    """

    def __init__(
        self, context: Context, *,
        active: Callable[[str], bool], id_of: Callable[[str], str], billed: Callable[[str], bool],
    ) -> None:  # fmt: skip
        self._context = context
        self._store = context.store
        self._active, self._id_of, self._billed = active, id_of, billed
        self._store.ensure_schema(_SCHEMA)
        self._cache: dict[str, frozenset[str]] = {}
        self._used: dict[tuple[str, str], datetime] = {}

    def of(self, project: str) -> frozenset[str]:
        """Those that are enabled."""
        found = self._cache.get(project)
        if found is None:
            found = self._cache[project] = self._store.read(lambda conn: self._read(conn, project))
        return found

    def enable(self, project: str, apis: Iterable[str]) -> None:
        """At once; it is known everywhere at once too."""
        now, names = self._context.clock.now().isoformat(), list(apis)

        def run(conn: sqlite3.Connection) -> None:
            for api in names:
                conn.execute("INSERT OR IGNORE INTO enabled_apis (project, api, enabled) VALUES (?, ?, ?)",
                             (project, api, now))  # fmt: skip
                conn.execute("DELETE FROM disabled_apis WHERE project = ? AND api = ?", (project, api))

        self._store.write(run)
        self._cache.pop(project, None)

    def disable(self, project: str, apis: Iterable[str]) -> None:
        """The same the other way."""
        names = list(apis)

        def run(conn: sqlite3.Connection) -> None:
            for api in names:
                conn.execute("DELETE FROM enabled_apis WHERE project = ? AND api = ?", (project, api))
                conn.execute("INSERT OR IGNORE INTO disabled_apis VALUES (?, ?)", (project, api))

        self._store.write(run)
        self._cache.pop(project, None)
        for api in names:
            self._used.pop((project, api), None)

    def in_use(self, project: str, api: str) -> bool:
        """Whether it was called in the last 30 days, or enabled in the last three."""
        sql = "SELECT enabled, used FROM enabled_apis WHERE project = ? AND api = ?"
        row = self._store.read(lambda conn: conn.execute(sql, (project, api)).fetchone())
        if row is None:
            return False
        now = self._context.clock.now()
        used = self._used.get((project, api)) or (datetime.fromisoformat(row["used"]) if row["used"] else None)
        enabled = datetime.fromisoformat(row["enabled"])
        return now - enabled < _ENABLED_WITHIN or (used is not None and now - used < _USED_WITHIN)

    def check(self, asked: Asked) -> None:
        """The gate's: raises PermissionDenied for an API that isn't enabled or paid, a project that isn't there."""
        api = f"{asked.service}.googleapis.com"
        if asked.service in _OPEN or api not in KNOWN:
            return
        given = _project_of(asked.request) or self._context.settings.project
        if not self._active(given):
            raise exceptions.PermissionDenied(
                f"Permission denied on resource project {given}: it is deleted or does not exist.",
                details=[_info("CONSUMER_INVALID", given, api, KNOWN[api].title)],
            )
        project = self._id_of(given)
        if api not in self.of(project):
            raise _disabled(str(project_number(project)), api)
        if KNOWN[api].billed and not self._billed(project):
            raise _unpaid(str(project_number(project)), api)
        self._note_use(project, api)

    def _note_use(self, project: str, api: str) -> None:
        """Once a day in the store; nothing is lost that matters within 30 days."""
        now, last = self._context.clock.now(), self._used.get((project, api))
        if last is None or abs(now - last) > timedelta(days=1):
            self._used[project, api] = now
            sql = "UPDATE enabled_apis SET used = ? WHERE project = ? AND api = ?"
            self._store.write(lambda conn: conn.execute(sql, (now.isoformat(), project, api)))

    def _read(self, conn: sqlite3.Connection, project: str) -> frozenset[str]:
        always = {f"{short}.googleapis.com" for short in ALWAYS}
        if self._context.settings.enable_all:
            rows = conn.execute("SELECT api FROM disabled_apis WHERE project = ?", (project,))
            return frozenset({*KNOWN} - {row["api"] for row in rows} | always)
        rows = conn.execute("SELECT api FROM enabled_apis WHERE project = ?", (project,))
        return frozenset({row["api"] for row in rows} | always)


def _project_of(request: Any) -> str:
    """The project, by id or number, of the first resource that a request names; empty where it names none."""
    if isinstance(request, Wanted):
        return request.project
    if isinstance(request, Mapping):
        named = (_in_text(value) for value in request.values() if isinstance(value, str))
        return next(filter(None, named), "") or str(request.get("project") or request.get("projectId") or "")
    return _in_message(raw(request), depth=2) if request is not None else ""


def _in_message(message: Any, *, depth: int) -> str:
    below = []
    for field, value in message.ListFields():
        first = next(iter(value), None) if field.is_repeated else value
        if isinstance(first, str):
            found = first if field.name == "project_id" else _in_text(first)
            if found:
                return found
        elif depth and hasattr(first, "ListFields"):
            below.append(first)
    return next(filter(None, (_in_message(each, depth=depth - 1) for each in below)), "")


def _in_text(text: str) -> str:
    found = _PROJECT.search(text)
    return found[1] if found and found[1] not in ("-", "_") else ""


def _disabled(number: str, api: str) -> exceptions.PermissionDenied:
    title, url = KNOWN[api].title, _CONSOLE.format(api=api, project=number)
    link = error_details_pb2.Help.Link(description="Google developers console API activation", url=url)
    return exceptions.PermissionDenied(
        f"{title} has not been used in project {number} before or it is disabled. Enable it by visiting {url} then "
        "retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems and "
        "retry.",
        details=[error_details_pb2.Help(links=[link]), _info("SERVICE_DISABLED", number, api, title, url)],
    )


def _unpaid(number: str, api: str) -> exceptions.PermissionDenied:
    url = f"https://console.developers.google.com/billing/enable?project={number}"
    link = error_details_pb2.Help.Link(description="Google developers console billing", url=url)
    return exceptions.PermissionDenied(
        f"This API method requires billing to be enabled. Please enable billing on project #{number} by visiting {url} "
        "then retry.",
        details=[error_details_pb2.Help(links=[link]), _info("BILLING_DISABLED", number, api, KNOWN[api].title)],
    )


def _info(reason: str, project: str, api: str, title: str, url: str = "") -> error_details_pb2.ErrorInfo:
    metadata = {"consumer": f"projects/{project}", "service": api, "containerInfo": project, "serviceTitle": title}
    return error_details_pb2.ErrorInfo(
        reason=reason, domain="googleapis.com", metadata=metadata | ({"activationUrl": url} if url else {})
    )
