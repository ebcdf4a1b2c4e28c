"""A source distribution from a script, a folder of scripts, a package or a project, for the prebuilt images to install.

A source distribution or wheel that is there already is taken as it is.

The archive is written directly: nothing of the user's is executed here, and the same sources give the same bytes.
"""

from __future__ import annotations

import gzip
import io
import re
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gcpmlops._jobs import requirements as pip_requirements
from gcpmlops.exceptions import InvalidArgument

_VERSION = "0.1.0"
_ENTRIES = ("__main__", "task", "train", "main")
_SKIPPED = {
    "__pycache__",
    ".git",
    ".venv",
    "venv",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
    "node_modules",
    "build",
    "dist",
}
_ARCHIVE = re.compile(r"\.(?:tar\.gz|tgz|zip|whl)$")
_SETUP = """from setuptools import find_packages, setup

setup(
    name={name!r},
    version={version!r},
    packages=find_packages(),
    py_modules={py_modules!r},
    package_data={{"": ["*"]}},
    include_package_data=True,
    install_requires={requirements!r},
)
"""


@dataclass(frozen=True)
class SourcePackage:
    """A source archive, and the module in it to run with `python -m`."""

    filename: str
    content: bytes
    module: str
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """What is in it, by the path below its root."""
    place: str = ""
    """Where it came from: a folder, or the script itself."""
    requirements: tuple[str, ...] | None = ()
    """What it declares to need; None where that can't be told."""

    def shown(self, name: str) -> str:
        """A file's path, as the user knows it."""
        if self.place.endswith(".py"):
            return self.place
        path = Path(self.place, name)
        return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def is_archive(source: Path) -> bool:
    """Whether it is a package already, by its name."""
    return bool(_ARCHIVE.search(source.name))


def build(source: Path, *, module: str | None = None, requirements: Sequence[str] = ()) -> SourcePackage:
    """Build the archive. Raises InvalidArgument for a missing source, or one whose module to run cannot be told."""
    if source.is_file() and is_archive(source):
        return _from_archive(source, module)
    if source.is_file():
        return _from_script(source, requirements)
    if not source.is_dir():
        raise InvalidArgument(f"{source}: no such script or folder", field="source", value=str(source))
    if (source / "setup.py").is_file() or (source / "pyproject.toml").is_file():
        return _from_project(source, module, requirements)
    if (source / "__init__.py").is_file():
        return _from_package(source, module, requirements)
    return _from_scripts(source, module, requirements)


def _from_script(script: Path, requirements: Sequence[str]) -> SourcePackage:
    if script.suffix != ".py":
        raise InvalidArgument(
            f"{script} is not a Python script", field="source", value=str(script), allowed="NAME.py or a folder"
        )
    _check_syntax(script)
    name = _identifier(script.stem)
    files = {f"{name}_job/__init__.py": b"", f"{name}_job/{name}.py": script.read_bytes()}
    return _archive(script, f"{name}_job", files, module=f"{name}_job.{name}", requirements=requirements)


def _from_package(folder: Path, module: str | None, requirements: Sequence[str]) -> SourcePackage:
    name = _identifier(folder.resolve().name)
    files = {f"{name}/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in _files(folder)}
    run = module or f"{name}.{_entry(folder)}".removesuffix(".__main__")
    return _archive(folder.resolve().parent, name, files, module=run, requirements=requirements)


def _from_scripts(folder: Path, module: str | None, requirements: Sequence[str]) -> SourcePackage:
    """Scripts that import each other by name: top-level modules, as when they are run in their folder."""
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in _files(folder)}
    modules = sorted(path.stem for path in folder.glob("*.py"))
    name = f"{_identifier(folder.resolve().name)}_job"
    run = module or _entry(folder)
    return _archive(folder, name, files, module=run, requirements=requirements, py_modules=modules)


def _from_project(folder: Path, module: str | None, requirements: Sequence[str]) -> SourcePackage:
    """A folder that says itself how it is built; its own requirements count."""
    if requirements:
        where = "pyproject.toml" if (folder / "pyproject.toml").is_file() else "setup.py"
        raise InvalidArgument(
            f"{folder} is a project of its own",
            field="requirements",
            value=list(requirements),
            allowed=f"none: put them into {where}",
        )
    packages = [p for p in sorted([*folder.glob("*/"), *folder.glob("src/*/")]) if (p / "__init__.py").is_file()]
    if module is None and len(packages) != 1:
        raise InvalidArgument(
            f"{folder} has {len(packages)} packages: which module is to run?", field="module", allowed="PACKAGE.MODULE"
        )
    run = module or f"{packages[0].name}.{_entry(packages[0])}".removesuffix(".__main__")
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in _files(folder)}
    name = _identifier(folder.resolve().name)
    content = _tar(f"{name}-{_VERSION}", files)
    wanted = pip_requirements.declared(files)
    return SourcePackage(f"{name}-{_VERSION}.tar.gz", content, run, files, str(folder), wanted)


