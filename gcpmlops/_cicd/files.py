"""Rendered pipelines as files: what is current, missing, out of date or edited by hand; written without loss."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gcpmlops._cicd import cloudbuild, github, gitlab, jenkins
from gcpmlops._cicd.definition import Definition
from gcpmlops.exceptions import FailedPrecondition

CURRENT, OUTDATED, MISSING, EDITED, FOREIGN, WRITTEN = "CURRENT", "OUTDATED", "MISSING", "EDITED", "FOREIGN", "WRITTEN"
_KEPT = (EDITED, FOREIGN)
_HEADER = re.compile(r"(?:#|//) gcpmlops cicd: definition (\w+), content (\w+)\n")
_PLATFORMS = {
    "cloudbuild": ("cloudbuild.yaml", "#", cloudbuild.render),
    "github": (".github/workflows/delivery.yml", "#", github.render),
    "gitlab": (".gitlab-ci.yml", "#", gitlab.render),
    "jenkins": ("Jenkinsfile", "//", jenkins.render),
}


@dataclass(frozen=True)
class RenderedFile:
    """A pipeline and its file.

    Attributes:
        target: cloudbuild, github, gitlab or jenkins.
        path: where it is, or will be.
        state: CURRENT, OUTDATED, MISSING, EDITED, FOREIGN; WRITTEN by `generate`.
        content: what it should be.
    """

    target: str
    path: Path
    state: str
    content: str

    @property
    def reason(self) -> str:
        """What the state means."""
        return {
            CURRENT: "as the definition says",
            OUTDATED: "made of another definition, or by another version of gcpmlops",
            MISSING: "not there",
            EDITED: "edited by hand since it was made",
            FOREIGN: "not made by gcpmlops",
            WRITTEN: "written",
        }[self.state]

    def __str__(self) -> str:
        return f"{self.path}: {self.state.lower()}, {self.reason}"


def rendered(definition: Definition, targets: Sequence[str], root: Path) -> list[RenderedFile]:
    """Each target's file, compared with what is there."""
    found = []
    for target in targets:
        name, mark, render = _PLATFORMS[target]
        content = _headed(render(definition, root), mark, definition)
        found.append(RenderedFile(target, root / name, _state(root / name, content), content))
    return found


def write(
    files: Sequence[RenderedFile], *, force: bool, confirm: Callable[[RenderedFile], bool] | None
) -> list[RenderedFile]:
    """Writes what is not current. Raises FailedPrecondition where that would lose edits: nothing is written then."""
    edited = [each for each in files if each.state in _KEPT]
    if edited and not force and confirm is None:
        raise FailedPrecondition(
            "\n".join(map(str, edited)),
            next_step="Nothing was written. Put the change into the definition, or write over it: --force.",
        )
    given_up = [] if force or confirm is None else [each for each in edited if not confirm(each)]
    return [each if each.state == CURRENT or each in given_up else _written(each) for each in files]


def _written(file: RenderedFile) -> RenderedFile:
    file.path.parent.mkdir(parents=True, exist_ok=True)
    new = file.path.with_name(f"{file.path.name}.new")
    new.write_text(file.content, "utf-8")
    new.replace(file.path)
    return replace(file, state=WRITTEN)


def _state(path: Path, content: str) -> str:
    if not path.exists():
        return MISSING
    there = path.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n")  # as git may check it out
    if there == content:
        return CURRENT
    header = _HEADER.search(there)
    if header is None:
        return FOREIGN
    return OUTDATED if header[2] == _digest(_HEADER.sub("", there, count=1)) else EDITED


def _headed(body: str, mark: str, definition: Definition) -> str:
    """With a first line that says what it is made of, and a hash of all the rest."""
    how = f"{mark} Made from {definition.path.name} by `gcpmlops cicd generate`, which does not keep edits.\n"
    rest = how + body
    return f"{mark} gcpmlops cicd: definition {definition.digest}, content {_digest(rest)}\n{rest}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
