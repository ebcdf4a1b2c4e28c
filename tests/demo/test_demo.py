"""The demo as users run it; the whole of it by service accounts with the least roles."""

from __future__ import annotations

import re
import shlex
import signal

import click.testing
import pytest

from gcpmlops.cli import root
from gcpmlops.exceptions import JobFailed

from .conftest import Place


def test_whole_life_cycle_and_a_cloud_to_go_on_with(place: Place) -> None:
    code, output = place.run("demo", "--keep", "--enforce-iam")
    try:
        assert code == 0, output
        _check_story(output)
        report = place.folder / "gcpmlops-demo.html"
        assert report.as_uri() in output
        page = report.read_text()
        for said in ("flight-delays@challenger", "Equalized odds", "airline=UA", "month=7"):
            assert said in page, said
        go_on = ["emulator", "exec", "--project", "flights-demo", "--"]
        code, answer = place.run(*go_on, *_said(output, "endpoints predict"))
        assert code == 0, answer
        assert re.search(r"0\.\d+", answer)  # a chance
    finally:
        code, stopped = place.run("emulator", "stop", "--project", "flights-demo")
    assert code == 0, stopped
    assert place.left() == []


def _check_story(output: str) -> None:
    """The steps, both models beside each other, and a canary that nobody noticed."""
    for api in ("buckets.insert", "jobs.insert (load)", "CreateCustomJob", "UploadModel", "DeployModel", "Predict"):
        assert api in output
    assert "166,158 rows" in output
    assert re.search(r"Jul \d\d \d\d:\d\d .*\d+%.*(late|early|on the minute)", output)
    aucs = re.findall(r"^ *(all|month=\d|airline=\w+) +[\d,]+ +(0\.\d+) \S+ \S+ +(0\.\d+)", output, re.MULTILINE)
    assert len(aucs) == 8
    name, champion, challenger = aucs[0]
    assert (name, 0.55 < float(champion) < float(challenger) < 0.8) == ("all", True)
    assert re.search(r"promoted; [\d,]+ by version 1, [\d,]+ by version 2, 0 failed", output)


def test_without_keep_nothing_is_left(place: Place) -> None:
    """The steps are few here; what is started and stopped around them is not."""
    program = (
        "from gcpmlops.demo import report, run, steps\n"
        "run.life_cycle = lambda client, story, path: (steps.LifeCycle(client, story).store([]), None)\n"
        "report.show_answers = report.show_evaluation = lambda *_: None\n"
        "run.run()\n"
    )
    code, output = place.run_python(program)
    assert code == 0, output
    assert "Stop everything" in output
    assert output.rstrip().endswith("gcpmlops demo --keep")
    assert place.left() == []
    assert list((place.folder / "data").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_interrupted_demo_leaves_nothing(place: Place, number: signal.Signals) -> None:
    process = place.start("demo")
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("… Train"):
            process.send_signal(number)
            break
    output, _ = process.communicate(timeout=60)
    assert process.returncode == (1 if number is signal.SIGINT else 128 + number), output
    assert "Train a scikit-learn classifier on January to March failed" in output
    assert place.left() == []


def test_failing_step_ends_with_the_librarys_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise JobFailed("flight-delays ended JOB_STATE_FAILED", log_tail=["ValueError: no rows"], next_step="Look.")

    monkeypatch.setattr("gcpmlops.demo.run.run", fail)
    result = click.testing.CliRunner().invoke(root, ["demo"])
    assert result.exit_code == 1
    assert "flight-delays ended" in result.output
    assert "ValueError: no rows" in result.output
    assert "Traceback" not in result.output


def _said(output: str, wanted: str) -> list[str]:
    """The line that the demo says to type next, as arguments."""
    line = next(line for line in output.splitlines() if wanted in line)
    return shlex.split(line.partition(" -- ")[2])
