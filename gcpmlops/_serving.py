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


def version_of(source: object) -> str | None:
    """The version of the library that an estimator comes from: a pickle is safe to load with that one only."""
    module = sys.modules.get(type(source).__module__.partition(".")[0])
    version = getattr(module, "__version__", None) if hasattr(source, "predict") else None
    return ".".join(version.split(".")[:2]) if isinstance(version, str) else None
