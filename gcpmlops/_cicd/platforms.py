"""Settings of one platform in a definition: what each is, so that what is rendered of it is valid there."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

PROVIDER = re.compile(r"projects/\d+/locations/global/workloadIdentityPools/[\w-]+/providers/[\w-]+")
_TIMEOUT = re.compile(r"[1-9]\d*s")
_MACHINES = ("E2_MEDIUM", "E2_HIGHCPU_8", "E2_HIGHCPU_32", "N1_HIGHCPU_8", "N1_HIGHCPU_32")


def problem(name: str, value: Any) -> str:
    """What the setting has to be; empty where it is that."""
    check, words = _SETTINGS[name]
    return "" if check(value) else words


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_text, value))


def _image(value: Any) -> bool:
    return _text(value) and not re.search(r"\s", value)


def _runner(value: Any) -> bool:
    if isinstance(value, dict):
        labels = value.get("labels", "any")
        return bool(value) and set(value) <= {"group", "labels"} and (_text(labels) or _texts(labels)) and _text(
            value.get("group", "any")
        )  # fmt: skip
    return _text(value) or _texts(value)


def _environment(value: Any) -> bool:
    if isinstance(value, dict):
        return "name" in value and set(value) <= {"name", "url"} and all(map(_text, value.values()))
    return _text(value)


_SETTINGS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "workload_identity_provider": (
        lambda value: isinstance(value, str) and bool(PROVIDER.fullmatch(value)),
        "projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER",
    ),
    "image": (_image, "an image's name, as text"),
    "timeout": (lambda value: isinstance(value, str) and bool(_TIMEOUT.fullmatch(value)), "seconds, such as 7200s"),
    "machine_type": (lambda value: value in _MACHINES, ", ".join(_MACHINES)),
    "runs_on": (_runner, "a runner's label, a list of labels, or {group, labels}"),
    "environment": (_environment, "a name, or {name, url}"),
    "tags": (_texts, "a list of texts"),
    "agent": (_text, "a label, as text"),
    "credentials": (_text, "the id of credentials, as text"),
}
