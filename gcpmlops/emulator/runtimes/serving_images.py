"""Serving images: the prebuilt ones that our model server stands in for, and Google's custom prediction routines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from google.api_core import exceptions

from gcpmlops.emulator.runtimes import images
from gcpmlops.emulator.runtimes.artifacts import MODEL_FILES
from gcpmlops.emulator.runtimes.environment import Environments

SERVER_PACKAGES = ("orjson",)  # beside those that every prediction image has here
ROUTINE_PACKAGES = ("google-cloud-aiplatform[prediction]", "numpy", "httptools", "uvloop", *SERVER_PACKAGES)
ROUTINE_PYTHONS = (11, 12, 10, 13, 9)
ROUTINE_VARIABLES = ("PREDICTOR_MODULE", "HANDLER_MODULE")


def prediction_image(uri: str) -> images.Image:
    """The prebuilt prediction image of a framework that the model server can stand in for.

    Raises: InvalidArgument naming the images that can be served.
    """
    image = known_image(uri)
    if image is not None and image.serving and image.framework in MODEL_FILES:
        return image
    raise exceptions.InvalidArgument(
        f"The serving container image {uri!r} cannot run here: the local model server stands in for the prebuilt "
        f"images REGION-docker.pkg.dev/vertex-ai/prediction/FRAMEWORK-cpu.VERSION:latest ({', '.join(MODEL_FILES)}), "
        "no Docker daemon answers, and no local command stands for it. Name one: gcpmlops emulator start "
        f"--image {uri}=COMMAND, or --image {uri}=FOLDER with the source of a custom prediction routine."
    )


def known_image(uri: str) -> images.Image | None:
    """What an environment stands for. Raises InvalidArgument for a prebuilt image of an unknown version."""
    try:
        return images.parse(uri)
    except LookupError as error:
        raise exceptions.InvalidArgument(str(error)) from error


def is_routine(env: Mapping[str, str]) -> bool:
    """Whether a container's variables name the classes of a custom prediction routine."""
    return any(name in env for name in ROUTINE_VARIABLES)


def can_import(env: Mapping[str, str], folder: Path) -> bool:
    """Whether a routine's classes are in a folder, or in a package that is installed by its requirements."""
    names = [env[name] for name in ROUTINE_VARIABLES if name in env and not env[name].startswith("google.")]
    paths = [folder.joinpath(*name.split(".")) for name in names]
    return all(path.with_suffix(".py").is_file() or path.is_dir() for path in paths)


def routine_image(uri: str) -> images.Image:
    """What every custom prediction routine has, beside a prebuilt image's packages; its requirements come on top."""
    image = known_image(uri)
    if image is not None and image.serving:
        return replace(image, packages=(*image.packages, *ROUTINE_PACKAGES))
    return images.Image(uri, "python", ROUTINE_PACKAGES, ROUTINE_PYTHONS, serving=True)


def pythons(environments: Environments) -> Callable[[str], Path]:
    """The Python that serves an image, by its URI; making its environment takes seconds the first time."""
    return lambda uri: environments.ensure(prediction_image(uri), requirements=SERVER_PACKAGES).python


def requirements(folder: Path) -> list[str]:
    """The lines of a folder's requirements.txt. Raises InvalidArgument for one that is an option of pip's."""
    path = folder / "requirements.txt"
    if not path.is_file():
        return []
    lines = [line.partition(" #")[0].strip() for line in path.read_text("utf-8").splitlines()]
    found = [line for line in lines if line and not line.startswith("#")]
    for line in found:
        if line.startswith("-"):
            raise exceptions.InvalidArgument(f"requirements.txt: {line!r} is an option of pip; only packages are read.")
    return found
