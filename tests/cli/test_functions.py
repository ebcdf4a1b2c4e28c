"""`gcpmlops functions`, on the emulator."""

import json
from pathlib import Path

import pytest


@pytest.fixture
def source(tmp_path: Path) -> str:
    (tmp_path / "main.py").write_text(
        "def hi(request):\n    print('said')\n    return {'hi': request.get_json()['name']}\n"
    )
    return str(tmp_path)


def test_a_functions_life(gcpmlops, unique, source):
    name = unique("cli")
    line = ("functions", "deploy", name, "--source", source, "--entry-point", "hi")
    planned = json.loads(gcpmlops(*line, "--dry-run", "--format", "json").output)
    assert planned["method"] == "client.functions.deploy"
    made = json.loads(gcpmlops(*line, "--env", "A=b", "--timeout", "2m", "--format", "json").stdout)
    assert (made["state"], made["serviceConfig"]["timeoutSeconds"]) == ("ACTIVE", 120)
    assert json.loads(gcpmlops("functions", "call", name, "--data", '{"name": "you"}').output) == {"hi": "you"}
    assert "said" in gcpmlops("functions", "logs", name).output
    assert "python311" in gcpmlops("functions", "get", name).output
    assert name in gcpmlops("functions", "list").output
    gcpmlops("functions", "delete", name)
    assert "functions list" in gcpmlops("functions", "get", name, code=1).output


def test_what_is_wrong_is_said(gcpmlops, source):
    assert "is no JSON" in gcpmlops("functions", "call", "f", "--data", "{", code=2).output
    line = ("functions", "deploy", "f", "--source", source, "--entry-point", "hi")
    assert "one trigger" in gcpmlops(*line, "--topic", "t", "--bucket", "b", code=1).output
