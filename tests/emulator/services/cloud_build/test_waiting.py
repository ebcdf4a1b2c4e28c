"""Which steps a step waits for."""

from __future__ import annotations

from google.cloud.devtools.cloudbuild_v1 import BuildStep

from gcpmlops.emulator.services.cloud_build.waiting import waits


def test_without_names_a_step_waits_for_all_before_it():
    steps = [BuildStep(id="a"), BuildStep(wait_for=["-"]), BuildStep(id="c", wait_for=["a"]), BuildStep()]
    assert waits(steps) == [frozenset(), frozenset(), frozenset({0}), frozenset({0, 1, 2})]
