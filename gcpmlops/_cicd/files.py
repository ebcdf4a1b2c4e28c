"""Rendered pipelines as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gcpmlops._cicd import cloudbuild, github, gitlab, jenkins
from gcpmlops._cicd.definition import Definition
from gcpmlops._generated import Generated

_PLATFORMS = {
    "cloudbuild": ("cloudbuild.yaml", "#", cloudbuild.render),
    "github": (".github/workflows/delivery.yml", "#", github.render),
    "gitlab": (".gitlab-ci.yml", "#", gitlab.render),
    "jenkins": ("Jenkinsfile", "//", jenkins.render),
}


@dataclass(frozen=True, kw_only=True)
class RenderedFile(Generated):
    """A pipeline and its file. `target` is cloudbuild, github, gitlab or jenkins."""

    target: str


def rendered(definition: Definition, targets: Sequence[str], root: Path) -> list[RenderedFile]:
    """Each target's file, compared with what is there."""
    name = "".join(each if each.isprintable() else "?" for each in definition.path.name)
    source = f"{name} ({definition.digest})"
    found = []
    for target in targets:
        path, mark, render = _PLATFORMS[target]
        body = render(definition, root)
        found.append(RenderedFile.compared(root / path, body, mark=mark, source=source, target=target))
    return found
