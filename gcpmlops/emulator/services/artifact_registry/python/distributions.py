"""Wheels and source archives: what their names say, and what an upload's form says of them."""

from __future__ import annotations

from dataclasses import dataclass

from packaging.utils import (
    InvalidName,
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from gcpmlops.emulator.kernel.validate import invalid
from gcpmlops.emulator.services.artifact_registry.received import Received


@dataclass(frozen=True)
class Distribution:
    """A file of a version of a package; the name is the normal form of PEP 503."""

    package: str
    version: str
    filename: str

    @property
    def file_id(self) -> str:
        return f"{self.package}/{self.filename}"


def described(form: dict[str, str], filename: str) -> Distribution:
    """What an upload is.

    Raises: InvalidArgument for a form without a name or a version, and for a file of another name or version.
    """
    name, version = _name(form.get("name", "")), form.get("version", "")
    if not version:
        raise invalid("version", "required, but missing.")
    of_name, of_version = _parsed(filename)
    if (of_name, str(of_version)) != (name, str(_version(version))):
        raise invalid("content", f"{filename} is a file of {of_name} {of_version}, not of {name} {version}.")
    return Distribution(name, version, filename)


def check_digests(form: dict[str, str], received: Received) -> None:
    """Raises: InvalidArgument for a content that is not what the form's digests say."""
    for field, found in (("sha256_digest", received.sha256), ("md5_digest", received.md5)):
        said = form.get(field, "").lower()
        if said and said != found:
            raise invalid(field, f"the form says {said}, {found} came in.")


def _name(value: str) -> str:
    try:
        return canonicalize_name(value, validate=True)
    except InvalidName:
        raise invalid("name", f"{value!r} is not a package's name.") from None


def _version(value: str) -> Version:
    try:
        return Version(value)
    except InvalidVersion:
        raise invalid("version", f"{value!r} is not a version (PEP 440).") from None


def _parsed(filename: str) -> tuple[str, Version]:
    try:
        if filename.endswith(".whl"):
            return parse_wheel_filename(filename)[:2]
        return parse_sdist_filename(filename)
    except (InvalidWheelFilename, InvalidSdistFilename) as error:
        raise invalid("content", f"{filename!r} is neither a wheel nor a source archive: {error}") from None
