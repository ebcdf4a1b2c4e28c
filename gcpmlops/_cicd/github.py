"""The delivery as a workflow of GitHub Actions: by workload identity federation, without keys."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from gcpmlops import _yaml_text
from gcpmlops._cicd import shell
from gcpmlops._cicd.definition import Definition

_ACTIONS = {  # by commit, which nobody can move
    "actions/checkout": ("11bd71901bbe5b1630ceea73d27597364c9af683", "v4.2.2"),
    "actions/setup-python": ("a26af69be951a213d495a4c3e4e4022e16d87065", "v5.6.0"),
    "actions/upload-artifact": ("ea165f8d65b6e75b540449e92b4886f43607fa02", "v4.6.2"),
    "google-github-actions/auth": ("ba79af03959ebeac9769e648f473a284504d9193", "v2.1.10"),
}
_PROJECT = "${{ vars.GCPMLOPS_PROJECT }}"
_PROVIDER = "${{ vars.GCPMLOPS_WORKLOAD_IDENTITY_PROVIDER }}"
_ACCOUNT = "${{ vars.GCPMLOPS_DELIVERY_ACCOUNT }}"


def render(definition: Definition, root: Path) -> str:
    """The file's text, without its header."""
    jobs = {}
    if shell.checks(definition):
        jobs["check"] = _check(definition, root)
    jobs["deliver"] = _deliver(definition, root, needs="check" if jobs else "")
    text = _yaml_text.dump(
        {
            "name": f"delivery {definition.name}",
            "on": {"push": {"branches": [definition.branch]}, "pull_request": {}, "workflow_dispatch": {}},
            "permissions": {"contents": "read"},
            # one delivery at a time, and none is cut off in the middle of its canary
            "concurrency": {"group": f"delivery-{definition.name}-${{{{ github.ref }}}}", "cancel-in-progress": False},
            "jobs": jobs,
        }
    )
    return re.sub(r"(uses: ([\w/-]+)@\w+)", lambda found: f"{found[1]}  # {_ACTIONS[found[2]][1]}", text)


def _check(definition: Definition, root: Path) -> dict[str, Any]:
    """Of pull requests, too: it has no credentials."""
    return {
        "runs-on": _runner(definition),
        "timeout-minutes": 30,
        "steps": [*_prepared(definition, root), *_steps(definition, root, shell.checks(definition))],
    }


def _deliver(definition: Definition, root: Path, *, needs: str) -> dict[str, Any]:
    variables = {
        "GCPMLOPS_PROJECT": definition.project or _PROJECT,
        "GCPMLOPS_LOCATION": definition.location,
        "GCPMLOPS_STAGING_BUCKET": definition.staging_bucket,
    }
    environment = definition.github.get("environment")
    return {
        **({"needs": needs} if needs else {}),
        "if": f"github.event_name != 'pull_request' && github.ref == 'refs/heads/{definition.branch}'",
        "runs-on": _runner(definition),
        **({"environment": environment} if environment else {}),
        "timeout-minutes": 120,
        "permissions": {"contents": "read", "id-token": "write"},
        "env": {name: value for name, value in variables.items() if value},
        "steps": [
            *_prepared(definition, root),
            _authentication(definition),
            *_steps(definition, root, shell.deliveries(definition)),
            {
                "name": "keep what the steps found",
                "if": "always()",
                "uses": _action("actions/upload-artifact"),
                "with": {
                    "name": "delivery",
                    "path": shell.workspace(definition, root),
                    "include-hidden-files": True,
                    "if-no-files-found": "ignore",
                },
            },
        ],
    }


def _prepared(definition: Definition, root: Path) -> list[dict[str, Any]]:
    return [
        {"uses": _action("actions/checkout"), "with": {"persist-credentials": False}},
        {"uses": _action("actions/setup-python"), "with": {"python-version": definition.python}},
        {"name": "install", "run": shell.pip(definition, root)},
    ]


def _authentication(definition: Definition) -> dict[str, Any]:
    project = definition.project or _PROJECT
    return {
        "name": "authenticate",
        "uses": _action("google-github-actions/auth"),
        "with": {
            "project_id": project,
            "workload_identity_provider": definition.github.get("workload_identity_provider", _PROVIDER),
            "service_account": definition.account("delivery", project) or _ACCOUNT,
        },
    }


def _steps(definition: Definition, root: Path, names: list[str]) -> list[dict[str, Any]]:
    return [{"name": name, "run": shell.step(definition, root, name)} for name in names]


def _runner(definition: Definition) -> Any:
    return definition.github.get("runs_on", "ubuntu-latest")


def _action(name: str) -> str:
    return f"{name}@{_ACTIONS[name][0]}"
