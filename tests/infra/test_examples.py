"""The examples, evaluated by Terraform itself: each module is told what its variables allow.

There is no provider here, so the modules' resources are left out; an output says what each module was given.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from hcl import INFRA, labelled
from terraform import needs_terraform, run

OUTPUTS = {  # what others are told of a module
    "names": "{ for key, account in var.accounts : key => account.id }",
    "url": '"https://${var.project}.example.com"',
}
PROJECT = re.compile(r'(data|provider) "google\w*" .*?\n}\n', re.DOTALL)


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    shutil.copytree(INFRA, tmp_path / "infra", ignore=shutil.ignore_patterns("elk", "versions.tf"))
    for module in (tmp_path / "infra/modules").iterdir():
        if module.name != "plan":
            outputs = {name: OUTPUTS.get(name, "null") for name in labelled(module, "output")}
            given = ", ".join(f"{name} = var.{name}" for name in labelled(module, "variable"))
            lines = [f'output "{name}" {{\n  value = {value}\n}}' for name, value in outputs.items()]
            (module / "outputs.tf").write_text("\n".join([*lines, f'output "given" {{\n  value = {{ {given} }}\n}}\n']))
            (module / "main.tf").unlink()
    modules = ", ".join(f"{name} = module.{name}" for name in labelled(INFRA, "module"))
    for path in (tmp_path / "infra").rglob("*.tf"):
        text = PROJECT.sub("", path.read_text("utf-8"))
        path.write_text(re.sub(r"data\.google_project\.project\.(project_id|number)", "var.project", text))
    with (tmp_path / "infra/outputs.tf").open("a") as file:
        file.write(f'output "given" {{\n  value = {{ {modules} }}\n}}\n')
    for example in (tmp_path / "infra/examples").iterdir():
        with (example / "main.tf").open("a") as file:
            file.write('output "given" {\n  value = module.gcpmlops.given\n}\n')
    return tmp_path / "infra/examples"


def evaluated(folder: Path) -> dict[str, Any]:
    for arguments in (["init", "-backend=false"], ["apply", "-auto-approve", "-var=project=my-project"]):
        result = run(*arguments, "-no-color", "-input=false", folder=folder)
        assert result.returncode == 0, result.stdout + result.stderr
    found = json.loads(run("output", "-json", "given", folder=folder).stdout)
    return {name: about[0] if isinstance(about, list) and about else about for name, about in found.items()}


@needs_terraform
def test_the_examples(examples: Path) -> None:
    least, complete = evaluated(examples / "minimal"), evaluated(examples / "complete")
    assert (least["function"], least["scheduler"], least["federation"]) == ([], [], [])
    assert sorted(least["buckets"]["given"]["buckets"]) == [
        "my-project-ml-data", "my-project-vertex-staging-us-central1",
    ]  # fmt: skip
    function = complete["function"]["given"]
    assert function["environment"] == {
        "GCPMLOPS_LOCATION": "europe-west4",
        "GCPMLOPS_SERVICE_ACCOUNT": "flights-training@my-project.iam.gserviceaccount.com",
        "GCPMLOPS_SERVING_SERVICE_ACCOUNT": "flights-serving@my-project.iam.gserviceaccount.com",
        "GCPMLOPS_STAGING_BUCKET": "my-project-vertex-staging-europe-west4",
        "GOOGLE_CLOUD_PROJECT": "my-project",
    }
    assert function["source_bucket"] == "my-project-vertex-staging-europe-west4"
    (job,) = complete["scheduler"]["given"]["jobs"].values()
    assert json.loads(job["body"]) == {"retraining": "flights", "trigger": "0"}
    assert complete["federation"]["given"]["github_repository"] == "example/flights"
    granted = {grant["member"] for grant in complete["identities"]["given"]["account_grants"]}
    assert "group:ml@example.com" in granted
