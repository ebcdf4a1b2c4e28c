"""Which hosts the emulator answers for, and which service a request on one of them means."""

from __future__ import annotations

import re

from google.api_core import exceptions

_SERVED = re.compile(
    r"(.+\.)?googleapis\.com|accounts\.google\.com|metadata\.google\.internal"
    r"|.+\.pkg\.dev|.+\.cloudfunctions\.net|.+\.run\.app|.+\.prediction\.vertexai\.goog"
)
INVOCATION = "invocation"  # a function's or a Cloud Run service's own host: no Google API, and no name of one
PACKAGES = "packages"  # Artifact Registry's hosts, and contents that go to and from its API's
_DEDICATED = ".prediction.vertexai.goog"
_REGIONAL = re.compile(r"(?:[a-z]+-[a-z]+\d+-|[a-z]{2}-)?(?:prediction-)?([a-z][a-z0-9]*)\.googleapis\.com")
# On www.googleapis.com, and on the plain port, the path alone tells the service.
_STORAGE = ("/storage/", "/upload/storage/", "/download/storage/", "/resumable/upload/storage/", "/batch/storage")
_BY_PATH = (
    (_STORAGE, "storage"),
    (("/bigquery/", "/upload/bigquery/", "/resumable/upload/bigquery/", "/batch/bigquery"), "bigquery"),
    (("/token", "/oauth2/", "/tokeninfo", "/userinfo", "/robot/", "/service_accounts/"), "oauth2"),
    (("/computeMetadata",), "metadata"),
    (("/emulator/",), "emulator"),
)


def is_served(host: str) -> bool:
    """Whether the proxy ends TLS for ``host`` itself; others are tunnelled or refused."""
    return _SERVED.fullmatch(host) is not None


def is_dedicated(host: str) -> bool:
    """Whether it is one endpoint's own host, where nothing but its predictions is served."""
    return host.endswith(_DEDICATED)


def check_dedicated(host: str, proto: str) -> None:
    """Raises NotFound for a method of another service than PredictionService on a dedicated endpoint's host."""
    if is_dedicated(host) and not proto.endswith(".PredictionService"):
        raise exceptions.NotFound(f"{host} is one endpoint's own domain: it serves predictions and nothing else.")


def is_shared(host: str) -> bool:
    """Whether it is a host of Google's that all resources have in common; the emulator's own address is none."""
    return host.endswith(".googleapis.com")


def service_of(host: str, path: str) -> str:
    """The short service name (``aiplatform``, ``storage``, ``oauth2``, ...) of a host that is served.

    Regional, mtls and bucket-named forms mean their service; an empty string where the path doesn't tell either.
    """
    name = host.replace(".mtls.", ".")
    name = re.sub(r"\.[a-z0-9-]+\.rep\.googleapis\.com$", ".googleapis.com", name)
    if name in ("metadata.google.internal", "metadata"):
        return "metadata"
    if name == "accounts.google.com":
        return "oauth2"
    if name.endswith(".storage.googleapis.com"):
        return "storage"
    if name in ("www.googleapis.com", "googleapis.com"):
        return service_by_path(path)
    if is_dedicated(name):
        return "aiplatform"
    if name.endswith((".cloudfunctions.net", ".run.app")):
        return INVOCATION
    if name.endswith(".pkg.dev") or (name == "artifactregistry.googleapis.com" and _is_transfer(path)):
        return PACKAGES
    match = _REGIONAL.fullmatch(name)
    return match.group(1) if match else ""


def _is_transfer(path: str) -> bool:
    return path.startswith(("/upload/", "/resumable/upload/", "/download/")) or path.endswith(":download")


def service_by_path(path: str) -> str:
    """The service that well-known path prefixes mean."""
    return next((service for prefixes, service in _BY_PATH if path.startswith(prefixes)), "")
