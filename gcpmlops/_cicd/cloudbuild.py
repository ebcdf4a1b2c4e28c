"""The delivery as cloudbuild.yaml: a step each, in one workspace, as the delivery account."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gcpmlops import _yaml_text
from gcpmlops._cicd import shell
from gcpmlops._cicd.definition import Definition

_PROJECT = "$PROJECT_ID"
_TIMEOUT = "7200s"


def render(definition: Definition, root: Path) -> str:
    """The file's text, without its header."""
    given = definition.cloudbuild
    setup = shell.install(definition, root, options="--user", own='"$REQUIREMENT"')
    steps = [{**_step("install", setup), "env": ["REQUIREMENT=$_GCPMLOPS"]}]
    steps += [_step(name, shell.step(definition, root, name)) for name in definition.steps]
    options: dict[str, Any] = {"env": _variables(definition)}
    if given.get("machine_type"):
        options["machineType"] = given["machine_type"]
    project = definition.project or _PROJECT
    account = definition.account("delivery", project)
    build: dict[str, Any] = {"steps": steps}
    if account:
        build["serviceAccount"] = f"projects/{project}/serviceAccounts/{account}"
        options["logging"] = "CLOUD_LOGGING_ONLY"  # its account then needs no bucket for logs
    return _yaml_text.dump(
        {
            **build,
            "options": options,
            "substitutions": {
                "_IMAGE": given.get("image", f"python:{definition.python}"),
                "_GCPMLOPS": definition.gcpmlops,
            },
            "timeout": given.get("timeout", _TIMEOUT),
            "tags": ["gcpmlops", definition.name],
        }
    )


def _step(name: str, command: str) -> dict[str, Any]:
    # HOME stays from step to step, and with it what pip has put there
    script = f'#!/usr/bin/env bash\nset -eu\nexport PATH="$HOME/.local/bin:$PATH"\n{command}\n'
    return {"id": name, "name": "$_IMAGE", "script": script}


def _variables(definition: Definition) -> list[str]:
    found = {
        "GCPMLOPS_PROJECT": definition.project or _PROJECT,
        "GCPMLOPS_LOCATION": definition.location,
        "GCPMLOPS_STAGING_BUCKET": definition.staging_bucket,
        "PYTHONUNBUFFERED": "1",
    }
    return [f"{name}={value}" for name, value in found.items() if value]
