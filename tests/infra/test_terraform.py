"""infra/: formatted, parsed, equal to what init makes, and right by the schema that Google's provider publishes."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import readmes
from hcl import FILES, FOLDERS, INFRA, bare, labelled, names, references, source, split, typed
from terraform import needs_terraform, run

from gcpmlops._project import terraform as generator
from gcpmlops._project.blueprint import Blueprint
from gcpmlops._project.grants import ACTIONS
from gcpmlops._project.steps import description

SCHEMA = json.loads((Path(__file__).parent / "schema.json").read_text("utf-8"))
META = {"count", "for_each", "depends_on", "provider"}
BY_FOLDER = pytest.mark.parametrize("path", FOLDERS, ids=lambda path: str(path.relative_to(INFRA)))


@needs_terraform
def test_all_is_formatted() -> None:
    result = run("fmt", "-check", "-recursive", "-diff", ".", folder=INFRA)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_definition_is_that_of_init() -> None:
    stored = (INFRA / "modules/plan/setup.json").read_text("utf-8")
    assert stored == generator.text(), "python -m gcpmlops._project.terraform infra/modules/plan/setup.json"


def problems(body: dict[str, Any], schema: dict[str, Any], where: str) -> list[str]:
    attributes, blocks = split(body)
    given = {name for name, _ in blocks}
    known, inner = schema["attributes"], schema["blocks"]
    found = [f"{where}: no argument {name}" for name in attributes - set(known) - META]
    found += [f"{where}: no block {name}" for name in given - set(inner) - {"lifecycle"}]
    found += [f"{where}: {name} is missing" for name, must in known.items() if must and name not in attributes]
    found += [f"{where}: block {name} is missing" for name in inner if inner[name]["required"] and name not in given]
    for name, content in blocks:
        if name in inner:
            found += problems(content, inner[name], f"{where}.{name}")
    return found


@BY_FOLDER
def test_each_argument_is_in_the_providers_schema(path: Path) -> None:
    for kind in ("resource", "data"):
        for (type_, name), body in typed(path, kind).items():
            assert type_ in SCHEMA[kind], f"{path}: {type_}: python tests/infra/extract_schema.py WHEEL"
            assert problems(body, SCHEMA[kind][type_], f"{type_}.{name}") == []


def test_the_check_finds_what_is_wrong() -> None:
    schema = SCHEMA["resource"]["google_cloud_scheduler_job"]
    wrong = {"retries": 3, "http_target": [{"oidc": [{"__is_block__": True}], "__is_block__": True}]}
    found = "\n".join(problems(wrong, schema, "job"))
    for text in ("no argument retries", "name is missing", "job.http_target: no block oidc", "uri is missing"):
        assert text in found


@BY_FOLDER
def test_whatever_is_referred_to_is_there_and_every_variable_is_used(path: Path) -> None:
    variables, modules = set(labelled(path, "variable")), labelled(path, "module")
    used = {name for (name,) in references(path, r"\bvar\.(\w+)")}
    assert used == variables
    local = {name for (name,) in references(path, r"\blocal\.(\w+)")}
    assert local == names(path)
    resources = set(typed(path, "resource"))
    assert set(references(path, r"(?<![\w.\"])(google_\w+)\.(\w+)")) <= resources
    assert set(references(path, r"\bdata\.(google_\w+)\.(\w+)")) <= set(typed(path, "data"))
    for name, output in references(path, r"\bmodule\.(\w+)(?:\[\d+\])?\.(\w+)"):
        assert output in labelled((path / bare(modules[name]["source"])).resolve(), "output"), f"module.{name}.{output}"


@BY_FOLDER
def test_modules_are_called_with_their_variables(path: Path) -> None:
    for name, body in labelled(path, "module").items():
        variables = labelled((path / bare(body["source"])).resolve(), "variable")
        given = split(body)[0] - META - {"source"}
        required = {variable for variable, about in variables.items() if "default" not in about}
        assert required <= given <= set(variables), name


@BY_FOLDER
def test_variables_and_outputs_say_what_they_are(path: Path) -> None:
    for kind in ("variable", "output"):
        for name, body in labelled(path, kind).items():
            assert len(bare(body["description"])) > 5, name
            assert kind == "output" or "type" in body, name


@pytest.mark.parametrize("name", ["", *sorted(readmes.ABOUT)])
def test_each_readme_lists_variables_and_outputs(name: str) -> None:
    stored = (readmes.path_of(name) / "README.md").read_text("utf-8")
    assert stored == readmes.text(name), "python tests/infra/readmes.py"


def test_every_module_has_a_readme() -> None:
    assert set(readmes.ABOUT) == {path.name for path in (INFRA / "modules").iterdir()}


def test_no_keys_and_no_basic_roles() -> None:
    text = "\n".join(path.read_text("utf-8") for path in FILES)
    assert "service_account_key" not in text
    assert not re.search(r"roles/(owner|editor|viewer)\b", text)
    assert "uniform_bucket_level_access = true" in text
    assert 'public_access_prevention    = "enforced"' in text
    assert "allUsers" not in source(INFRA / "modules/function")


PLANS = {
    "default": Blueprint("my-project"),
    "named": Blueprint(
        "my-project", "europe-west4", "fraud-a", buckets=("extra",), datasets=("flights",),
        developers=("group:ml@example.com",),
    ),
    "domain": Blueprint("example.com:project"),
    "staging": Blueprint("my-project", staging="elsewhere", buckets=("elsewhere", "extra")),
    "nothing": Blueprint("my-project", actions=()),
    **{f"only-{action}": Blueprint("my-project", actions=(action,)) for action in ACTIONS},
    **{f"no-{action}": Blueprint("my-project", actions=tuple(a for a in ACTIONS if a != action)) for action in ACTIONS},
}  # fmt: skip


def expected(plan: Blueprint) -> set[tuple[str, str, str]]:
    return {(grant.member, grant.role, grant.resource) for grant in plan.grants if grant.member not in plan.developers}


def computed(plan: Blueprint, grants: list[dict[str, str]]) -> set[tuple[str, str, str]]:
    """What the modules make of Terraform's grants: one binding on each resource of a kind."""
    found = set()
    for grant in grants:
        places = {
            "project": [f"projects/{plan.project}"],
            "buckets": [f"gs://{bucket}" for bucket in plan.all_buckets],
            "datasets": [f"{plan.project}.{dataset}" for dataset in plan.all_datasets],
            "repository": [plan.repository or ""],
            **{key: [f"projects/{plan.project}/serviceAccounts/{email}"] for key, email in plan.accounts.items()},
        }[grant["on"]]
        found |= {(grant["member"], grant["role"], place) for place in places}
    return found


