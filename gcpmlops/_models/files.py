"""The files of a model before it is registered: a gs:// folder, a local folder or file, or an estimator to be saved."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcpmlops.exceptions import InvalidArgument, NotFound
from gcpmlops.types import GsUri, is_gs_uri

if TYPE_CHECKING:
    from gcpmlops.storage import Storage


@dataclass(frozen=True)
class Files:
    """Where they are, and their names without folders."""

    where: GsUri | Path
    names: tuple[str, ...]

    @contextmanager
    def in_a_folder(self, storage: Storage) -> Iterator[Path]:
        """A local folder with these files; gone afterwards where it was made for this."""
        if isinstance(self.where, Path) and self.where.is_dir():
            yield self.where
            return
        with tempfile.TemporaryDirectory() as scratch:
            if isinstance(self.where, Path):
                shutil.copy2(self.where, scratch)
            else:
                storage.download(f"{self.where}/", destination=scratch)
            yield Path(scratch)

    def put(self, folder: GsUri, storage: Storage) -> None:
        """Upload local files into a gs:// folder."""
        storage.upload(Path(str(self.where)), destination=f"{folder}/")


@contextmanager
def opened(source: Any, storage: Storage) -> Iterator[Files]:
    """The files that a source means. Raises InvalidArgument, NotFound where there are none."""
    if is_gs_uri(source):
        yield _stored(GsUri.parse(source, field="source"), storage)
    elif isinstance(source, (str, Path)):
        yield _local(Path(source))
    elif hasattr(source, "predict"):
        with tempfile.TemporaryDirectory() as scratch:
            yield _saved(source, Path(scratch))
    else:
        allowed = "a gs:// folder, a path, a job, or a fitted estimator"
        raise InvalidArgument(field="source", value=source, allowed=allowed)


def _saved(estimator: Any, folder: Path) -> Files:
    import joblib

    joblib.dump(estimator, folder / "model.joblib")
    return Files(folder, ("model.joblib",))


def _local(path: Path) -> Files:
    if not path.exists():
        raise InvalidArgument(f"{path}: no such file or folder", field="source", value=str(path))
    names = [file.name for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path.name]
    if not names:
        raise InvalidArgument(f"{path} is empty", field="source", value=str(path), allowed="a folder with model files")
    return Files(path, tuple(names))


def _stored(uri: GsUri, storage: Storage) -> Files:
    """A gs:// file stands for its folder; a folder must have something in it."""
    folder = GsUri(uri.bucket, uri.name.rstrip("/"))
    found = storage.list(f"{folder}/")
    if not found and uri.name and storage.exists(str(uri)):
        folder = GsUri(uri.bucket, uri.name.rpartition("/")[0])
        found = storage.list(f"{folder}/")
    if not found:
        hint = f"See what there is with `gcpmlops storage list gs://{uri.bucket}/`."
        raise NotFound(f"there are no model files under {uri}", resource=str(uri), next_step=hint)
    return Files(folder, tuple(each.name.rpartition("/")[2] for each in found))
