"""What keeps a retraining from thrashing: time between two runs, and a budget of runs and hours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from gcpmlops._durations import seconds_of, spoken
from gcpmlops._retraining.recipe import Recipe

_SLACK = 300.0  # seconds


def refusal(recipe: Recipe, runs: Sequence[dict[str, Any]], now: datetime) -> str:
    """Why no run may start now, with the time from which one may; empty where one may."""
    return _cooling(recipe, runs, now) or _spent(recipe, runs, now)


def rests(recipe: Recipe, since: datetime, now: datetime) -> bool:
    """Whether the cool-down that began then lasts.

    Schedules and functions are not punctual to the second: what comes each day fits a cool-down of a day.
    """
    slack = min(_SLACK, recipe.cool_down / 100)
    return now < since + timedelta(seconds=recipe.cool_down - slack)


def _cooling(recipe: Recipe, runs: Sequence[dict[str, Any]], now: datetime) -> str:
    """Counted from the start of the last run that ended: how long it took moves no schedule."""
    started = max((datetime.fromisoformat(run["started"]) for run in runs if run.get("ended")), default=None)
    if started is None or not rests(recipe, started, now):
        return ""
    until = started + timedelta(seconds=recipe.cool_down)
    return f"the cool-down of {spoken(recipe.cool_down)} lasts until {until:%Y-%m-%d %H:%M:%S} UTC"


def _spent(recipe: Recipe, runs: Sequence[dict[str, Any]], now: datetime) -> str:
    budget, per = recipe.budget, seconds_of(recipe.budget.per, field="per")
    since = now - timedelta(seconds=per)
    recent = [run for run in runs if datetime.fromisoformat(run["started"]) > since]
    hours = sum(run.get("facts", {}).get("training_hours", 0.0) for run in recent)
    if len(recent) >= budget.runs:
        free = datetime.fromisoformat(recent[-budget.runs]["started"]) + timedelta(seconds=per)
        most = f"{budget.runs} run{'s' * (budget.runs > 1)}"
        return f"the budget of {most} in {spoken(per)} is spent until {free:%Y-%m-%d %H:%M:%S} UTC"
    if budget.hours is not None and hours >= budget.hours:
        return f"the budget of {budget.hours:g} hours of training in {spoken(per)} is spent ({hours:.3g} h)"
    return ""
