"""Names below repositories. Ids of packages, files and images may hold slashes: they are escaped in names."""

from __future__ import annotations

import re
from urllib.parse import unquote

from google.api_core import exceptions

REPOSITORY = "projects/{project}/locations/{location}/repositories/{repository}"
LOCATION = "projects/{project}/locations/{location}"
_BELOW = re.compile(
    r"(?P<above>projects/[^/]+/locations/[^/]+/repositories/[^/]+)/(?P<kind>packages|files|dockerImages|pythonPackages)/"
    r"(?P<id>.+?)(?:/(?P<part>versions|tags)/(?P<part_id>[^/]+))?"
)
_HOST = re.compile(r"(?P<location>[a-z0-9-]+)-(?P<format>docker|python|generic|kfp|npm|maven|apt|yum|go)\.pkg\.dev")
_ESCAPED = {"/": "%2F", "+": "%2B", "^": "%5E"}  # as gcloud writes them


def escape(id_: str) -> str:
    """An id as it stands in a name."""
    return "".join(_ESCAPED.get(letter, letter) for letter in unquote(id_))


def plain(name: str) -> str:
    """The last id of a name, unescaped."""
    return unquote(name.rpartition("/")[2])


def canonical(name: str, *kinds: str) -> str:
    """A name with its ids escaped, however the client wrote them; REST paths arrive with slashes in them.

    Args:
        name: of a package, version, tag, file or image.
        kinds: that it may be of: packages, versions, tags, files, dockerImages, pythonPackages.

    Raises: InvalidArgument.
    """
    match = _BELOW.fullmatch(name)
    if (
        match is None
        or (match["part"] or match["kind"]) not in kinds
        or (match["part"] and match["kind"] != "packages")
    ):
        forms = " or ".join(f"{REPOSITORY}/{_form(kind)}" for kind in kinds)
        raise exceptions.InvalidArgument(f"Invalid resource name {name!r}: expected {forms}.")
    whole = f"{match['above']}/{match['kind']}/{escape(match['id'])}"
    return f"{whole}/{match['part']}/{escape(match['part_id'])}" if match["part"] else whole


def repository_of(name: str) -> str:
    """The name of the repository that something is in."""
    return "/".join(name.split("/")[:6])


def package_of(name: str) -> str:
    """The package of a version or a tag."""
    return "/".join(name.split("/")[:8])


def host(repository: str, format_: str) -> str:
    """Where a repository's packages are: LOCATION-FORMAT.pkg.dev/PROJECT/REPOSITORY."""
    _, project, _, location, _, id_ = repository.split("/")
    return f"{location}-{format_.lower()}.pkg.dev/{project}/{id_}"


def of_host(host_: str) -> tuple[str, str]:
    """The location and the format that a host serves. Raises: NotFound."""
    match = _HOST.fullmatch(host_)
    if match is None:
        raise exceptions.NotFound(f"{host_} is no host of Artifact Registry: expected LOCATION-FORMAT.pkg.dev.")
    return match["location"], match["format"].upper()


def _form(kind: str) -> str:
    return f"packages/{{package}}/{kind}/{{id}}" if kind in ("versions", "tags") else f"{kind}/{{id}}"
