"""Which steps each step waits for."""

from __future__ import annotations

from collections.abc import Sequence

from google.api_core import exceptions
from google.cloud.devtools.cloudbuild_v1 import types

AT_ONCE = "-"


def waits(steps: Sequence[types.BuildStep]) -> list[frozenset[int]]:
    """For each step the places of those that have to pass before it; without `wait_for`, all before it.

    Raises: InvalidArgument naming a step that waits for itself, for one that is not there, or for one that comes later
        (so that steps which wait for one another are refused as well).
    """
    places = _places(steps)
    return [frozenset(_before(place, step, places)) for place, step in enumerate(steps)]


def _places(steps: Sequence[types.BuildStep]) -> dict[str, int]:
    places: dict[str, int] = {}
    for place, step in enumerate(steps):
        if step.id in places:
            raise exceptions.InvalidArgument(
                f'invalid build: build steps #{places[step.id]} and #{place} have the same id "{step.id}"'
            )
        if step.id == AT_ONCE:
            raise exceptions.InvalidArgument(f'invalid build: build step #{place} has the id "-", which waitFor knows')
        if step.id:
            places[step.id] = place
    return places


def _before(place: int, step: types.BuildStep, places: dict[str, int]) -> list[int]:
    if not step.wait_for:
        return list(range(place))
    named = [wanted for wanted in step.wait_for if wanted != AT_ONCE]
    for wanted in named:
        if wanted not in places:
            raise _refused(place, step, wanted, "which does not exist")
        if places[wanted] == place:
            raise _refused(place, step, wanted, "which is the step itself: it would wait for ever")
        if places[wanted] > place:
            raise _refused(place, step, wanted, "which comes later: a step can wait only for steps before it")
    return [places[wanted] for wanted in named]


def _refused(place: int, step: types.BuildStep, wanted: str, why: str) -> exceptions.InvalidArgument:
    shown = f'#{place} - "{step.id}"' if step.id else f"#{place}"
    return exceptions.InvalidArgument(f'invalid build: build step {shown} waits for "{wanted}", {why}')
