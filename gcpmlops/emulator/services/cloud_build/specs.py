"""A stored build as what the runtime runs."""

from __future__ import annotations

from collections.abc import Mapping

from google.cloud.devtools.cloudbuild_v1 import types

from gcpmlops.emulator.runtimes.build_spec import StepSpec
from gcpmlops.emulator.services.cloud_build.waiting import waits


def label(index: int, step: types.BuildStep) -> str:
    """How the log calls a step."""
    return f'Step #{index} - "{step.id}"' if step.id else f"Step #{index}"


def steps(build: types.Build, secrets: Mapping[str, str], automapped: Mapping[str, str]) -> list[StepSpec]:
    """The steps of a build.

    Args:
        build: with every substitution made.
        secrets: values by variable.
        automapped: substitutions that become variables where the build or a step asks for it.
    """
    return [
        _step(index, step, build, after, secrets, automapped)
        for index, (step, after) in enumerate(zip(build.steps, waits(build.steps), strict=True))
    ]


def _step(
    index: int,
    step: types.BuildStep,
    build: types.Build,
    after: frozenset[int],
    secrets: Mapping[str, str],
    automapped: Mapping[str, str],
) -> StepSpec:
    mapped = automapped if step.automap_substitutions or build.options.automap_substitutions else {}
    return StepSpec(
        index,
        image=step.name,
        entrypoint=step.entrypoint,
        args=list(step.args),
        script=step.script,
        folder=step.dir_,
        env={**mapped, **dict(text.split("=", 1) for text in (*build.options.env, *step.env))},
        secrets={key: secrets[key] for key in (*build.options.secret_env, *step.secret_env)},
        volumes={volume.path: volume.name for volume in (*build.options.volumes, *step.volumes)},
        after=after,
        timeout_s=step.timeout.total_seconds() if step.timeout else None,
        allow_failure=step.allow_failure,
        allow_exit_codes=frozenset(step.allow_exit_codes),
    )
