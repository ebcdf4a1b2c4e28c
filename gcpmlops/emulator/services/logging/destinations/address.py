"""A sink's destination, as the API writes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from google.api_core import exceptions

from gcpmlops.emulator.kernel import validate

Kind = Literal["pubsub", "storage", "bigquery", "logging"]

_FORMS: dict[Kind, re.Pattern[str]] = {
    "pubsub": re.compile(r"pubsub\.googleapis\.com/(?P<name>projects/[^/]+/topics/[^/]+)"),
    "storage": re.compile(r"storage\.googleapis\.com/(?P<name>[a-z0-9][a-z0-9._-]+)"),
    "bigquery": re.compile(r"bigquery\.googleapis\.com/(?P<name>projects/[^/]+/datasets/\w+)"),
    "logging": re.compile(r"logging\.googleapis\.com/(?P<name>projects/[^/]+/locations/[^/]+/buckets/[^/]+)"),
}
_SHOWN = (
    "storage.googleapis.com/BUCKET, bigquery.googleapis.com/projects/P/datasets/D or "
    "pubsub.googleapis.com/projects/P/topics/T"
)


@dataclass(frozen=True)
class Address:
    """A destination.

    Attributes:
        kind: the service.
        name: the topic, dataset or log bucket by its resource name, or a bucket of Cloud Storage.
    """

    kind: Kind
    name: str


def parse(destination: str) -> Address:
    """Raises InvalidArgument; MethodNotImplemented for another log bucket than the default, or a project."""
    for kind, form in _FORMS.items():
        found = form.fullmatch(destination)
        if found is not None:
            return _built(Address(kind, found["name"]))
    if destination.startswith("logging.googleapis.com/projects/"):
        raise exceptions.MethodNotImplemented(f"destination {destination}: routing to other projects is not built.")
    raise validate.invalid("sink.destination", f"{destination!r}: expected {_SHOWN}.")


def _built(address: Address) -> Address:
    if address.kind == "logging" and not address.name.endswith(("/buckets/_Default", "/buckets/_Required")):
        raise exceptions.MethodNotImplemented(f"destination {address.name}: routing to log buckets is not built.")
    return address
