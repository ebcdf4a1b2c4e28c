"""What stands for the image of a build's step on this machine: an environment, a command, Docker."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.api_core import exceptions

from gcpmlops.emulator.runtimes import docker, images
from gcpmlops.emulator.runtimes.environment import Environments

_TAG = re.compile(r"(?:@sha256:[0-9a-f]+|:[\w.-]+)+$")
_HUB = re.compile(r"^(?:(?:index\.|registry-1\.)?docker\.io/|mirror\.gcr\.io/|public\.ecr\.aws/docker/)?(?:library/)?")
# Images that are little but a shell: this machine's stands for theirs.
_SHELLS = re.compile(
    r"ubuntu|debian|alpine|bash|busybox|buildpack-deps"
    r"|(?:launcher|marketplace)\.gcr\.io/google/(?:ubuntu|debian)[\w.-]*"
    r"|gcr\.io/gcp-runtimes/ubuntu[\w.-]*|gcr\.io/google-appengine/debian[\w.-]*"
)
# Images that are one tool, which their arguments begin with.
_TOOLS = (
    ("gcloud", r"google/cloud-sdk|(?:[a-z]+\.)?gcr\.io/google\.com/cloudsdktool/(?:google-)?cloud-(?:sdk|cli)"),
    ("node", r"node"),
)
# Cloud builders, and others, whose entrypoint is the tool.
_BUILDER = re.compile(
    r"(?:[a-z]+\.)?gcr\.io/cloud-builders/(gcloud|git|gsutil|bq|curl|wget|npm|yarn|kubectl|make|bash)(?:-slim)?"
    r"|hashicorp/(terraform)|(?:bitnami|rancher)/(kubectl)|alpine/(git)|curlimages/(curl)"
)
_DOCKER = re.compile(r"(?:[a-z]+\.)?gcr\.io/cloud-builders/docker|docker")


@dataclass(frozen=True)
class Stand:
    """What runs in an image's place.

    Attributes:
        entrypoint: the command that a step's arguments are given to unless it names an entrypoint of its own.
        prefix: words before any entrypoint: the command that the user has mapped the image to.
        options_of: the command that is meant where the arguments begin with an option.
        image: the environment that stands for it.
        in_docker: a container of the image itself.
    """

    entrypoint: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()
    options_of: str = ""
    image: images.Image | None = None
    in_docker: bool = False

    def words(self, entrypoint: str, args: Sequence[str]) -> list[str]:
        """The command of a step."""
        if entrypoint:
            return [*self.prefix, entrypoint, *args]
        first = (self.options_of,) if self.options_of and args and args[0].startswith("-") else ()
        return [*self.prefix, *self.entrypoint, *first, *args]


class BuildImages:
    """Resolves image URIs.

    Args:
        environments: stand for Python and for Vertex AI's images.
        mapped: image URI to local command, as the user configured it.
    """

    def __init__(self, environments: Environments, mapped: Mapping[str, str]) -> None:
        self.environments = environments
        self._mapped = mapped

    def resolve(self, uri: str) -> Stand:
        """Raises: InvalidArgument for an image that can't run here, saying how to map it."""
        if (command := self._mapped.get(uri)) is not None:
            return _mapped(uri, command)
        name = _HUB.sub("", _TAG.sub("", uri))
        if _SHELLS.fullmatch(name):
            return Stand(options_of="bash" if name == "bash" else "")
        tool, stand = _tool(name)
        if tool and shutil.which(tool):
            return stand
        return self._environment(uri, name) or self._container(uri, tool)

    def _environment(self, uri: str, name: str) -> Stand | None:
        tag = uri.rpartition("/")[2].partition("@")[0].partition(":")[2] or "latest"
        try:
            image = images.parse(f"{name}:{tag}" if name == "python" else uri)
        except LookupError as error:
            raise exceptions.InvalidArgument(str(error)) from None
        if image is None:
            return None
        self.environments.check(image)
        return Stand(image=image)

    def _container(self, uri: str, tool: str) -> Stand:
        """What Docker does with it; for Docker's own image this machine's command line."""
        if docker.available():
            return Stand(entrypoint=("docker",)) if _DOCKER.fullmatch(_HUB.sub("", _TAG.sub("", uri))) else _IN_DOCKER
        reason = (
            f"{tool} is not installed on this machine, and no Docker daemon answers."
            if tool
            else "no Docker daemon answers, and nothing on this machine stands for it (python:3.N, Vertex AI's images, "
            "ubuntu, alpine, bash; cloud-sdk, gcloud, gsutil, git, node, terraform where they are installed do)."
        )
        raise exceptions.InvalidArgument(
            f"Image {uri} can't run here: {reason} Map it to a local command: "
            f'[emulator.images] "{uri}" = "COMMAND" in gcpmlops.toml, or '
            f"gcpmlops emulator start --image {uri}=COMMAND; the step's entrypoint and arguments follow the command."
        )


_IN_DOCKER = Stand(in_docker=True)


def _tool(name: str) -> tuple[str, Stand]:
    """The tool that an image is, and what runs in its place; no tool for another image."""
    for tool, pattern in _TOOLS:
        if re.fullmatch(pattern, name):
            return tool, Stand(options_of=tool if tool == "node" else "")
    if found := _BUILDER.fullmatch(name):
        tool = str(found[found.lastindex or 0])
        return tool, Stand(entrypoint=(tool,))
    return "", Stand()


def _mapped(uri: str, command: str) -> Stand:
    if Path(command).is_dir():
        raise exceptions.InvalidArgument(
            f"Image {uri} is mapped to the folder {command}: a build's step needs a command."
        )
    return Stand(prefix=tuple(shlex.split(command)))
