"""The names and URLs of a function and of the Cloud Run service behind it."""

from __future__ import annotations

import hashlib
import re
import string

from gcpmlops.emulator.kernel import names, validate
from gcpmlops.emulator.settings import project_number

LOCATION = "projects/{project}/locations/{location}"
FUNCTION = LOCATION + "/functions/{function}"
SERVICE = LOCATION + "/services/{service}"
_ID = re.compile(r"[A-Za-z](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
# How Cloud Run abbreviates regions in its URLs, where it is known.
_REGIONS = {
    "us-central1": "uc", "us-east1": "ue", "us-east4": "uk", "us-west1": "uw", "us-west2": "wl", "us-west3": "wm",
    "us-west4": "wn", "europe-west1": "ew", "europe-west2": "nw", "europe-west3": "ey", "europe-west4": "ez",
    "europe-west6": "oa", "europe-north1": "lz", "europe-central2": "lm", "europe-southwest1": "no",
    "asia-east1": "de", "asia-east2": "df", "asia-northeast1": "an", "asia-northeast2": "dt", "asia-northeast3": "du",
    "asia-south1": "el", "asia-southeast1": "as", "asia-southeast2": "et", "australia-southeast1": "ts",
    "northamerica-northeast1": "nn", "southamerica-east1": "rj",
}  # fmt: skip


def check_id(function_id: str) -> None:
    """Raises InvalidArgument."""
    if not _ID.fullmatch(function_id):
        rule = "63 letters, digits, _ and - at most, a letter first, no - or _ last"
        raise validate.invalid("function_id", f"{function_id!r} is not allowed ({rule}).")


def service_of(function: str) -> str:
    """The full name of a function's Cloud Run service."""
    parent, _, last = function.rpartition("/functions/")
    return f"{parent}/services/{last.lower().replace('_', '-')}"


def revision_id(service: str, number: int, seed: str) -> str:
    """``hello-00003-qux``: the number counts the service's revisions."""
    return f"{service.rpartition('/')[2]}-{number:05d}-{_letters(seed, 3)}"


def function_host(function: str) -> str:
    """``us-central1-project.cloudfunctions.net``."""
    return f"{names.location_of(function)}-{names.project_of(function)}.cloudfunctions.net".lower()


def function_url(function: str) -> str:
    """``https://us-central1-project.cloudfunctions.net/hello``."""
    return f"https://{function_host(function)}/{function.rpartition('/')[2]}"


def service_url(service: str) -> str:
    """``https://hello-8f3kd0a1xz-uc.a.run.app``: the hash is the project's."""
    region, project = names.location_of(service), names.project_of(service)
    code = _REGIONS.get(region) or _letters(region, 2)
    return f"https://{service.rpartition('/')[2]}-{_letters(project, 10)}-{code}.a.run.app"


def numbered_url(service: str) -> str:
    """The other form: ``https://hello-123456789012.us-central1.run.app``."""
    number = project_number(names.project_of(service))
    return f"https://{service.rpartition('/')[2]}-{number}.{names.location_of(service)}.run.app"


def _letters(text: str, count: int) -> str:
    digest = int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")
    letters = []
    for _ in range(count):
        digest, index = divmod(digest, 26)
        letters.append(string.ascii_lowercase[index])
    return "".join(letters)
