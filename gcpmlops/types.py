"""Aliases, Protocols, and the names that several modules accept: gs:// URIs, bucket and object names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from gcpmlops.exceptions import InvalidArgument

if TYPE_CHECKING:
    import pandas

Path_: TypeAlias = "str | PathLike[str]"
Labels: TypeAlias = Mapping[str, str]
Rows: TypeAlias = "pandas.DataFrame | Sequence[Mapping[str, Any]] | Sequence[Sequence[Any]]"

_BUCKET_RULE = (
    "3 to 63 characters (222 with dots, 63 between dots): lower-case letters, digits, '-', '_' and '.'; first and last "
    "a letter or digit; no IP address, no '..', not starting with 'goog', not containing 'google'"
)
_OBJECT_RULE = (
    "1 to 1,024 bytes of UTF-8 without line breaks; not '.' or '..'; not starting with '.well-known/acme-challenge/'"
)
_LABEL_RULE = "at most 63 characters: lower-case letters, digits, '-' and '_'; a key starts with a letter"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]*[a-z0-9]")
SERVICE_ACCOUNT = re.compile(r"[a-z0-9][a-z0-9.-]*@[a-z0-9-]+(?:\.[a-z0-9-]+)+")  # its email
_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")


class Waitable(Protocol):
    """Anything that can be waited for."""

    def wait(self, *, timeout: float | None = None) -> Any:
        """Return when it has ended; raise if it failed."""


class GsUri(NamedTuple):
    """gs://BUCKET/NAME; `name` is empty for the bucket itself."""

    bucket: str
    name: str = ""

    @classmethod
    def parse(cls, text: str, *, field: str = "uri") -> GsUri:
        """From gs://BUCKET[/NAME] or BUCKET[/NAME]. Raises InvalidArgument."""
        bucket, _, name = text.removeprefix("gs://").partition("/")
        check_bucket_name(bucket, field=field)
        return cls(bucket, name)

    @classmethod
    def object(cls, text: str, *, field: str = "uri") -> GsUri:
        """Like `parse`, for one object: the name may not be missing. Raises InvalidArgument."""
        uri = cls.parse(text, field=field)
        check_object_name(uri.name, field=field)
        return uri

    def __truediv__(self, name: str) -> GsUri:
        return GsUri(self.bucket, f"{self.name.rstrip('/')}/{name}".lstrip("/"))

    def __str__(self) -> str:
        return f"gs://{self.bucket}/{self.name}" if self.name else f"gs://{self.bucket}"


def is_gs_uri(value: object) -> bool:
    """True for text that starts with gs://."""
    return isinstance(value, str) and value.startswith("gs://")


def check_bucket_name(name: str, *, field: str = "bucket") -> str:
    """The name itself. Raises InvalidArgument with Cloud Storage's rule."""
    parts = name.split(".")
    good = (
        3 <= len(name) <= (222 if "." in name else 63)
        and _BUCKET.fullmatch(name)
        and all(0 < len(part) <= 63 for part in parts)
        and not re.fullmatch(r"\d+\.\d+\.\d+\.\d+", name)
        and not name.startswith("goog")
        and "google" not in name
    )
    if not good:
        raise InvalidArgument(f"{name!r} is not a bucket name", field=field, value=name, allowed=_BUCKET_RULE)
    return name


def service_account_email(account: str, project: str) -> str:
    """Of a project's own account, by its id: that of example.com:project is in project.example.com."""
    return f"{account}@{'.'.join(reversed(project.split(':')))}.iam.gserviceaccount.com"


def check_object_name(name: str, *, field: str = "name") -> str:
    """The name itself. Raises InvalidArgument with Cloud Storage's rule."""
    bad = (
        not 1 <= len(name.encode("utf-8", "surrogatepass")) <= 1024
        or "\n" in name
        or "\r" in name
        or name in (".", "..")
        or name.startswith(".well-known/acme-challenge/")
    )
    if bad:
        raise InvalidArgument(f"{name!r} is not an object name", field=field, value=name, allowed=_OBJECT_RULE)
    return name


def check_labels(labels: Labels | None) -> dict[str, str]:
    """A plain copy. Raises InvalidArgument with Google's rule for labels."""
    for key, value in (labels or {}).items():
        if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            raise InvalidArgument(f"label {key}={value} is not valid", field="labels", value=key, allowed=_LABEL_RULE)
    return dict(labels or {})


def one_of(value: str, allowed: Iterable[str], *, field: str) -> str:
    """The value in upper case. Raises InvalidArgument with the nearest allowed one."""
    import difflib

    choices = list(allowed)
    if value.upper() in choices:
        return value.upper()
    near = difflib.get_close_matches(value.upper(), choices, n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    raise InvalidArgument(
        f"{field}: {value!r} is not known", field=field, value=value, next_step=f"{hint}Allowed: {', '.join(choices)}"
    )
