"""How a model is served: prebuilt prediction images, which of them fits its files, and Google's container message."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from os import PathLike
from typing import Any, TypedDict

from gcpmlops import _google
from gcpmlops.exceptions import InvalidArgument

_log = logging.getLogger("gcpmlops.models")
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
_PREBUILT = re.compile(
    r"((us|europe|asia)-docker\.pkg\.dev/vertex-ai|gcr\.io/cloud-aiplatform)/prediction/[\w.-]+(:.+)?"
)


class ServerSettings(TypedDict, total=False):
    """Keyword arguments of `Models.upload` and `Models.check`, which describe them."""

    framework: str | None
    framework_version: str | None
    image: str | None
    env: Mapping[str, str] | None
    predict_route: str | None
    health_route: str | None
    port: int | None


@dataclass(frozen=True)
class Server:
    """A container, its variables and routes."""

    image: str
    env: Mapping[str, str] = field(default_factory=dict)
    predict_route: str = ""
    health_route: str = ""
    port: int | None = None

    @classmethod
    def of(cls, source: Any, filenames: Iterable[str], settings: Mapping[str, Any]) -> Server:
        """For a source and the names of its files. Raises TypeError for an unknown setting, InvalidArgument."""
        for name in settings:
            if name not in ServerSettings.__annotations__:
                raise TypeError(f"there is no setting {name!r}; known: {', '.join(ServerSettings.__annotations__)}")
        given = {each.name: settings[each.name] for each in fields(cls) if settings.get(each.name) is not None}
        given["image"] = settings.get("image") or _image_for(source, filenames, settings)
        return cls(**given)

    @property
    def is_prebuilt(self) -> bool:
        """Whether the image is one of Google's."""
        return bool(_PREBUILT.fullmatch(self.image))

    def container(self) -> _google.model.ModelContainerSpec:
        """Google's message."""
        spec = _google.model.ModelContainerSpec(
            image_uri=self.image,
            env=[_google.env_var.EnvVar(name=name, value=value) for name, value in self.env.items()],
            predict_route=self.predict_route,
            health_route=self.health_route,
        )
        if self.port is not None:
            spec.ports = [_google.model.Port(container_port=self.port)]
        return spec


def _image_for(source: Any, filenames: Iterable[str], settings: Mapping[str, Any]) -> str:
    """Google's image for an estimator's own library and version, or for what the files' names say."""
    own, own_version = version_of(source)
    where = source if isinstance(source, (str, PathLike)) else type(source).__name__
    framework = settings.get("framework") or own or framework_of(filenames, where=str(where))
    return prediction_image(framework, settings.get("framework_version") or _served(own, own_version))


def _served(framework: str | None, version: str | None) -> str | None:
    """The estimator's own version, or the newest that Google has an image for; the serving check tries it."""
    if framework is None or version is None:
        return None
    newest = _FRAMEWORKS[framework][1]
    if _numbers(version) <= _numbers(newest):
        return version
    advice = "framework_version= or image= chooses another one; models of a newer version may fail to load"
    _log.warning("Google has no image for %s %s: that of %s is taken (%s).", framework, version, newest, advice)
    return newest


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


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
