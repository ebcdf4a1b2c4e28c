"""The set-up's definition for Terraform: `python -m gcpmlops._project.terraform FILE` writes it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from gcpmlops._project.blueprint import MANAGED_BY, SETUP, Blueprint
from gcpmlops._project.grants import ACCOUNTS, ACTIONS, ALWAYS, APIS, COVERS, RULES


def definition() -> dict[str, Any]:
    """APIs, accounts and rules, as infra/modules/plan reads them."""
    return {
        "actions": ACTIONS,
        "always": ALWAYS,
        "apis": APIS,
        "accounts": {name: {"actions": actions, "text": text} for name, (actions, text) in ACCOUNTS.items()},
        "rules": [{"account": r.account, "role": r.role, "on": r.on, "action": r.action, "why": r.why} for r in RULES],
        "datasets": {action: Blueprint("any-project", actions=(action,)).all_datasets[1:] for action in ACTIONS},
        "covers": COVERS,
        "labels": {"managed_by": MANAGED_BY, "setup": SETUP},
    }


def text() -> str:
    """The file's content."""
    return json.dumps(definition(), indent=2) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(text(), "utf-8")
