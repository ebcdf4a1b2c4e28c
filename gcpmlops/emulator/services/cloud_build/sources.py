"""What a build is built from: an archive in Cloud Storage, a git repository, or nothing."""

from __future__ import annotations

import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from google.api_core import exceptions
from google.cloud.devtools.cloudbuild_v1 import types

from gcpmlops.emulator.runtimes.cancellation import Cancellation
from gcpmlops.emulator.runtimes.process import Processes, ProcessSpec
from gcpmlops.emulator.services.storage.engine import StorageEngine

_GIT_TIMEOUT_S = 600.0
_END = "\n"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Fetched:
    """Where the steps begin, and the commit that was fetched (empty for an archive)."""

    start: Path
    commit: str = ""


def check(source: types.Source) -> None:
    """Raises: MethodNotImplemented for a kind that is not built here, InvalidArgument for one that is not complete."""
    if "storage_source_manifest" in source:
        raise exceptions.MethodNotImplemented("source.storageSourceManifest is not built in this emulator.")
    if "connected_repository" in source:
        raise exceptions.MethodNotImplemented(
            "source.connectedRepository: repository connections are not built in this emulator; use source.gitSource."
        )
    if "repo_source" in source:
        raise exceptions.MethodNotImplemented(
            "source.repoSource: Cloud Source Repositories are not built in this emulator; use source.gitSource with "
            "the repository's URL."
        )
    if "storage_source" in source and not (source.storage_source.bucket and source.storage_source.object_):
        raise exceptions.InvalidArgument("invalid build: source.storageSource needs bucket and object")
    if "git_source" in source and not source.git_source.url.startswith(("https://", "http://", "file://", "/")):
        raise exceptions.InvalidArgument(
            f"invalid build: source.gitSource.url {source.git_source.url!r} is not an https:// or file:// URL"
        )


class Sources:
    """Fetches sources into folders."""

    def __init__(self, storage: StorageEngine, processes: Processes) -> None:
        self._storage = storage
        self._processes = processes

    def provenance(self, source: types.Source) -> types.SourceProvenance:
        """The source with its generation. Raises: NotFound."""
        found = types.SourceProvenance()
        if "storage_source" in source:
            given = source.storage_source
            record = self._storage.objects.get(given.bucket, given.object_, given.generation or None)
            found.resolved_storage_source = types.StorageSource(
                bucket=given.bucket, object_=given.object_, generation=record.generation
            )
        elif "git_source" in source:
            found.resolved_git_source = source.git_source
        return found

    def fetch(
        self, source: types.Source, target: Path, *, env: Mapping[str, str], say: Say, cancellation: Cancellation
    ) -> Fetched:
        """The source in `target`, which is empty.

        Raises: NotFound, InvalidArgument, FailedPrecondition; Cancelled.
        """
        if "storage_source" in source:
            self._archive(source.storage_source, target, say)
        elif "git_source" in source:
            commit = self._clone(source.git_source, target, env, say, cancellation)
            return Fetched(_below(target, source.git_source.dir_), commit)
        return Fetched(target)

    def _archive(self, source: types.StorageSource, target: Path, say: Say) -> None:
        where = f"gs://{source.bucket}/{source.object_}#{source.generation}"
        say(f"Fetching storage object: {where}")
        record, data = self._storage.objects.get_with_data(source.bucket, source.object_, source.generation or None)
        packed = target.parent / "source"
        if data is not None:
            packed.write_bytes(data)
        else:
            shutil.copyfile(self._storage.blobs.path(str(record.blob)), packed)
        unpack(packed, target, where)
        packed.unlink()

    def _clone(
        self, source: types.GitSource, target: Path, env: Mapping[str, str], say: Say, cancellation: Cancellation
    ) -> str:
        """Returns the commit."""
        if shutil.which("git") is None:
            raise exceptions.FailedPrecondition(f"source.gitSource {source.url}: git is not installed on this machine.")
        say(f"Fetching {source.url}")
        variables = {**env, "PATH": os.environ.get("PATH", os.defpath), "GIT_TERMINAL_PROMPT": "0"}

        def git(*argv: str, say: Say = say) -> str:
            """Returns the last line that it printed."""
            spec = ProcessSpec(["git", *argv], variables, target, timeout_s=_GIT_TIMEOUT_S)
            process = self._processes.start(spec, lambda _, text: say(text), lambda _: None)
            with cancellation.calls(process.cancel):
                end = process.wait()
            cancellation.check()
            if not end.ok:
                raise exceptions.FailedPrecondition(
                    f"git {argv[0]} of {source.url} ended with {end.describe()}: {' '.join(end.tail[-3:])}"
                )
            return end.tail[-1] if end.tail else ""

        git("clone", "--quiet", "--no-hardlinks", "--", source.url, ".")
        if source.revision:
            git("checkout", "--quiet", _revision(source.revision), "--")
        return git("rev-parse", "HEAD", say=lambda _: None)


def _revision(revision: str) -> str:
    """A branch of the clone's origin, a tag or a commit, never an option."""
    if revision.startswith("-"):
        raise exceptions.InvalidArgument(f"source.gitSource.revision {revision!r} is no revision.")
    return revision.removeprefix("refs/heads/").removeprefix("refs/tags/")


def _below(target: Path, folder: str) -> Path:
    path = (target / folder.strip("/")).resolve()
    if target.resolve() not in (path, *path.parents) or not path.is_dir():
        raise exceptions.InvalidArgument(f"source: dir {folder!r} is no folder of the repository.")
    return path


def unpack(packed: Path, target: Path, where: str) -> None:
    """A tar archive, compressed or not, or a zip; nothing of it leaves `target`.

    Raises: InvalidArgument.
    """
    try:
        if zipfile.is_zipfile(packed):
            with zipfile.ZipFile(packed) as bundle:
                for info in bundle.infolist():
                    _extract(bundle, info, target, where)
            return
        with tarfile.open(packed) as archive:
            _extract_all(archive, target, where)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise exceptions.InvalidArgument(
            f"{where} can't be unpacked: {str(error).partition(_END)[0].strip(':')}. It has to be a .tar.gz or a .zip."
        ) from None


def _extract(bundle: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, where: str) -> None:
    """One entry, with its permissions."""
    if not _is_inside(target, info.filename):
        raise exceptions.InvalidArgument(f"{where}: the entry {info.filename!r} lies outside of the archive.")
    path = Path(bundle.extract(info, target))
    if mode := (info.external_attr >> 16) & 0o777:
        path.chmod(mode | 0o600 if path.is_file() else mode | 0o700)


def _extract_all(archive: tarfile.TarFile, target: Path, where: str) -> None:
    """By the standard library's own rules; Python 3.11.3 and before has none, and gets no links and devices."""
    if hasattr(tarfile, "data_filter"):
        archive.extractall(target, filter="data")
        return
    for member in archive:
        if not (member.isfile() or member.isdir()) or not _is_inside(target, member.name):
            raise exceptions.InvalidArgument(f"{where}: the entry {member.name!r} is no file of the archive's folder.")
        archive.extract(member, target)


def _is_inside(target: Path, name: str) -> bool:
    root, path = target.resolve(), (target / name).resolve()
    return root in (path, *path.parents)
