"""The permission that an RPC asks for, and the resource that it asks it on.

Most follow from the RPC's name: CreateCustomJob of aiplatform is aiplatform.customJobs.create on the request's parent.
The others stand in `exceptions.py`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from gcpmlops.emulator.kernel.gate import Asked
from gcpmlops.emulator.kernel.masks import raw
from gcpmlops.emulator.services.access.exceptions import FREE, OTHERWISE

_WORDS = re.compile(r"(Create|Get|List|Update|Delete|Cancel|BatchCreate|Import|Export|Undelete|Patch)(\w+)")
_VERBS = {"BatchCreate": "create", "Patch": "update"}
_PREFIXES = {"cloudresourcemanager": "resourcemanager", "cloudbilling": "billing", "bigquerystorage": "bigquery"}
# Where the resource stands in a request, the first that is there; a part after the dot is of the message in it.
_FIELDS = (
    "name", "resource", "parent", "project_name", "project", "resource_names", "endpoint", "index_endpoint", "model",
    "source_model", "topic", "subscription", "snapshot", "tensorboard", "tensorboard_time_series", "time_series",
    "context", "execution", "artifact", "log_name", "sink_name", "metric_name", "project_id", "bucket", "trigger",
    "full_resource_name", "service_account",
)  # fmt: skip


@lru_cache(maxsize=4096)
def permission_of(service: str, method: str) -> str:
    """The permission; empty where a call needs none. Raises LookupError where that is not known."""
    short = ".".join(method.split(".")[-2:])
    for known in (f"{service}:{method}", f"{service}:{short}", short):
        if known in FREE:
            return ""
        if known in OTHERWISE:
            return OTHERWISE[known]
    found = _WORDS.fullmatch(method.rpartition(".")[2])
    if found is None:
        raise LookupError(f"no permission is known for {method} of {service}")
    verb = _VERBS.get(found[1], found[1].lower())
    noun = found[2] if verb in ("list",) or found[1] == "BatchCreate" else _plural(found[2])
    return f"{_PREFIXES.get(service, service)}.{noun[0].lower()}{noun[1:]}.{verb}"


def resource_of(asked: Asked) -> str:
    """The full name of what the call is about; empty where the request names nothing."""
    if isinstance(asked.request, dict):
        return str(asked.request.get("resource") or asked.request.get("name") or _project(asked.request))
    message = raw(asked.request)
    fields = message.DESCRIPTOR.fields_by_name
    for field in _FIELDS:
        if field in fields and (value := getattr(message, field)):
            text = _text(value[0] if fields[field].is_repeated else value)
            if text:
                return f"projects/{text}" if field == "project_id" else text
    return _inside(message)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if hasattr(value, "name"):  # UpdateModel(model=Model(name=...))
        return str(value.name)
    return ""


def _inside(message: Any) -> str:
    """A name in another field, or in the first message that has one: UpdateJob(job=Job(name=...))."""
    for field, value in message.ListFields():
        if isinstance(value, str) and value.startswith("projects/"):
            return value
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        inner, first = field.message_type.fields_by_name, value[0] if field.is_repeated else value
        for name in ("name", "full_resource_name", "log_name"):
            if name in inner and (text := getattr(first, name)):
                return str(text)
    return ""


def _project(variables: dict[str, str]) -> str:
    found = variables.get("project") or variables.get("p") or ""
    return f"projects/{found}" if found else ""


def _plural(noun: str) -> str:
    if noun.endswith("y") and noun[-2] not in "aeo":
        return f"{noun[:-1]}ies"
    if noun.endswith(("s", "x", "ch")):
        return noun if noun.endswith(("Series", "Settings")) else f"{noun}es"
    return f"{noun}s"
