"""What a job's code needs beside itself: from a list, from requirements.txt, or from what a project declares."""

from __future__ import annotations

import ast
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gcpmlops._jobs.settings import Requirements
from gcpmlops.exceptions import InvalidArgument
from gcpmlops.types import Path_

_FILE = "requirements.txt"
_log = logging.getLogger("gcpmlops.training")


def given(requirements: Requirements | None, source: Path_ | None) -> list[str]:
    """The requirements asked for; those of a requirements.txt in or beside the source where none are.

    Raises InvalidArgument.
    """
    if requirements is None:
        found = beside(source)
        if found is None:
            return []
        _log.info("requirements of %s", found)
        return list(read(found))
    if isinstance(requirements, (str, Path)) or not isinstance(requirements, Sequence):
        return list(read(Path(requirements)))
    each = (read(Path(word)) if word.endswith(".txt") else [checked(word, "requirements")] for word in requirements)
    return [requirement for some in each for requirement in some]


def beside(source: Path_ | None) -> Path | None:
    """The requirements.txt in the folder, else beside it or beside the script; a project declares its own."""
    if source is None or str(source).startswith("gs://"):
        return None
    path = Path(source).resolve()
    if path.is_dir():
        if (path / "setup.py").is_file() or (path / "pyproject.toml").is_file():
            return None
        places = [path, path.parent]
    else:
        places = [path.parent] if path.suffix == ".py" else []
    return next((place / _FILE for place in places if (place / _FILE).is_file()), None)


def read(path: Path) -> Iterator[str]:
    """The requirements in a file of pip's format, and in those that it includes. Raises InvalidArgument."""
    try:
        text = path.read_text("utf-8")
    except OSError as exc:
        raise InvalidArgument(f"{path} can't be read: {exc.strerror}", field="requirements", value=str(path)) from exc
    for number, line in enumerate(text.replace("\\\n", " ").splitlines(), 1):
        line = re.sub(r"(^|\s)#.*", "", line).strip()
        included = re.match(r"(?:-r|--requirement)[ =]\s*(\S+)", line)
        if included:
            yield from read(path.parent / included[1])
        elif line and not line.startswith("--hash"):
            yield checked(re.split(r"\s--hash\b", line)[0], f"{path}:{number}")


def checked(requirement: str, where: str) -> str:
    """The requirement itself. Raises InvalidArgument for what a package can't declare."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        Requirement(requirement)
    except InvalidRequirement as exc:
        option = requirement.startswith("-")
        raise InvalidArgument(
            f"{where}: {requirement!r} {'is an option of pip' if option else 'is not a requirement'}",
            field="requirements",
            value=requirement,
            allowed="NAME, NAME==VERSION, NAME @ URL and the like (PEP 508), which a package can declare",
        ) from exc
    return requirement.strip()


def declared(files: Mapping[str, bytes]) -> tuple[str, ...] | None:
    """What a project, a source distribution or a wheel declares; None where only running its setup.py would tell."""
    metadata = next((name for name in files if re.fullmatch(r"PKG-INFO|[^/]+\.dist-info/METADATA", name)), None)
    if metadata:
        found = re.findall(r"^Requires-Dist: (.+)$", files[metadata].decode("utf-8", "replace"), re.MULTILINE)
        return tuple(each for each in found if "extra ==" not in each)
    if "pyproject.toml" in files and (found_too := _of_pyproject(files["pyproject.toml"])) is not None:
        return found_too
    return _of_setup(files["setup.py"]) if "setup.py" in files else None


def _of_pyproject(content: bytes) -> tuple[str, ...] | None:
    import tomllib

    try:
        table = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise InvalidArgument(f"pyproject.toml: {exc}", field="source", value="pyproject.toml") from exc
    project = table.get("project")
    if isinstance(project, dict) and "dependencies" not in project.get("dynamic", ()):
        return tuple(project.get("dependencies", ()))
    poetry = table.get("tool", {}).get("poetry", {}).get("dependencies")
    return None if poetry is None else tuple(name for name in poetry if name != "python")


def _of_setup(content: bytes) -> tuple[str, ...] | None:
    """The literal install_requires of a setup.py; nothing of it is executed."""
    try:
        tree = ast.parse(content)
    except SyntaxError:
        return None
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _called(node) == "setup"]
    if len(calls) != 1 or any(keyword.arg is None for keyword in calls[0].keywords):
        return None
    for keyword in calls[0].keywords:
        if keyword.arg == "install_requires":
            try:
                return tuple(ast.literal_eval(keyword.value))
            except (ValueError, TypeError):
                return None
    return () if calls[0].keywords else None


def _called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
