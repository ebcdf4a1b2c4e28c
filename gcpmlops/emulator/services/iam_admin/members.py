"""What policies say of a service account that is deleted, and of one that is back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from google.iam.v1 import policy_pb2

from gcpmlops.emulator.kernel.service import ResourceStore


class Members:
    """Changes members in every stored policy: an account of the same email that is made later gets nothing by them.

    Args:
        elsewhere: renames a member in policies that are kept in another place (before, after).
    """

    def __init__(self, store: ResourceStore, elsewhere: Callable[[str, str], None]) -> None:
        self._store = store
        self._elsewhere = elsewhere
        self._policies = store.collection(policy_pb2.Policy)

    def bury(self, email: str, unique_id: str) -> None:
        """``serviceAccount:EMAIL`` becomes ``deleted:serviceAccount:EMAIL?uid=ID``."""
        self._replace(f"serviceAccount:{email}", f"deleted:serviceAccount:{email}?uid={unique_id}")

    def raise_(self, email: str, unique_id: str) -> None:
        """And back."""
        self._replace(f"deleted:serviceAccount:{email}?uid={unique_id}", f"serviceAccount:{email}")

    def _replace(self, before: str, after: str) -> None:
        def change(policy: Any) -> None:
            for binding in policy.bindings:
                binding.members[:] = [after if member == before else member for member in binding.members]

        for name in self._store.read(lambda conn: _naming(conn, self._policies.kind, before)):
            self._policies.update(name, change)
        self._elsewhere(before, after)


def _naming(conn: sqlite3.Connection, kind: str, member: str) -> list[str]:
    rows = conn.execute("SELECT name, body FROM resources WHERE type = ?", (kind,))
    return [str(name) for name, body in rows if member.encode() in bytes(body)]
