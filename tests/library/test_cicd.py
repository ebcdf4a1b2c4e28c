"""Pipelines as rendered, and steps that need no cloud."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gcpmlops import Client, _yaml_text
from gcpmlops._cicd.workspace import FILE
from gcpmlops.exceptions import DeliveryFailed, FailedPrecondition, InvalidArgument

EXAMPLE = Path(__file__).parents[2] / "examples" / "delivery"
TARGETS = ("cloudbuild", "github", "gitlab", "jenkins")
RICH = """
project: acme-prod
staging_bucket: acme-staging
github:
  workload_identity_provider: projects/1/locations/global/workloadIdentityPools/ci/providers/gh
  runs_on: [self-hosted, linux]
gitlab: {workload_identity_provider: projects/1/locations/global/workloadIdentityPools/ci/providers/gl, tags: [x]}
jenkins: {agent: linux, credentials: google}
cloudbuild: {image: example.com/own:1, timeout: 600s, machine_type: E2_HIGHCPU_8}
"""


@pytest.fixture
def cicd():
    return Client(project="acme-prod").cicd


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(EXAMPLE, tmp_path / "project", ignore=shutil.ignore_patterns(".gcpmlops", ".git*", "Jenkins*"))
    (tmp_path / "project" / "cloudbuild.yaml").unlink()
    return tmp_path / "project"


def states(files) -> list[str]:
    return [each.state for each in files]


def test_the_example_is_as_its_definition_says(cicd) -> None:
    assert states(cicd.check(EXAMPLE / "delivery.yaml")) == ["CURRENT"] * 4


def test_generated_once_and_for_all(cicd, project: Path) -> None:
    definition = project / "delivery.yaml"
    assert states(cicd.check(definition)) == ["MISSING"] * 4
    assert states(cicd.generate(definition, dry_run=True)) == ["MISSING"] * 4
    assert states(cicd.generate(definition)) == ["WRITTEN"] * 4
    times = [each.path.stat().st_mtime_ns for each in cicd.check(definition)]
    assert states(cicd.generate(definition)) == ["CURRENT"] * 4
    assert [each.path.stat().st_mtime_ns for each in cicd.check(definition)] == times


def test_another_definition_makes_them_outdated(cicd, project: Path) -> None:
    definition = project / "delivery.yaml"
    cicd.generate(definition)
    definition.write_text(definition.read_text().replace("\nlint:", "\nbranch: trunk\nlint:"))
    assert states(cicd.check(definition)) == ["OUTDATED"] * 4
    assert states(cicd.generate(definition, targets=["github"])) == ["WRITTEN"]
    assert states(cicd.check(definition)) == ["OUTDATED", "CURRENT", "OUTDATED", "OUTDATED"]


def test_what_was_edited_by_hand_is_kept(cicd, project: Path) -> None:
    definition = project / "delivery.yaml"
    cicd.generate(definition, targets=["cloudbuild"])
    build = project / "cloudbuild.yaml"
    edited = build.read_text().replace("7200s", "60s")
    build.write_text(edited)
    (project / "Jenkinsfile").write_text("pipeline { }\n")
    files = cicd.check(definition)
    assert states(files) == ["EDITED", "MISSING", "MISSING", "FOREIGN"]
    with pytest.raises(FailedPrecondition, match=r"cloudbuild.yaml: edited[\s\S]*Jenkinsfile: foreign[\s\S]*--force"):
        cicd.generate(definition)
    assert build.read_text() == edited
    assert not (project / ".gitlab-ci.yml").exists()
    asked = cicd.generate(definition, confirm=lambda file: file.target == "jenkins")
    assert states(asked) == ["EDITED", "WRITTEN", "WRITTEN", "WRITTEN"]
    assert build.read_text() == edited
    assert states(cicd.generate(definition, force=True)) == ["WRITTEN", "CURRENT", "CURRENT", "CURRENT"]


def test_a_file_that_can_not_be_written_is_named(cicd, project: Path) -> None:
    (project / ".github").touch()
    with pytest.raises(FailedPrecondition, match=r"delivery.yml can't be written: Not a directory"):
        cicd.generate(project / "delivery.yaml")
    assert (project / "cloudbuild.yaml").is_file()


def test_line_ends_of_a_checkout_are_no_edit(cicd, project: Path) -> None:
    definition = project / "delivery.yaml"
    cicd.generate(definition, targets=["gitlab"])
    path = project / ".gitlab-ci.yml"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert states(cicd.check(definition, targets=["gitlab"])) == ["CURRENT"]


def test_all_platforms_run_the_same_steps(cicd, project: Path) -> None:
    definition = project / "delivery.yaml"
    given = cicd.get(definition)
    for file in cicd.check(definition):
        assert tuple(re.findall(r"gcpmlops cicd step (\w+)", file.content)) == given.steps, file.target


def test_in_a_repository_of_several(cicd, project: Path) -> None:
    files = cicd.generate(project / "delivery.yaml", root=project.parent, targets=["all"])
    assert {each.path.parent for each in files} == {project.parent, project.parent / ".github" / "workflows"}
    for file in files:
        assert "gcpmlops cicd step train --definition project/delivery.yaml" in file.content


ODD = 'it\'s $HOME \\ "q" ${{ github.token }} ü,[x]'
REQUIREMENTS = ["a[b]>=1,<2; python_version < '3.13'", "b @ git+https://$USER@h/`id`", "${{ secrets.X }}", "c\\d\ne"]


def test_every_shell_gets_what_the_definition_says(cicd, project: Path) -> None:
    (project / "delivery.yaml").rename(project / "-d.yaml")
    folder = project.rename(project.parent / ODD)
    given = yaml.safe_load((folder / "-d.yaml").read_text()) | {"requirements": REQUIREMENTS}
    (folder / "-d.yaml").write_text(yaml.safe_dump(given))
    build, github, gitlab, jenkins = cicd.generate(folder / "-d.yaml", root=folder.parent, targets=["all"])
    loaded = yaml.safe_load(github.path.read_text())
    scripts = {
        "cloudbuild": [step["script"] for step in yaml.safe_load(build.content)["steps"]],
        "github": [step["run"] for step in loaded["jobs"]["deliver"]["steps"] if "run" in step],
        "gitlab": [*(job := yaml.safe_load(gitlab.content))["default"]["before_script"], *job["deliver"]["script"][1:]],
        "jenkins": [ast.literal_eval(text) for text in re.findall(r"sh ('.*')", jenkins.content)],
    }
    for platform, texts in scripts.items():
        assert "${{" not in "".join(texts)
        stubs = 'command() { false; }; python() { printf "<%s>" "$@"; }; gcpmlops() { printf "<%s>" "$@"; }; '
        argv = ["sh", "-c", stubs + "\n".join(texts)]
        got = subprocess.run(argv, capture_output=True, text=True, check=True, env={"HOME": "/h", "REQUIREMENT": "g"})
        assert "".join(f"<{each}>" for each in REQUIREMENTS) in got.stdout, platform
        assert got.stdout.endswith(f"<cicd><step><promote><--definition><{ODD}/-d.yaml>"), platform
    assert (
        loaded["jobs"]["deliver"]["steps"][-1]["with"]["path"] == re.sub(r"[^\w./-]", "?", ODD) + "/" + FILE.as_posix()
    )
    (folder / "link.yaml").symlink_to(EXAMPLE / "delivery.yaml")
    assert "--definition link.yaml" in cicd.check(folder / "link.yaml")[0].content
    with pytest.raises(InvalidArgument, match="is not below"):
        cicd.check(folder / "-d.yaml", root=folder / "tests")


def test_what_any_yaml_takes_for_something_else_is_in_quotes() -> None:
    for text in ("1e3", "0o17", "12e03", "3.11", "+1", ".5", "0x1F", "on", "y", "N", "1:30", "2024-01-01", "null"):
        assert _yaml_text.dump({"a": text}) == f"a: '{text}'\n"


def test_least_rights_and_no_keys(cicd, project: Path) -> None:
    definition = project / "delivery.yaml"
    definition.write_text(definition.read_text() + RICH)
    build, github, gitlab, jenkins = (each.content for each in cicd.check(definition))
    workflow = yaml.safe_load(github)
    assert workflow["permissions"] == {"contents": "read"}
    assert "permissions" not in workflow["jobs"]["check"]
    assert workflow["jobs"]["deliver"]["permissions"] == {"contents": "read", "id-token": "write"}
    assert all(re.fullmatch(r".+@[0-9a-f]{40}", step["uses"].partition(" ")[0])
               for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step)  # fmt: skip
    assert "providers/gh" in github
    assert "ml-delivery@acme-prod.iam.gserviceaccount.com" in github
    assert "providers/gl" in gitlab
    assert yaml.safe_load(gitlab)["deliver"]["id_tokens"]["GCPMLOPS_ID_TOKEN"]["aud"].endswith("providers/gl")
    made = yaml.safe_load(build)
    account = "projects/acme-prod/serviceAccounts/ml-delivery@acme-prod.iam.gserviceaccount.com"
    assert (made["serviceAccount"], made["timeout"]) == (account, "600s")
    assert "credentials('google')" in jenkins
    assert not re.search(r"private_key|credentials_json", build + github + gitlab + jenkins)


@pytest.mark.parametrize("rich", [False, True])
def test_valid_by_the_vendors_schemas(cicd, project: Path, rich: bool) -> None:
    check = pytest.importorskip("check_jsonschema")
    definition = project / "delivery.yaml"
    definition.write_text(definition.read_text() + (RICH if rich else ""))
    build, github, gitlab, _ = (str(each.path) for each in cicd.generate(definition))
    own = str(EXAMPLE.parents[1] / "cloudbuild.yaml")
    files = (("cloudbuild", build), ("cloudbuild", own), ("github-workflows", github), ("gitlab-ci", gitlab))
    for schema, path in files:
        with pytest.raises(SystemExit) as ended:
            check.main(["--builtin-schema", f"vendor.{schema}", path])
        assert ended.value.code == 0, path


def test_the_jenkinsfile_is_groovy(cicd, project: Path) -> None:
    parser = pytest.importorskip("groovy_parser.parser")
    definition = project / "delivery.yaml"
    definition.write_text(definition.read_text() + RICH)
    (jenkins,) = cicd.check(definition, targets=["jenkins"])
    alike = r"^ *stage\('(?:test|evaluate|gate|register|deploy)'\) \{\n(?:.*\n){3} *\}\n"
    text, count = re.subn(alike, "", jenkins.content, flags=re.MULTILINE)  # the parser takes a second a stage
    assert count == 5
    assert parser.parse_groovy_content(text) is not None
    with pytest.raises(Exception, match="Unexpected"):
        parser.parse_groovy_content("pipeline { agent any")


@pytest.mark.parametrize("rich", [False, True])
def test_by_actionlint(cicd, project: Path, rich: bool) -> None:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    found = shutil.which("actionlint", path=path)
    if found is None:
        pytest.skip("actionlint is not installed: its wheels are for Linux")
    definition = project / "delivery.yaml"
    definition.write_text(definition.read_text() + (RICH if rich else ""))
    (github,) = cicd.generate(definition, targets=["github"])
    result = subprocess.run(
        [found, github.path], capture_output=True, text=True, timeout=60, env=os.environ | {"PATH": path}, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_commands_are_steps_of_their_own(cicd, project: Path) -> None:
    definition = project / "delivery.yaml"
    text = definition.read_text()
    definition.write_text(re.sub("\nlint: .*", "\nlint: [echo one, 'echo two >&2; exit 3', echo never]", text))
    events: list[str] = []
    with pytest.raises(DeliveryFailed, match=r"lint: `echo two >&2; exit 3` ended with exit code 3") as failed:
        cicd.run(definition, on_event=lambda event: events.append(event.text))
    assert events == ["$ echo one", "one", "$ echo two >&2; exit 3", "two"]
    assert failed.value.step == "lint"
    assert [step.state for step in failed.value.delivery.steps] == ["FAILED", *[""] * 7]
    assert cicd.status(definition) == failed.value.delivery
    definition.write_text(re.sub("\nlint: .*", "\nlint: 'true'", text))
    assert cicd.step("lint", definition=definition).steps[0].state == "PASSED"


def test_a_command_of_several_lines_ends_where_one_fails(cicd, project: Path) -> None:
    definition = project / "delivery.yaml"
    lint = "echo 'a  $b' '${{x}}'\nfalse || true\nfalse\necho never\n"
    definition.write_text(yaml.safe_dump(yaml.safe_load(definition.read_text()) | {"lint": lint}))
    events: list[str] = []
    with pytest.raises(DeliveryFailed, match="ended with exit code 1"):
        cicd.run(definition, on_event=lambda event: events.append(event.text))
    assert events[1:] == ["a  $b ${{x}}"]


def test_a_step_needs_the_one_before(cicd, project: Path) -> None:
    definition = project / "delivery.yaml"
    with pytest.raises(FailedPrecondition, match=r"evaluate needs what train leaves .* not begun"):
        cicd.step("evaluate", definition=definition)
    passed = {"steps": {"train": {"state": "PASSED"}}, "facts": {}, "stamp": "of other code"}
    (project / FILE).parent.mkdir()
    (project / FILE).write_text(json.dumps(passed))
    with pytest.raises(FailedPrecondition, match=r"delivery.yaml or train.py has changed since"):
        cicd.step("evaluate", definition=definition)
    (project / FILE).write_text("{")
    with pytest.raises(InvalidArgument, match="is not what a delivery's steps write"):
        cicd.status(definition)


def test_steps_that_there_are_not(cicd, project: Path) -> None:
    definition = project / "delivery.yaml"
    with pytest.raises(InvalidArgument, match="there is no step 'publish'"):
        cicd.step("publish", definition=definition)
    with pytest.raises(InvalidArgument, match="gate comes after train"):
        cicd.run(definition, first="gate", last="train")
    with pytest.raises(InvalidArgument, match="circleci"):
        cicd.check(definition, targets=["circleci"])
