"""What a secret may look like, and the forms of its names."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from google.api_core import exceptions
from google.cloud.location import locations_pb2
from google.cloud.secretmanager_v1 import types

from gcpmlops.emulator.kernel import locations, validate
from gcpmlops.emulator.kernel.validate import invalid

MAX_PAYLOAD = 64 << 10  # bytes
_PARENT = re.compile(r"projects/[^/]+(?:/locations/[^/]+)?")
_SECRET = re.compile(r"projects/[^/]+(?:/locations/[^/]+)?/secrets/[^/]+")
_VERSION = re.compile(r"(?P<secret>projects/[^/]+(?:/locations/[^/]+)?/secrets/[^/]+)/versions/(?P<version>[^/]+)")
_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
_ANNOTATION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_CENTURY = timedelta(seconds=3_153_600_000)
_SOONEST_ROTATION = timedelta(minutes=5)
_SHORTEST_PERIOD = timedelta(hours=1)
_MAX_ALIASES, _MAX_TOPICS, _MAX_ANNOTATIONS = 50, 10, 16 << 10


def parent(name: str) -> None:
    """Raises: InvalidArgument for another form; NotFound for a location that Google doesn't have."""
    _matching(_PARENT, name, "projects/PROJECT or projects/PROJECT/locations/LOCATION")
    if "/locations/" in name:
        locations.get_location(locations_pb2.GetLocationRequest(name=name))


def secret_name(name: str) -> None:
    """Raises: InvalidArgument."""
    _matching(_SECRET, name, "projects/PROJECT/secrets/SECRET (or below projects/PROJECT/locations/LOCATION)")


def version_name(name: str) -> tuple[str, str]:
    """The secret's name, and the version's number or alias. Raises: InvalidArgument."""
    match = _matching(_VERSION, name, "projects/PROJECT/secrets/SECRET/versions/VERSION")
    return match["secret"], match["version"]


def secret_id(value: str) -> None:
    """Raises: InvalidArgument."""
    if not _ID.fullmatch(value):
        raise invalid("secret_id", f"{value!r}: expected 1 to 255 letters, digits, hyphens and underscores.")


def secret(value: types.Secret, *, now: Any) -> None:
    """All fields that a client sets. Raises: InvalidArgument naming the field."""
    validate.labels(value.labels, "secret.labels")
    _replication(value)
    _aliases(value)
    _annotations(value)
    _expiry(value, now)
    _rotation(value, now)


def topics(value: types.Secret) -> None:
    """Raises: InvalidArgument for too many, or for none where a rotation needs them."""
    if len(value.topics) > _MAX_TOPICS:
        raise invalid("secret.topics", f"{len(value.topics)} topics, {_MAX_TOPICS} are allowed.")
    if "rotation" in value and not value.topics:
        raise invalid("secret.rotation", "needs topics: they are told when it is time to rotate.")


def etag(given: str, stored: str, name: str) -> None:
    """Raises: FailedPrecondition where the caller has seen another state than the one that is stored."""
    if given and given != stored:
        raise exceptions.FailedPrecondition(
            f"The etag {given} is not that of the stored {name} ({stored}): read it again and repeat the change."
        )


def _matching(pattern: re.Pattern[str], name: str, form: str) -> re.Match[str]:
    match = pattern.fullmatch(name)
    if match is None:
        raise exceptions.InvalidArgument(f"Invalid resource name {name!r}: expected {form}.")
    return match


def _replication(value: types.Secret) -> None:
    is_regional = "/locations/" in value.name
    kind = types.Replication.pb(value.replication).WhichOneof("replication") if "replication" in value else None
    if is_regional and kind:
        raise invalid("secret.replication", "a regional secret has none: its payloads stay in its location.")
    if not is_regional and not kind:
        raise invalid("secret.replication", "required: automatic, or user_managed with its replicas.")
    if kind == "user_managed":
        places = [replica.location for replica in value.replication.user_managed.replicas]
        if not places or len(set(places)) < len(places) or not all(places):
            raise invalid("secret.replication.user_managed.replicas", "expected one or more, each in its own location.")
        for place in places:
            _check_replica(value.name, place)


def replicas_stay(before: types.Secret, changed: types.Secret) -> None:
    """Of where payloads are only the keys can change. Raises: InvalidArgument."""
    if _places(before) != _places(changed):
        raise invalid("secret.replication", "can't be changed but for its encryption keys.")


def _places(value: types.Secret) -> tuple[str | None, list[str]]:
    kind = types.Replication.pb(value.replication).WhichOneof("replication")
    return kind, [replica.location for replica in value.replication.user_managed.replicas]


def _check_replica(secret: str, place: str) -> None:
    project = "/".join(secret.split("/")[:2])
    try:
        locations.get_location(locations_pb2.GetLocationRequest(name=f"{project}/locations/{place}"))
    except exceptions.NotFound as error:
        raise invalid("secret.replication.user_managed.replicas", error.message) from None


def _aliases(value: types.Secret) -> None:
    if len(value.version_aliases) > _MAX_ALIASES:
        raise invalid("secret.version_aliases", f"{len(value.version_aliases)}, {_MAX_ALIASES} are allowed.")
    for alias in value.version_aliases:
        if not _ALIAS.fullmatch(alias) or alias in ("latest", "NEW"):
            rule = "a letter, then letters, digits, - and _, 63 characters at most; not latest, not NEW"
            raise invalid(f"secret.version_aliases.{alias}", f"is not allowed ({rule}).")


def _annotations(value: types.Secret) -> None:
    for key in value.annotations:
        if not _ANNOTATION.fullmatch(key):
            rule = "63 letters, digits, -, _ and . at most, a letter or digit at both ends"
            raise invalid(f"secret.annotations.{key}", f"is not allowed ({rule}).")
    if sum(len(f"{key}{text}".encode()) for key, text in value.annotations.items()) > _MAX_ANNOTATIONS:
        raise invalid("secret.annotations", f"keys and values are larger than {_MAX_ANNOTATIONS} bytes.")


def _expiry(value: types.Secret, now: Any) -> None:
    if "ttl" in value and not timedelta() < value.ttl <= _CENTURY:
        raise invalid("secret.ttl", "expected more than 0 s and at most 100 years.")
    if "expire_time" in value and value.expire_time <= now:
        raise invalid("secret.expire_time", f"{value.expire_time.isoformat()} is past.")
    if "version_destroy_ttl" in value and not timedelta(days=1) <= value.version_destroy_ttl <= timedelta(days=1000):
        raise invalid("secret.version_destroy_ttl", "expected 1 to 1000 days.")


def _rotation(value: types.Secret, now: Any) -> None:
    if "rotation" not in value:
        return
    rotation = value.rotation
    if "next_rotation_time" not in rotation:
        raise invalid("secret.rotation.next_rotation_time", "required where there is a rotation_period.")
    if rotation.next_rotation_time < now + _SOONEST_ROTATION:
        raise invalid("secret.rotation.next_rotation_time", "must be 5 minutes or more from now.")
    if "rotation_period" in rotation and not _SHORTEST_PERIOD <= rotation.rotation_period <= _CENTURY:
        raise invalid("secret.rotation.rotation_period", "expected 1 hour to 100 years.")
