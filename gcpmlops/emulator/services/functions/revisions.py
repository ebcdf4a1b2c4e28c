"""From a function's message to what its instances are started from."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from google.api_core import exceptions
from google.cloud.functions_v2 import types

from gcpmlops.emulator.kernel import names, validate
from gcpmlops.emulator.runtimes import function_source
from gcpmlops.emulator.runtimes.environment import Environments
from gcpmlops.emulator.runtimes.function_spec import FunctionSpec
from gcpmlops.emulator.runtimes.images import Image
from gcpmlops.emulator.services.functions import naming

_RUNTIME = re.compile(r"python3(\d{1,2})")
# Kept and returned; without meaning where every instance is a local process.
IGNORED_SERVICE = ("available_memory", "available_cpu", "vpc_connector", "ingress_settings", "security_level")
IGNORED_BUILD = ("worker_pool", "docker_repository", "docker_registry", "service_account", "environment_variables")


class Revisions:
    """Unpacked sources and environments.

    Args:
        directory: unpacked sources, a folder for each function; and files that requirements name.
        environments: makes the Python environments.
    """

    def __init__(self, directory: Path, environments: Environments) -> None:
        self._directory = directory
        self._environments = environments

    def runtimes(self) -> dict[str, int]:
        """The runtimes that an interpreter is at hand for: ``python311`` to the minor version of Python 3."""
        return {f"python3{minor}": minor for minor in sorted(self._environments.minors) if minor >= 8}

    def check(self, function: types.Function) -> None:
        """What can be told before anything is built.

        Raises: InvalidArgument, MethodNotImplemented.
        """
        build, service = function.build_config, function.service_config
        self._minor(build.runtime)
        if not build.entry_point.isidentifier():
            raise validate.invalid("build_config.entry_point", f"{build.entry_point!r} is no name of a function.")
        for field in ("secret_environment_variables", "secret_volumes"):
            if getattr(service, field):
                raise exceptions.MethodNotImplemented(
                    f"service_config.{field}: Secret Manager is not built in this emulator; use environment_variables."
                )
        if not 0 <= service.timeout_seconds <= 3600:
            raise validate.invalid("service_config.timeout_seconds", f"{service.timeout_seconds} is not 1 to 3600.")
        if not 0 <= service.max_instance_request_concurrency <= 1000:
            given = service.max_instance_request_concurrency
            raise validate.invalid("service_config.max_instance_request_concurrency", f"{given} is not 1 to 1000.")
        if service.max_instance_count and service.min_instance_count > service.max_instance_count:
            raise validate.invalid("service_config.min_instance_count", "is greater than max_instance_count.")
        _check_variables(service.environment_variables)

    def unpack(self, function: types.Function, archive: Path, where: str) -> None:
        """Lays out the source of the function's revision."""
        function_source.unpack(archive, self._source(function), where=where)

    def spec(self, function: types.Function) -> FunctionSpec:
        """What the function's revision is started from; its environment is made where it isn't there.

        Raises: FailedPrecondition with the installer's last lines; InvalidArgument naming a wrong requirement.
        """
        source, service = self._source(function), function.service_config
        packages = function_source.requirements(source, self._directory / "packages")
        minor = self._minor(function.build_config.runtime)
        image = Image(function.build_config.runtime, "python", tuple(packages), (minor,))
        try:
            environment = self._environments.ensure(image)
        except exceptions.FailedPrecondition as error:
            raise exceptions.FailedPrecondition(f"Build failed: requirements.txt: {error.message}") from None
        return FunctionSpec(
            service=naming.service_of(function.name).rpartition("/")[2],
            revision=service.revision,
            python=environment.python,
            source=source,
            target=function.build_config.entry_point,
            signature="cloudevent" if "event_trigger" in function else "http",
            env=dict(service.environment_variables),
            timeout=float(service.timeout_seconds),
            concurrency=service.max_instance_request_concurrency,
            minimum=service.min_instance_count,
            maximum=service.max_instance_count,
            account=service.service_account_email,
        )

    def forget(self, function: str, *, keep: Collection[str] = ()) -> None:
        """Removes the sources of a function's revisions, but for some."""
        home = self._home(function)
        for folder in home.iterdir() if home.is_dir() else ():
            if folder.name not in keep:
                shutil.rmtree(folder, ignore_errors=True)

    def _minor(self, runtime: str) -> int:
        found = _RUNTIME.fullmatch(runtime)
        if found and self._environments.has(int(found[1])):
            return int(found[1])
        known = ", ".join(self.runtimes())
        if found:
            why = "no such Python interpreter is on this machine (install it with pyenv or uv)"
        else:
            why = "this emulator runs Python functions only" if runtime else "is missing"
        raise validate.invalid("build_config.runtime", f"{runtime!r}: {why}; runtimes that work here: {known}.")

    def _home(self, function: str) -> Path:
        parts = (names.project_of(function), names.location_of(function), function.rpartition("/")[2])
        return self._directory / "sources" / "_".join(part.replace("/", "_") for part in parts)

    def _source(self, function: types.Function) -> Path:
        return self._home(function.name) / function.service_config.revision


_RESERVED = ("PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION", "FUNCTION_TARGET", "FUNCTION_SIGNATURE_TYPE")


def _check_variables(variables: Mapping[str, str]) -> None:
    for name in variables:
        if name in _RESERVED or name.startswith("X_GOOGLE_"):
            raise validate.invalid("service_config.environment_variables", f"{name!r} is reserved.")
        if not name or "=" in name or "\0" in name + variables[name]:
            raise validate.invalid("service_config.environment_variables", f"{name!r} is no name of a variable.")
