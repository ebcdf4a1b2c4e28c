"""`gcpmlops init` in a project that is set up already, beside the same checks by gcloud, one after the other."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks._measure import Line, environment, medians, process_seconds
from benchmarks._servers import PROJECT, emulator, script
from gcpmlops.project import Blueprint

_ROUNDS = 3
_LOCATION = "us-central1"


def lines() -> Iterator[Line]:
    with emulator() as server, tempfile.TemporaryDirectory() as folder:
        _ = server.token
        env = _environment(server.data_dir)
        first = [script("gcpmlops"), "init", "--yes", "--directory", folder, "--project", PROJECT]
        subprocess.run(first, env=env, check=True, capture_output=True)
        checks = _checks() if shutil.which("gcloud") else []
        sides = {"init": lambda: process_seconds(first, env)}
        if checks:
            sides["gcloud"] = lambda: sum(process_seconds(check, env) for check in checks)
        taken = medians(sides, _ROUNDS)
        name = f"second `gcpmlops init`, {len(checks)} checks"
        yield Line(name, taken["init"], taken.get("gcloud"), "s", 0.5, peer_name="gcloud one by one")


def _checks() -> list[list[str]]:
    """What init looks at: APIs, accounts, buckets, datasets, repository, and the policy of each."""
    plan = Blueprint(PROJECT, _LOCATION)
    gcloud: list[str] = [
        "services list --enabled", "billing projects describe " + PROJECT, f"projects get-iam-policy {PROJECT}",
        *(f"iam service-accounts describe {email}" for email in plan.accounts.values()),
        *(f"iam service-accounts get-iam-policy {email}" for email in plan.accounts.values()),
        *(f"storage buckets describe gs://{bucket}" for bucket in plan.all_buckets),
        *(f"storage buckets get-iam-policy gs://{bucket}" for bucket in plan.all_buckets),
        f"artifacts repositories describe {plan.name} --location={_LOCATION}",
        f"artifacts repositories get-iam-policy {plan.name} --location={_LOCATION}",
    ]  # fmt: skip
    datasets = [["bq", "show", "--format=json", f"{PROJECT}:{dataset}"] for dataset in plan.all_datasets]
    return [*(["gcloud", *line.split(), "--format=json"] for line in gcloud), *datasets]


def _environment(data_dir: Path) -> dict[str, str]:
    exported = subprocess.run(
        [script("gcpmlops"), "emulator", "env", "--data-dir", str(data_dir)],
        env=environment(), check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    return environment(**_variables(exported.splitlines()), PATH=os.environ["PATH"])


def _variables(lines_: Sequence[str]) -> dict[str, str]:
    import shlex

    words = (shlex.split(line) for line in lines_ if line.startswith("export "))
    return dict(word.split("=", 1) for _, word in words)
