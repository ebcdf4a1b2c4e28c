"""Model artifacts: a private copy of the objects below a gs:// URI, made when a model version is uploaded.

Vertex AI copies them too, so deleting or overwriting the objects later does not touch the model. Here a copy is a
folder of hard links to the store's immutable content files, and costs nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import uuid
from pathlib import Path

from google.api_core import exceptions

from gcpmlops.emulator.runtimes.model_server.pickles import found_in
from gcpmlops.emulator.runtimes.objects import ObjectStore

# What each prebuilt image loads, by its framework.
MODEL_FILES = {
    "sklearn": ("model.joblib", "model.pkl"),
    "xgboost": ("model.bst", "model.joblib", "model.pkl"),
    "tf": ("saved_model.pb",),
    "pytorch": ("model.mar",),
}
# Vertex AI has no image for LightGBM: its boosters and estimators are served in the environment of these, with
# lightgbm added to it.
LIGHTGBM_FILES = ("model.txt", "model.lgb")
LIGHTGBM_HOSTS = ("sklearn", "xgboost")


class Artifacts:
    """Folders of model files in `directory`, one for each key."""

    def __init__(self, directory: Path, objects: ObjectStore) -> None:
        self._directory = directory
        self._objects = objects
        directory.mkdir(parents=True, exist_ok=True)

    def snapshot(self, uri: str, key: str) -> Path:
        """Copy every object below `uri` into the key's folder, replacing what was there.

        Raises: InvalidArgument for a URI that is not gs://; NotFound naming it where no object is below it.
        """
        bucket, prefix = split(uri)
        if not self._objects.exists(bucket):
            raise exceptions.NotFound(f"The artifact URI {uri} is not found: there is no bucket {bucket}.")
        staging = self._directory / f"{uuid.uuid4().hex}.partial"
        staging.mkdir()
        try:
            if not self._copy(bucket, prefix, staging, uri):
                raise exceptions.NotFound(f"The artifact URI {uri} is not found: there are no objects below it.")
            self.delete(key)
            return staging.rename(self.path(key))
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def copy(self, key: str, to: str) -> None:
        """Give another key the same files, replacing what was there; a key without files gives none."""
        staging = self._directory / f"{uuid.uuid4().hex}.partial"
        try:
            if self.path(key).is_dir():
                shutil.copytree(self.path(key), staging, copy_function=_link)
            self.delete(to)
            if staging.exists():
                staging.rename(self.path(to))
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def path(self, key: str) -> Path:
        """The key's folder, which exists once `snapshot` has returned."""
        return self._directory / key.replace("/", "_")

    def delete(self, key: str) -> None:
        """Forget the key's files. Servers that have loaded them are not disturbed."""
        if self.path(key).exists():
            shutil.rmtree(self.path(key))

    def _copy(self, bucket: str, prefix: str, target: Path, uri: str) -> int:
        count = 0
        for info in self._objects.list(bucket, prefix):
            name = info.name[len(prefix) :]
            if not name or name.endswith("/"):
                continue  # a placeholder for a folder
            if not is_relative(name):
                raise exceptions.InvalidArgument(f"The object {info.name!r} below {uri} cannot be a model file.")
            link(self._objects.local_path(bucket, info.name), target / name)
            count += 1
        return count


def split(uri: str) -> tuple[str, str]:
    """Bucket and prefix (ending in `/`, or empty) of a gs:// folder. Raises InvalidArgument."""
    scheme, _, rest = uri.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme != "gs" or not bucket:
        raise exceptions.InvalidArgument(f"The artifact URI {uri!r} is not a gs:// URI of a folder.")
    prefix = prefix.rstrip("/")
    return bucket, f"{prefix}/" if prefix else ""


def is_relative(name: str) -> bool:
    """Whether an object name stays inside a folder when it becomes a path."""
    return "\0" not in name and not any(part in ("", ".", "..") for part in name.split("/"))


def link(source: Path, target: Path) -> None:
    """Hard link, or copy where the two are on different file systems."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _link(source: str, target: str) -> None:
    link(Path(source), Path(target))


def model_file(directory: Path, framework: str, uri: str) -> Path:
    """The one model file that the framework's prebuilt image loads.

    Raises: FailedPrecondition naming what is allowed, where there is none or more than one.
    """
    allowed = MODEL_FILES[framework]
    found = [directory / name for name in allowed if (directory / name).is_file()]
    if not found and framework in LIGHTGBM_HOSTS:
        found = [directory / name for name in LIGHTGBM_FILES if is_booster(directory / name)]
    if len(found) == 1:
        return found[0]
    there = sorted(path.name for path in directory.iterdir())[:20] if directory.is_dir() else []
    problem = f"has {len(found)} model files" if found else "has no model file"
    raise exceptions.FailedPrecondition(
        f"{uri} {problem}: the prebuilt {framework} image needs exactly one of {', '.join(allowed)} "
        f"directly below it; it holds {', '.join(there) or 'nothing'}."
    )


def added_packages(directory: Path) -> tuple[str, ...]:
    """What the model files in a folder need that the prebuilt images do not have."""
    paths = [directory / name for name in (*MODEL_FILES["xgboost"], *LIGHTGBM_FILES)]
    return ("lightgbm",) if any(path.is_file() and needs_lightgbm(path) for path in paths) else ()


def needs_lightgbm(path: Path) -> bool:
    """Whether a model file is LightGBM's, or a pickle of something that is made of it."""
    if path.name in LIGHTGBM_FILES:
        return is_booster(path)
    return path.suffix in (".joblib", ".pkl") and found_in(path, re.compile(rb"lightgbm")) is not None


def is_booster(path: Path) -> bool:
    """Whether a text file is a model of LightGBM's, whose first line is `tree`."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.readline(16).strip() == b"tree"
