"""Builds: steps, their order, what they see, how they end."""

from __future__ import annotations

import pytest
from google.api_core import exceptions
from google.cloud.devtools.cloudbuild_v1 import Build

Status = Build.Status


def test_steps_share_a_workspace_and_the_log_has_their_lines(building):
    build = building.run(
        {"name": "ubuntu", "script": "echo made > /workspace/file; echo $HOME | grep -q home"},
        {"name": "python:3.11", "id": "read", "entrypoint": "python", "args": ["-c", "print(open('file').read())"]},
        {"name": "bash", "args": ["cat", "/workspace/file"]},
    )
    assert build.status == Status.SUCCESS, build.status_detail
    assert [step.status for step in build.steps] == [Status.SUCCESS] * 3
    assert building.printed(build) == ['Step #1 - "read": made', 'Step #1 - "read": ', "Step #2: made"]
    assert building.lines(build)[0] == f'starting build "{build.id}"'
    assert building.lines(build)[-1] == "DONE"
    assert build.create_time <= build.start_time <= build.steps[0].timing.start_time < build.finish_time
    assert "BUILD" in build.timing


def test_a_step_that_fails_ends_the_build(building):
    build = building.run({"name": "ubuntu", "args": ["sh", "-c", "exit 3"]}, {"name": "ubuntu", "args": ["true"]})
    assert build.status == Status.FAILURE
    assert build.status_detail == 'build step 0 "ubuntu" failed: step exited with non-zero status: 3'
    assert build.failure_info.detail == f"Build step failure: {build.status_detail}"
    assert [(step.status, step.exit_code) for step in build.steps] == [(Status.FAILURE, 3), (Status.QUEUED, 0)]


def test_an_image_that_nothing_stands_for_is_refused_by_name(building):
    with pytest.raises(exceptions.InvalidArgument, match=r"Image example.com/own:1 .*emulator.images"):
        building.submit({"name": "example.com/own:1"})
