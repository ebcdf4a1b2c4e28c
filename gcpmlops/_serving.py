"""Prebuilt prediction images, and which of them fits a folder of model files."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from gcpmlops.exceptions import InvalidArgument

_REGISTRY = "us-docker.pkg.dev/vertex-ai/prediction"
_FRAMEWORKS = {  # framework: (image, version when none is given)
    "sklearn": ("sklearn-cpu", "1.6"),
    "xgboost": ("xgboost-cpu", "2.1"),
    "tensorflow": ("tf2-cpu", "2.15"),
    "pytorch": ("pytorch-cpu", "2.4"),
}
_FILES = {
    "model.joblib": "sklearn",
    "model.pkl": "sklearn",
    "model.bst": "xgboost",
    "saved_model.pb": "tensorflow",
    "model.mar": "pytorch",
}
FRAMEWORKS = tuple(_FRAMEWORKS)


def prediction_image(framework: str, version: str | None = None) -> str:
    """`us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest` for ("sklearn", "1.6" or "1.6.1")."""
    known = {"scikit-learn": "sklearn", "tf": "tensorflow", "torch": "pytorch"}
    name = known.get(framework.lower(), framework.lower())
    if name not in _FRAMEWORKS:
        raise InvalidArgument(
            f"no prebuilt image for {framework!r}", field="framework", value=framework, allowed=", ".join(FRAMEWORKS)
        )
    image, default = _FRAMEWORKS[name]
    major_minor = (version or default).split(".")[:2]
    if len(major_minor) != 2 or not all(part.isdigit() for part in major_minor):
        raise InvalidArgument(field="framework_version", value=version, allowed="MAJOR.MINOR, such as 1.6")
    return f"{_REGISTRY}/{image}.{'-'.join(major_minor)}:latest"


def framework_of(filenames: Iterable[str], *, where: str) -> str:
    """The framework whose file name is among these. Raises InvalidArgument with the names that are looked for."""
    names = list(filenames)
    for name, framework in _FILES.items():
        if name in names:
            return framework
    found = ", ".join(sorted(names)[:10]) or "nothing"
    raise InvalidArgument(
        f"{where} has no model file that the prebuilt images serve (found: {found})",
        field="source",
        value=where,
        allowed=", ".join(_FILES) + "; or give image=",
    )


def version_of(source: object) -> tuple[str | None, str | None]:
    """(framework, MAJOR.MINOR) that an estimator is safe to load with: of its own library, or else of scikit-learn.

    (None, None) for what is no estimator.
    """
    if not hasattr(source, "predict"):
        return None, None
    for package in (type(source).__module__.partition(".")[0], "sklearn"):
        version = getattr(sys.modules.get(package), "__version__", None)
        if package in _FRAMEWORKS and isinstance(version, str):
            return package, ".".join(version.split(".")[:2])
    return None, None
