"""`gcpmlops notebooks`, on the emulator, without waiting for JupyterLab."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from gcpmlops import Client, exceptions


def test_made_changed_listed_and_deleted(gcpmlops: Any, client: Client, unique: Callable[[str], str]) -> None:
    name = unique("nb")
    line = ("notebooks", "create", name, "--idle-shutdown", "2h")
    planned = json.loads(gcpmlops(*line, "--dry-run", "--format", "json").output)
    assert (planned["method"], planned["arguments"]) == ("client.notebooks.create", [name])
    gcpmlops(*line, "--label", "a=b", "--no-wait")
    made = client.notebooks.get(name)
    assert made.zone == f"{client.config.location}-b"
    assert made.state in ("PROVISIONING", "STARTING")
    assert made.service_account.endswith("-compute@developer.gserviceaccount.com")
    changed = json.loads(gcpmlops(*line, "--label", "c=d", "--format", "json").stdout)
    assert changed["labels"] == {"c": "d"}
    with pytest.raises(exceptions.FailedPrecondition, match="only an instance that is STOPPED"):
        client.notebooks.create(name, machine_type="n1-standard-8")
    assert made.zone in gcpmlops("notebooks", "list", "--filter", "labels.c=d").output
    assert "notebooks start" in gcpmlops("notebooks", "open", name, "--no-browser", code=1).output
    gcpmlops("notebooks", "delete", name)
    assert "notebooks list" in gcpmlops("notebooks", "get", name, code=1).output
