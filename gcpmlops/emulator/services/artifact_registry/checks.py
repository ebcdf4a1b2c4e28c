"""What a repository may look like."""

from __future__ import annotations

import re
from typing import Any

from google.api_core import exceptions
from google.cloud.artifactregistry_v1 import types
from google.cloud.location import locations_pb2

from gcpmlops.emulator.kernel import locations, names, validate
from gcpmlops.emulator.kernel.validate import invalid
from gcpmlops.emulator.services.artifact_registry.names import LOCATION

_ID = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_GCR = {"gcr.io": "us", "us.gcr.io": "us", "eu.gcr.io": "europe", "asia.gcr.io": "asia"}
_MULTI_REGIONS = ("us", "europe", "asia")
_MAX_POLICY_ID = 128
_Mode: Any = types.Repository.Mode
_Format: Any = types.Repository.Format


def parent(name: str) -> None:
    """Raises: InvalidArgument for another form, NotFound for a place that Artifact Registry isn't in."""
    if names.parse(LOCATION, name)["location"] not in _MULTI_REGIONS:
        locations.get_location(locations_pb2.GetLocationRequest(name=name))


def repository_id(value: str, location: str) -> None:
    """Raises: InvalidArgument."""
    if _GCR.get(value) == location:
        return
    if not _ID.fullmatch(value):
        rule = "lower-case letters, digits and hyphens, 63 at most; a letter first, no hyphen last"
        raise invalid("repository_id", f"{value!r} is not allowed ({rule}).")


def repository(value: types.Repository) -> None:
    """Raises: InvalidArgument naming the field; MethodNotImplemented for modes that aren't built."""
    validate.labels(value.labels, "repository.labels")
    if value.format_ == _Format.FORMAT_UNSPECIFIED:
        raise invalid("repository.format", "required: DOCKER, PYTHON, GENERIC, KFP, ...")
    if value.mode in (_Mode.VIRTUAL_REPOSITORY, _Mode.REMOTE_REPOSITORY):
        raise exceptions.MethodNotImplemented(
            f"{_Mode(value.mode).name} is not built in this emulator: only STANDARD_REPOSITORY is."
        )
    for field, format_ in (("docker_config", _Format.DOCKER), ("maven_config", _Format.MAVEN)):
        if field in value and value.format_ != format_:
            raise invalid(f"repository.{field}", f"a repository of format {_Format(value.format_).name} has none.")
    for key, policy in value.cleanup_policies.items():
        if not 0 < len(key) < _MAX_POLICY_ID or (policy.id and policy.id != key):
            raise invalid(f"repository.cleanup_policies.{key}", "a policy's key is its id, of fewer than 128 letters.")
