"""google.devtools.artifactregistry.v1.ArtifactRegistry: Python packages, one for each version."""

from __future__ import annotations

from google.api_core import exceptions
from google.cloud.artifactregistry_v1 import types

from gcpmlops.emulator.kernel import paging
from gcpmlops.emulator.kernel.service import Service
from gcpmlops.emulator.services.artifact_registry import names
from gcpmlops.emulator.services.artifact_registry.registry import Registry
from gcpmlops.emulator.services.artifact_registry.repositories import PROTO


class PythonPackages(Service):
    """Another view of packages and versions."""

    proto = PROTO

    def __init__(self, registry: Registry) -> None:
        super().__init__(registry.context)
        self._registry = registry

    def get_python_package(self, request: types.GetPythonPackageRequest) -> types.PythonPackage:
        name = names.canonical(request.name, "pythonPackages")
        package, _, version = names.plain(name).rpartition(":")
        above = names.repository_of(name)
        stored = self._registry.versions.find(
            f"{above}/packages/{names.escape(package)}/versions/{names.escape(version)}"
        )
        if stored is None:
            raise exceptions.NotFound(f"PythonPackage {name} is not found.")
        return self._shown(stored)

    def list_python_packages(self, request: types.ListPythonPackagesRequest) -> types.ListPythonPackagesResponse:
        self._registry.repository(request.parent, "PYTHON")
        packages = self._registry.packages.list(request.parent)
        versions = [version for package in packages for version in self._registry.versions.list(package.name)]
        page, token = paging.page(versions, request)
        return types.ListPythonPackagesResponse(
            python_packages=[self._shown(each) for each in page], next_page_token=token
        )

    def _shown(self, version: types.Version) -> types.PythonPackage:
        above, package = names.repository_of(version.name), names.package_of(version.name)
        name, number = names.plain(package), names.plain(version.name)
        files = self._registry.owned(version.name)
        return types.PythonPackage(
            name=f"{above}/pythonPackages/{name}:{names.escape(number)}",
            uri=f"{names.host(above, 'PYTHON')}/{names.plain(files[0].name)}" if files else "",
            package_name=name,
            version=number,
            create_time=version.create_time,
            update_time=version.update_time,
        )
