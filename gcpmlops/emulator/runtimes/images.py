"""What a container image URI stands for here: a framework version, its packages, the Pythons it has wheels for.

Vertex AI's prebuilt images (https://cloud.google.com/vertex-ai/docs/training/pre-built-containers and
https://cloud.google.com/vertex-ai/docs/predictions/pre-built-containers) and Docker's `python` are known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TRAINING = "training"
PREDICTION = "prediction"

_PREBUILT = re.compile(
    r"(?:(?P<region>[a-z0-9-]+)-docker\.pkg\.dev/vertex-ai(?:-restricted)?|(?:[a-z]+\.)?gcr\.io/cloud-aiplatform)/"
    r"(?P<purpose>training|prediction)/"
    r"(?P<framework>[a-z0-9-]+?)-(?P<accelerator>cpu|gpu|xla|tpu)\."
    r"(?P<version>\d+-\d+)(?:\.py(?P<python>\d{2,3}))?(?::[\w.-]+)?(?:@sha256:[0-9a-f]+)?"
)
_PYTHON = re.compile(
    r"(?:docker\.io/)?(?:library/)?python:(?P<version>3(?:\.\d+){0,2}|latest|slim)(?:-(?:slim|bookworm|bullseye|trixie|alpine|"
    r"buster)[\w.-]*)?"
)
_CLIENTS = (
    "google-cloud-storage",
    "google-cloud-bigquery",
    "google-cloud-bigquery-storage",
    "pyarrow",
    "db-dtypes",
    "gcsfs",
    "cloudml-hypertune",
)
_SERVING = ("httptools", "uvloop")
_TORCHSERVE = ("torchserve", "pyyaml")  # its Python part: the handlers and what they import
_NAMES = {"scikit-learn": "sklearn", "tf2": "tf"}


@dataclass(frozen=True)
class Release:
    """A framework version: its requirements, and the minor versions of Python 3 for which wheels exist."""

    packages: tuple[str, ...]
    first: int
    last: int


@dataclass(frozen=True)
class Image:
    """A known image: what to install, and the Pythons (minor versions of 3) to try, best first."""

    uri: str
    framework: str
    packages: tuple[str, ...]
    pythons: tuple[int, ...]
    serving: bool = False

    @property
    def bare(self) -> bool:
        """Nothing but Python in it."""
        return not self.packages


def parse(uri: str) -> Image | None:
    """The image that a URI names; None where it is none of the known ones.

    Raises: LookupError for a prebuilt image of a framework version that no wheel exists for, listing those that exist.
    """
    if found := _PYTHON.fullmatch(uri):
        return _python_image(uri, found["version"])
    found = _PREBUILT.fullmatch(uri)
    return _prebuilt(uri, found) if found else None


def _python_image(uri: str, version: str) -> Image:
    parts = version.split(".")
    minors = (int(parts[1]),) if len(parts) > 1 else tuple(range(20, 8, -1))
    return Image(uri, "python", (), minors)


def _prebuilt(uri: str, found: re.Match[str]) -> Image:
    framework = _NAMES.get(found["framework"], found["framework"])
    releases = _RELEASES.get(framework, {})
    release = releases.get(found["version"].replace("-", "."))
    if release is None:
        name = _name(framework, found["purpose"])
        known = ", ".join(f"{name}-cpu.{version.replace('.', '-')}" for version in releases) or "none"
        raise LookupError(f"{uri}: no environment stands for this framework version; known ones: {known}")
    wanted = int(found["python"][1:]) if found["python"] else min(max(10, release.first), release.last)
    others = sorted(
        set(range(release.first, release.last + 1)) - {wanted}, key=lambda minor: (abs(minor - wanted), -minor)
    )
    if found["purpose"] == PREDICTION:
        packages = (*release.packages, *_SERVING, *(_TORCHSERVE if framework == "pytorch" else ()))
        return Image(uri, framework, packages, (wanted, *others), serving=True)
    return Image(uri, framework, (*release.packages, *_CLIENTS), (wanted, *others))


def _name(framework: str, purpose: str) -> str:
    """A framework as it is called in the names of images."""
    return "tf2" if (framework, purpose) == ("tf", PREDICTION) else framework


def images_for(framework: str, minors: set[int], purpose: str = TRAINING) -> list[str]:
    """The images of a framework that one of the given Pythons can stand for."""
    return [
        f"us-docker.pkg.dev/vertex-ai/{purpose}/{_name(framework, purpose)}-cpu.{version.replace('.', '-')}"
        f"{'.py310' if purpose == TRAINING and release.first <= 10 <= release.last else ''}:latest"
        for version, release in _RELEASES.get(framework, {}).items()
        if minors & set(range(release.first, release.last + 1))
    ]


def _sklearn(version: str, first: int, last: int, *pins: str) -> Release:
    return Release((f"scikit-learn=={version}.*", "pandas<3", "numpy", "scipy", "joblib", *pins), first, last)


def _xgboost(package: str, version: str, *pins: str) -> Release:
    # wheels are py3-none: any Python that has the old scikit-learn and NumPy beside them
    return Release((f"{package}=={version}.*", "pandas<3", "numpy", "scipy", "joblib", *pins), 8, 13)


_OLD = "numpy<2"  # compiled against the first ABI of NumPy
_RELEASES: dict[str, dict[str, Release]] = {
    "sklearn": {
        "0.23": _sklearn("0.23", 6, 8, _OLD),
        "0.24": _sklearn("0.24", 6, 9, _OLD),
        "1.0": _sklearn("1.0", 7, 10, _OLD),
        "1.2": _sklearn("1.2", 8, 11, _OLD),
        "1.3": _sklearn("1.3", 8, 12, _OLD),
        "1.4": _sklearn("1.4", 9, 12),
        "1.5": _sklearn("1.5", 9, 13),
        "1.6": _sklearn("1.6", 9, 13),
        "1.7": _sklearn("1.7", 10, 14),
    },
    "xgboost": {
        **{version: _xgboost("xgboost", version, _OLD) for version in ("1.3", "1.4", "1.5", "1.6", "1.7")},
        "2.0": _xgboost("xgboost", "2.0", "scikit-learn<1.6"),
        # the CPU build: the same library without 200 MB of NCCL that a CPU image does not have either
        "2.1": _xgboost("xgboost-cpu", "2.1", "scikit-learn<1.6"),
    },
    "pytorch": {
        **{f"1.{n}": Release((f"torch==1.{n}.*", "numpy<2", "pandas<3"), 7, 10) for n in (11, 12)},
        "1.13": Release(("torch==1.13.*", "numpy<2", "pandas<3"), 7, 11),
        **{f"2.{n}": Release((f"torch==2.{n}.*", "numpy<2", "pandas<3"), 8, 11 if n < 2 else 12) for n in range(5)},
    },
    "tf": {
        **{f"2.{n}": Release((f"tensorflow-cpu==2.{n}.*", "numpy<2", "pandas<3"), 7, 10) for n in (8, 9, 10)},
        "2.11": Release(("tensorflow-cpu==2.11.*", "numpy<2", "pandas<3"), 7, 10),
        **{f"2.{n}": Release((f"tensorflow-cpu==2.{n}.*", "numpy<2", "pandas<3"), 8, 11) for n in (12, 13)},
        **{f"2.{n}": Release((f"tensorflow-cpu==2.{n}.*", "numpy<2", "pandas<3"), 9, 11) for n in (14, 15)},
    },
}