def _from_archive(archive: Path, module: str | None) -> SourcePackage:
    """A source distribution or a wheel, as it is."""
    content = archive.read_bytes()
    try:
        files = _unzipped(content) if archive.suffix in (".zip", ".whl") else _untarred(content)
    except (tarfile.TarError, zipfile.BadZipFile, OSError) as exc:
        raise InvalidArgument(f"{archive} is not a package: {exc}", field="source", value=str(archive)) from exc
    if archive.suffix != ".whl":  # all of it is in one folder
        files = {name.partition("/")[2]: data for name, data in files.items() if "/" in name}
    run = module or _entry_of(archive, files)
    return SourcePackage(archive.name, content, run, files, str(archive), pip_requirements.declared(files))


def _unzipped(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as bundle:
        return {name: bundle.read(name) for name in bundle.namelist() if _is_read(name)}


def _untarred(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content)) as bundle:
        members = [member for member in bundle if member.isfile()]
        found = ((m.name, bundle.extractfile(m)) for m in members if _is_read(m.name))
        return {name: file.read() for name, file in found if file}


def _is_read(name: str) -> bool:
    """Code and metadata; data files may be large."""
    return name.endswith((".py", ".toml", "PKG-INFO", "METADATA"))


def _entry_of(archive: Path, files: Mapping[str, bytes]) -> str:
    """The module of an archive's one package that is meant to run."""
    inits = [re.fullmatch(r"(?:src/)?(\w+)/__init__\.py", name) for name in files]
    packages = sorted({found[1] for found in inits if found})
    for package in packages if len(packages) == 1 else ():
        for name in _ENTRIES:
            if f"{package}/{name}.py" in files or f"src/{package}/{name}.py" in files:
                return f"{package}.{name}".removesuffix(".__main__")
    raise InvalidArgument(
        f"{archive}: which module is to run?", field="module", allowed=f"PACKAGE.MODULE of {', '.join(packages)}"
    )


def only_requirements(requirements: Sequence[str]) -> SourcePackage:
    """A package without code, which brings its requirements."""
    return _archive(Path(), "gcpmlops_requirements", {}, module="", requirements=requirements)


def _entry(folder: Path) -> str:
    """The module of the folder that is meant to run."""
    found = [name for name in _ENTRIES if (folder / f"{name}.py").is_file()]
    scripts = sorted(path.stem for path in folder.glob("*.py") if path.stem not in ("__init__", "setup"))
    if found or len(scripts) == 1:
        return found[0] if found else scripts[0]
    raise InvalidArgument(
        f"{folder}: which module is to run?",
        field="module",
        allowed=", ".join(scripts) or "there is no Python file in it",
    )


def _check_syntax(script: Path) -> None:
    """A typo shows here, not after the job has started."""
    try:
        compile(script.read_bytes(), str(script), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as exc:
        line = getattr(exc, "lineno", None)
        where = f"{script}:{line}" if line else str(script)
        raise InvalidArgument(f"{where}: {getattr(exc, 'msg', exc)}", field="source", value=str(script)) from exc


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).parts
        if path.is_file() and not any(part in _SKIPPED or part.endswith(".egg-info") for part in relative):
            yield path


def _identifier(name: str) -> str:
    cleaned = re.sub(r"\W", "_", name, flags=re.ASCII).strip("_") or "job"
    return f"job_{cleaned}" if cleaned[0].isdigit() else cleaned


def _archive(
    place: Path,
    name: str,
    files: dict[str, bytes],
    *,
    module: str,
    requirements: Sequence[str],
    py_modules: Sequence[str] = (),
) -> SourcePackage:
    setup = _SETUP.format(
        name=name.replace("_", "-"), version=_VERSION, py_modules=list(py_modules), requirements=list(requirements)
    )
    files = {**files, "setup.py": setup.encode(), "MANIFEST.in": b"graft .\n"}
    content = _tar(f"{name}-{_VERSION}", files)
    return SourcePackage(f"{name}-{_VERSION}.tar.gz", content, module, files, str(place), tuple(requirements))


def _tar(root: str, files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for name, content in sorted(files.items()):
            info = tarfile.TarInfo(f"{root}/{name}")
            info.size, info.mode = len(content), 0o644
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
