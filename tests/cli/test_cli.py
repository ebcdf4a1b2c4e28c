"""The command line: help for everything, one vocabulary with the library, exit codes, formats."""

import inspect
import json
from collections.abc import Iterator

import click
import pytest
import yaml
from click.testing import CliRunner

from gcpmlops import _deferred
from gcpmlops.cli import COMMANDS, root

NOUNS = ("storage", "bigquery", "training", "models", "endpoints", "batch-predictions", "scheduler")
OTHERS = ("emulator", "demo")  # tested with what they start


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, tmp_path) -> CliRunner:
    """A runner whose settings come from nowhere but the test."""
    for name in ("GCPMLOPS_PROJECT", "GOOGLE_CLOUD_PROJECT", "GCPMLOPS_ENDPOINT", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return CliRunner()


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        if not path and name in OTHERS:
            continue
        found = group.get_command(ctx, name)
        assert found is not None
        yield (*path, name), found
        if isinstance(found, click.Group):
            yield from commands(found, (*path, name))


ALL = dict(commands(root))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(root, [*path, "--help"])
    assert result.exit_code == 0, result.output
    assert ALL[path].help, "a command says what it does"
    if not isinstance(ALL[path], click.Group):
        assert f"gcpmlops {' '.join(path)}" in result.output, "a command's help ends with an example"


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_option_has_help_or_speaks_for_itself(path: tuple[str, ...]) -> None:
    plain = {"description", "display_name", "role", "machine_type", "rows", "content_type", "write_disposition"}
    plain |= {"accelerator_count", "min_replica_count", "max_replica_count", "replica_count", "traffic_percentage"}
    options = [p for p in ALL[path].params if isinstance(p, click.Option)]
    assert not [p.name for p in options if not p.help and p.name not in plain]


def test_help_of_the_root_needs_no_group_and_says_the_same() -> None:
    for name, (where, text) in COMMANDS.items():
        if name not in OTHERS:
            assert (_deferred.load(where).help or "").splitlines()[0] == text


@pytest.mark.parametrize("noun", NOUNS)
def test_methods_are_commands(noun: str) -> None:
    from gcpmlops import Client

    module = getattr(Client(project="p"), noun.replace("-", "_"))
    methods = {
        name.replace("_", "-") for name, value in inspect.getmembers(type(module), callable) if not name.startswith("_")
    }
    found = {path[1] for path in ALL if path[0] == noun and len(path) == 2}
    assert found == methods


def test_wrong_usage_is_2(runner: CliRunner) -> None:
    assert runner.invoke(root, ["storage", "create-bucket"]).exit_code == 2
    assert runner.invoke(root, ["nothing"]).exit_code == 2


def test_failure_is_1_with_one_message(runner: CliRunner) -> None:
    result = runner.invoke(root, ["storage", "create-bucket", "Bad!", "--project", "p"])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: 'Bad!' is not a bucket name\nAllowed: 3 to 63 characters")
    assert "Traceback" not in result.stderr


def test_missing_project_is_a_failure(runner: CliRunner) -> None:
    result = runner.invoke(root, ["training", "list"])
    assert result.exit_code == 1
    assert "GCPMLOPS_PROJECT" in result.stderr


def test_config_show(runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCPMLOPS_PROJECT", "mine")
    rows = json.loads(runner.invoke(root, ["config", "show", "--format", "json"]).stdout)
    assert {"setting": "project", "value": "mine", "source": "environment GCPMLOPS_PROJECT"} in rows
    assert "environment GCPMLOPS_PROJECT" in runner.invoke(root, ["config", "show"]).stdout


def test_dry_run_calls_nothing(runner: CliRunner) -> None:
    arguments = ["storage", "create-bucket", "abc", "--label", "a=b", "--project", "p", "--dry-run", "--format", "yaml"]
    result = runner.invoke(root, arguments)
    assert result.exit_code == 0, result.output
    plan = yaml.safe_load(result.stdout)
    assert (plan["api"], plan["arguments"], plan["labels"]) == ("storage.buckets.insert", ["abc"], {"a": "b"})


def test_dry_run_of_a_job_is_the_exact_request(runner: CliRunner, tmp_path) -> None:
    (tmp_path / "train.py").write_text("print(1)")
    arguments = ["training", "submit", "train.py", "--requirement", "pandas", "--project", "p", "--dry-run"]
    result = runner.invoke(root, [*arguments, "--format", "json", "--", "--rows=5"])
    assert result.exit_code == 0, result.output
    spec = json.loads(result.stdout)["jobSpec"]["workerPoolSpecs"][0]["pythonPackageSpec"]
    assert (spec["pythonModule"], spec["args"]) == ("train_job.train", ["--rows=5"])


def test_image_with_its_own_command(runner: CliRunner) -> None:
    arguments = ["training", "submit", "--image", "python:3.11", "--command", "python", "--project", "p", "--dry-run"]
    result = runner.invoke(root, [*arguments, "--format", "json", "--", "-c", "print(1)"])
    container = json.loads(result.stdout)["jobSpec"]["workerPoolSpecs"][0]["containerSpec"]
    assert (container["command"], container["args"]) == (["python"], ["-c", "print(1)"])


def test_unreachable_endpoint_is_one_line(runner: CliRunner, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    from google.auth.credentials import AnonymousCredentials

    from gcpmlops.clients import Clients

    monkeypatch.setattr(Clients, "credentials", AnonymousCredentials())
    arguments = ["training", "list", "--project", "p", "--endpoint", "http://127.0.0.1:9"]
    result = runner.invoke(root, arguments)
    assert result.exit_code == 1
    assert "config show" in result.stderr


def test_labels_are_pairs(runner: CliRunner) -> None:
    result = runner.invoke(root, ["storage", "create-bucket", "abc", "--label", "team"])
    assert (result.exit_code, "KEY=VALUE" in result.stderr) == (2, True)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(runner: CliRunner, shell: str) -> None:
    assert "_GCPMLOPS_COMPLETE" in runner.invoke(root, ["completion", shell]).stdout
