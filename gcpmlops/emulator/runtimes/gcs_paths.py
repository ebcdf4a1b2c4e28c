"""`/gcs/BUCKET/...` of a job: a working copy of the objects that its command names, and the way back into the store.

Vertex AI mounts Cloud Storage there (https://cloud.google.com/vertex-ai/docs/training/cloud-storage-file-system). The
working copy is mounted at `/gcs` where the machine lets a process have mounts of its own; in arguments, variables and
shell strings paths are rewritten to it in any case. Inputs are copies (reflinks where the file system has them): a job
that writes in place must not reach the store's own files.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gcpmlops.emulator.runtimes.objects import ObjectStore

log = logging.getLogger(__name__)

_MENTION = re.compile(r"(?<![\w./~-])/gcs/(?P<bucket>[a-z0-9][a-z0-9._-]+)(?P<path>/[^\s\"'`;,|&<>()\\]*)?")
_POLL_S = 2.0  # a file that did not change for this long counts as closed
_FICLONE = 0x40049409
_Stamp = tuple[int, int]


class GcsPaths:
    """The working copy below `root`: `root/BUCKET/OBJECT`."""

    def __init__(self, root: Path, store: ObjectStore, note: Callable[[str], None]) -> None:
        self.root = root
        self._store = store
        self._note = note  # says one line into the job's log
        self._stored: dict[Path, _Stamp] = {}
        self._lock = threading.Lock()
        self._done = threading.Event()

    def rewrite(self, text: str) -> str:
        """`text` with every `/gcs/BUCKET` pointing into the working copy."""
        return _MENTION.sub(lambda found: f"{self.root}/{found[0].removeprefix('/gcs/')}", text)

    def bring(self, texts: Iterable[str]) -> None:
        """Brings the objects that the texts mention: a file, everything below a folder, what a wildcard may match.

        A bucket that does not exist stays absent, and opening a file in it fails as in the cloud.
        """
        for bucket, path in sorted(
            {(m["bucket"], _literal((m["path"] or "").strip("/"))) for t in texts for m in _MENTION.finditer(t)}
        ):
            if self._store.exists(bucket):
                self._bring(bucket, path)

    def _bring(self, bucket: str, path: str) -> None:
        home = self.root / bucket
        home.mkdir(parents=True, exist_ok=True)
        for info in self._store.list(bucket, path):
            if info.name == path or not path or info.name.startswith(f"{path}/"):
                target = _below(home, info.name)
                if target is None:
                    self._note(f"gs://{bucket}/{info.name} has no place in a file system and is left out of /gcs")
                elif info.name.endswith("/"):
                    target.mkdir(parents=True, exist_ok=True)
                else:
                    self._copy(bucket, info.name, target)
        if parent := _below(home, path):
            parent.parent.mkdir(parents=True, exist_ok=True)

    def _copy(self, bucket: str, name: str, target: Path) -> None:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                copy_file(self._store.local_path(bucket, name), target)
                self._stored[target] = _stamp(target)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            self._note(f"gs://{bucket}/{name} stands where a folder is, and is left out of /gcs")

    @contextmanager
    def kept_in_store(self) -> Iterator[None]:
        """Within the block, files that were written and closed are uploaded; at its end, all that changed.

        Raises: what the store raises for the last upload, so that nothing is lost silently.
        """
        thread = threading.Thread(target=self._watch, name="gcs-paths", daemon=True)
        if self.root.is_dir():
            thread.start()
        try:
            yield
        finally:
            self._done.set()
            if thread.ident is not None:
                thread.join()
        self.upload()

    def _watch(self) -> None:
        seen: dict[Path, _Stamp] = {}
        while not self._done.wait(_POLL_S):
            try:
                current = dict(self._files())
                self._upload(path for path, stamp in current.items() if seen.get(path) == stamp)
                seen = current
            except Exception:
                log.warning("files below %s could not be uploaded yet", self.root, exc_info=True)

    def upload(self) -> None:
        """Uploads everything that changed."""
        self._upload(path for path, _ in self._files())

    def _upload(self, paths: Iterable[Path]) -> None:
        with self._lock:
            for path in list(paths):
                stamp = _stamp(path)
                if self._stored.get(path) != stamp:
                    bucket, _, name = path.relative_to(self.root).as_posix().partition("/")
                    self._store.upload(bucket, name, path)
                    self._stored[path] = stamp

    def _files(self) -> Iterator[tuple[Path, _Stamp]]:
        for folder, _, names in os.walk(self.root):
            for name in names:
                path = Path(folder, name)
                with contextlib.suppress(FileNotFoundError):  # removed while we looked
                    if path.is_file() and not path.is_symlink() and path.parent != self.root:
                        yield path, _stamp(path)


def copy_file(source: Path, target: Path) -> None:
    """A copy that shares its blocks with the source where the file system can, with its own write permission."""
    with source.open("rb") as read, target.open("xb") as write:
        try:
            if sys.platform != "linux":
                raise OSError
            fcntl.ioctl(write, _FICLONE, read.fileno())
        except OSError:  # not this file system
            shutil.copyfileobj(read, write, 1 << 20)


def _literal(path: str) -> str:
    """A path up to the folder in which its first wildcard stands."""
    before = re.split(r"[*?\[]", path, maxsplit=1)[0]
    return path if before == path else before.rpartition("/")[0]


def _below(home: Path, name: str) -> Path | None:
    """The file of an object; None where its name would leave the folder or can't be a path."""
    parts = name.removesuffix("/").split("/")
    if any(part in ("", ".", "..") or "\0" in part or len(part.encode()) > 255 for part in parts):
        return None
    return home.joinpath(*parts)


def _stamp(path: Path) -> _Stamp:
    status = path.stat()
    return status.st_size, status.st_mtime_ns