@needs_terraform
def test_terraform_computes_what_init_makes(tmp_path: Path) -> None:
    """By Terraform itself: the module needs no provider."""
    keys = ("project", "location", "name", "actions", "buckets", "datasets", "developers")
    cases = {
        name: {"staging_bucket": plan.staging or None, **{key: getattr(plan, key) for key in keys}}
        for name, plan in PLANS.items()
    }
    given = {key: f"${{each.value.{key}}}" for key in (*keys, "staging_bucket")}
    module = {"source": "./plan", "for_each": "${local.cases}", **given}
    root = {"locals": {"cases": cases}, "module": {"plan": module}, "output": {"plan": {"value": "${module.plan}"}}}
    (tmp_path / "main.tf.json").write_text(json.dumps(root), "utf-8")
    shutil.copytree(INFRA / "modules/plan", tmp_path / "plan")
    for arguments in (["init", "-backend=false"], ["apply", "-auto-approve"]):
        result = run(*arguments, "-no-color", "-input=false", folder=tmp_path)
        assert result.returncode == 0, result.stdout + result.stderr
    found = json.loads(run("output", "-json", "plan", folder=tmp_path).stdout)
    for name, plan in PLANS.items():
        of = found[name]
        assert of["labels"] == plan.labels
        assert sorted(of["apis"]) == sorted(plan.apis)
        assert {key: account["email"] for key, account in of["accounts"].items()} == plan.accounts
        for key, account in of["accounts"].items():
            assert (account["id"], account["title"]) == (f"{plan.name}-{key}", f"{plan.name} {key}")
            assert account["description"] == description(plan, key)
        assert (tuple(of["buckets"]), tuple(of["datasets"])) == (plan.all_buckets, plan.all_datasets)
        assert of["staging_bucket"] == plan.staging_bucket
        assert of["repository"] == (plan.name if plan.repository else None)
        assert computed(plan, of["grants"]) == expected(plan), name
        assert of["developers"] == list(plan.developers)
