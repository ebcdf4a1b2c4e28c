"""Access control lists: the predefined ones and the edits that the three ACL collections share."""

from __future__ import annotations

from collections.abc import Callable

from google.api_core import exceptions

from gcpmlops.emulator.services.storage import errors
from gcpmlops.emulator.services.storage.records import BucketRecord, Json

Acl = list[Json]
_PREDEFINED = {
    "authenticatedRead": [("allAuthenticatedUsers", "READER")],
    "publicRead": [("allUsers", "READER")],
    "publicReadWrite": [("allUsers", "WRITER")],
    "bucketOwnerRead": [],
    "bucketOwnerFullControl": [],
    "private": [],
    "projectPrivate": [],
}


def project_private(project_number: str) -> Acl:
    """What buckets and their objects get by default: the project's teams."""
    teams = {"owners": "OWNER", "editors": "OWNER", "viewers": "READER"}
    return [
        {
            "entity": f"project-{team}-{project_number}",
            "role": role,
            "projectTeam": {"projectNumber": project_number, "team": team},
        }
        for team, role in teams.items()
    ]


def predefined(name: str, project_number: str) -> Acl:
    """A predefined ACL. Raises BadRequest for an unknown name."""
    if name not in _PREDEFINED:
        raise errors.invalid(f"Invalid predefined ACL: '{name}'")
    extra = [{"entity": entity, "role": role} for entity, role in _PREDEFINED[name]]
    owners = project_private(project_number)
    return (owners if name == "projectPrivate" else owners[:1]) + extra


def check_allowed(bucket: BucketRecord) -> None:
    """Raises BadRequest where uniform bucket-level access switches ACLs off."""
    if bucket.uniform_access:
        raise errors.invalid(
            "Cannot use ACL API to update bucket policy when uniform bucket-level access is enabled. "
            "Read more at https://cloud.google.com/storage/docs/uniform-bucket-level-access"
        )


def find(acl: Acl, entity: str) -> Json:
    """The entry of one entity. Raises NotFound."""
    for entry in acl:
        if entry["entity"] == entity:
            return entry
    raise errors.error(exceptions.NotFound, "notFound", f"The specified ACL entity does not exist: {entity}")


def upsert(entity: str, role: str) -> Callable[[Acl], Acl]:
    """An edit that gives an entity its role."""
    if not entity or not role:
        raise errors.required("entity" if not entity else "role")
    if role not in ("OWNER", "WRITER", "READER"):
        raise errors.invalid(f"Invalid argument: role '{role}'")
    entry = {"entity": entity, "role": role}
    return lambda acl: [old for old in acl if old["entity"] != entity] + [entry]


def without(entity: str) -> Callable[[Acl], Acl]:
    """An edit that takes an entity out. Raises NotFound when it is not in."""

    def edit(acl: Acl) -> Acl:
        gone = find(acl, entity)
        return [entry for entry in acl if entry is not gone]

    return edit


def given(entries: Acl) -> Acl:
    """The entries of a request body, reduced to what is stored."""
    keys = ("entity", "role")
    return [{key: entry[key] for key in keys} for entry in entries if all(key in entry for key in keys)]
