"""Stored studies and their trials."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.runtimes.search.search import Search
from gcpmlops.emulator.services.vizier import conversion

LOCATION = "projects/{project}/locations/{location}"
STUDY = LOCATION + "/studies/{study}"
TRIAL = STUDY + "/trials/{trial}"
_SCHEMA = "CREATE TABLE IF NOT EXISTS vizier_studies (name TEXT PRIMARY KEY, trials INTEGER NOT NULL)"


class StudyRows:
    """Studies, and trials numbered 1, 2, 3, ... in each; the number of a deleted trial is not given again."""

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._store.ensure_schema(_SCHEMA)
        self.studies: Any = context.store.collection(types.Study)
        self._trials: Any = context.store.collection(types.Trial)

    def study(self, name: str) -> types.Study:
        """Raises: InvalidArgument, NotFound."""
        names.parse(STUDY, name)
        found: types.Study = self.studies.get(name)
        return found

    def named(self, parent: str, display_name: str) -> types.Study | None:
        """The study of a location with that display name."""
        return next((study for study in self.studies.list(parent) if study.display_name == display_name), None)

    def trials(self, study: str) -> list[types.Trial]:
        """In the order of their numbers."""
        found: list[types.Trial] = self._trials.list(study)
        return found

    def trial(self, name: str) -> types.Trial:
        """Raises: InvalidArgument, NotFound."""
        names.parse(TRIAL, name)
        found: types.Trial = self._trials.get(name)
        return found

    def add(self, study: str, trial: types.Trial) -> types.Trial:
        """Stores a new trial under the next number."""
        trial.id = str(self._next_number(study))
        trial.name = f"{study}/trials/{trial.id}"
        added: types.Trial = self._trials.insert(trial.name, trial, parent=study)
        return added

    def change(self, name: str, change: Callable[[types.Trial], None]) -> types.Trial:
        """Edits a trial in place and returns it."""
        self.trial(name)
        changed: types.Trial = self._trials.update(name, change)
        return changed

    def delete_trial(self, name: str) -> None:
        """Raises: NotFound."""
        self.trial(name)
        self._trials.delete(name)

    def delete_study(self, name: str) -> None:
        """With all its trials."""
        self.study(name)
        self.studies.delete(name)
        for trial in self.trials(name):
            self._trials.delete(trial.name)

    def _next_number(self, study: str) -> int:
        sql = (
            "INSERT INTO vizier_studies (name, trials) VALUES (?, 1) "
            "ON CONFLICT (name) DO UPDATE SET trials = trials + 1 RETURNING trials"
        )

        def run(conn: sqlite3.Connection) -> int:
            return int(conn.execute(sql, (study,)).fetchone()[0])

        return self._store.write(run)


def search_of(study: types.Study) -> Search:
    """The study's search; its seed is the study's name."""
    return conversion.search(study.study_spec, seed_of(study.name))


def seed_of(name: str) -> int:
    """The same for the same resource, also after a restart."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")


def check_open(trial: types.Trial) -> None:
    """Raises: FailedPrecondition where a trial has ended."""
    ended: Any = types.Trial.State
    if trial.state in (ended.SUCCEEDED, ended.INFEASIBLE):
        raise exceptions.FailedPrecondition(f"Trial {trial.name} has ended: it is {trial.state.name}.")
