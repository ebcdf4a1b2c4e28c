"""The log of a build: lines in Cloud Logging, and the growing object in Cloud Storage that gcloud reads."""

from __future__ import annotations

import contextlib
import logging
import threading
from pathlib import Path

from google.api_core import exceptions
from google.cloud.devtools.cloudbuild_v1 import types

from gcpmlops.emulator.services.logging.writer import WriteLog
from gcpmlops.emulator.services.storage.engine import StorageEngine

log = logging.getLogger(__name__)

_EVERY_S = 0.5  # between two versions of the object, so that who follows a build sees it run
_SLOWER = 20 << 20  # bytes for which that takes a second more: each version is a whole copy
_MODES = types.BuildOptions.LoggingMode
_IN_STORAGE = (_MODES.LOGGING_UNSPECIFIED, _MODES.LEGACY, _MODES.GCS_ONLY)
_IN_LOGGING = (_MODES.LOGGING_UNSPECIFIED, _MODES.LEGACY, _MODES.STACKDRIVER_ONLY, _MODES.CLOUD_LOGGING_ONLY)
_TEXT = "text/plain; charset=utf-8"


def in_storage(build: types.Build) -> bool:
    """Whether its log is an object."""
    return build.options.logging in _IN_STORAGE


class BuildLog:
    """Takes lines from any thread.

    Args:
        build: as it is stored.
        write: appends to Cloud Logging.
        storage: Cloud Storage.
        file: where the object's content grows.
    """

    def __init__(self, build: types.Build, write: WriteLog, storage: StorageEngine, file: Path) -> None:
        self._write = write if build.options.logging in _IN_LOGGING else None
        self._log_name = f"projects/{build.project_id}/logs/cloudbuild"
        labels = {"build_id": build.id, "build_trigger_id": build.build_trigger_id, "project_id": build.project_id}
        self._resource = ("build", labels)
        self._object = _Object(build, storage, file) if in_storage(build) else None

    def line(self, text: str, step: str = "") -> None:
        """One line; `step` is how the log calls the step that printed it: `Step #0 - "test"`."""
        full = f"{step}: {text}" if step else text
        if self._write is not None:
            self._write(self._log_name, self._resource, "INFO", full, {"build_step": step or "MAIN"})
        if self._object is not None:
            self._object.append(full)

    def close(self) -> None:
        """Everything is stored when this returns."""
        if self._object is not None:
            self._object.close()


class _Object:
    def __init__(self, build: types.Build, storage: StorageEngine, file: Path) -> None:
        self._bucket, _, folder = build.logs_bucket.removeprefix("gs://").partition("/")
        self._name = "/".join(filter(None, [folder.strip("/"), f"log-{build.id}.txt"]))
        self._storage = storage
        self._path = file
        self._file = file.open("w", encoding="utf-8")
        self._lock = threading.Lock()
        self._dirty = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"log-{build.id}", daemon=True)
        self._thread.start()

    def append(self, text: str) -> None:
        with self._lock:
            self._file.write(f"{text}\n")
        self._dirty.set()

    def close(self) -> None:
        self._closing.set()
        self._dirty.set()
        self._thread.join()
        self._file.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._dirty.wait()
            self._store()
            self._closing.wait(_EVERY_S + self._path.stat().st_size / _SLOWER)
        self._store()

    def _store(self) -> None:
        self._dirty.clear()
        with self._lock:
            self._file.flush()
        try:
            self._storage.upload(self._bucket, self._name, self._path, _TEXT)
        except exceptions.GoogleAPICallError as error:
            log.warning("the log gs://%s/%s could not be stored: %s", self._bucket, self._name, error)


def ensure_bucket(storage: StorageEngine, project: str, bucket: str, location: str) -> None:
    """Makes a bucket of the service's own where it is missing."""
    if not storage.exists(bucket):
        with contextlib.suppress(exceptions.Conflict):  # another build has just made it
            resource = {"name": bucket, "location": "US" if location == "global" else location}
            storage.buckets.insert(project, resource, is_services=True)
