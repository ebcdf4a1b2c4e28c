"""Packages, secrets, builds and notebooks: Artifact Registry, Secret Manager, Cloud Build, Vertex AI Workbench."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from gcpmlops.emulator.kernel.gate import Needed, Unasked
from gcpmlops.emulator.kernel.http import Asgi, Receive, Scope, Send
from gcpmlops.emulator.kernel.registry import JsonRoute
from gcpmlops.emulator.kernel.service import Service
from gcpmlops.emulator.services import iam_routes
from gcpmlops.emulator.services.catalog.administration import Administration
from gcpmlops.emulator.services.catalog.parts import made_once
from gcpmlops.emulator.state.blobs import Blobs

if TYPE_CHECKING:
    from gcpmlops.emulator.services.artifact_registry.registry import Registry
    from gcpmlops.emulator.services.artifact_registry.repositories import RepositoryPolicies
    from gcpmlops.emulator.services.cloud_build.builds import Builds
    from gcpmlops.emulator.services.iam import Policies
    from gcpmlops.emulator.services.notebooks.machines import Machines
    from gcpmlops.emulator.services.secret_manager.vault import Vault


class Delivery(Administration):
    """With what a delivery needs."""

    def _artifact_registry(self) -> Iterable[Service]:
        from gcpmlops.emulator.services.artifact_registry.making import services

        return services(self._package_registry, self._repository_policies)

    @made_once
    def _package_registry(self) -> Registry:
        from gcpmlops.emulator.services.artifact_registry.registry import Registry

        return Registry(self._context, Blobs(self._data / "blobs" / "packages"))

    @made_once
    def _repository_policies(self) -> RepositoryPolicies:
        from gcpmlops.emulator.services.artifact_registry.repositories import RepositoryPolicies

        return RepositoryPolicies(self._package_registry)

    @made_once
    def _package_hosts(self) -> Asgi:
        from gcpmlops.emulator.services.artifact_registry.making import hosts

        return hosts(self._package_registry, self._repository_policies, self._authenticator, self.gate)

    def _own_index(self, requirement: str) -> tuple[str, str] | None:
        if ".pkg.dev/" not in requirement:
            return None
        from gcpmlops.emulator.services.artifact_registry.python import own_index

        if not own_index.is_own(requirement):
            return None
        token = self._authenticator.access_token(self._authenticator.email)
        return own_index.reached(self._package_registry, requirement, port=self._port, token=token)

    async def _packages_app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Made when a package host is first asked for."""
        await self._package_hosts(scope, receive, send)

    def _secret_manager(self) -> Iterable[Service]:
        from gcpmlops.emulator.services.secret_manager.service import SecretPolicies, Secrets
        from gcpmlops.emulator.services.secret_manager.versions import Versions

        vault = self._secret_versions
        return (Secrets(vault), Versions(vault), SecretPolicies(vault))

    @made_once
    def _secret_versions(self) -> Vault:
        """`.access(name)` gives a secret's payload to other services."""
        from gcpmlops.emulator.services.secret_manager.notices import Notices
        from gcpmlops.emulator.services.secret_manager.service import SecretPolicies
        from gcpmlops.emulator.services.secret_manager.vault import Vault

        made = Vault(self._context, Notices(lambda: self._publisher, self._context.clock.now))
        made.on_delete = SecretPolicies(made).forget
        made.resume()
        return made

    def _notebooks(self) -> Iterable[Service]:
        from gcpmlops.emulator.services.notebooks.instances import Instances

        return (Instances(self._context, self._machines, self._instance_policies), self._instance_policies)

    def _notebook_routes(self) -> tuple[JsonRoute, ...]:
        def config(variables: Mapping[str, str], _: Any) -> dict[str, Any]:
            from gcpmlops.emulator.services.notebooks import config

            return config.answer(variables["name"])

        def resize(variables: Mapping[str, str], body: Any) -> dict[str, Any]:
            from gcpmlops.emulator.services.notebooks import resizing

            return resizing.resize(self._context, variables["name"], body or {})

        instances, may_resize = "projects/*/locations/*/instances/*", Needed("notebooks.instances.update", "{name}")
        return (
            JsonRoute("GET", "/v2/{name=projects/*/locations/*}/instances:getConfig", config, Unasked.FREE),
            JsonRoute("POST", f"/v2/{{name={instances}}}:resizeDisk", resize, may_resize),
            *iam_routes.routes(lambda: self._instance_policies, f"/v2/{{resource={instances}}}"),
        )

    @made_once
    def _instance_policies(self) -> Policies:
        from gcpmlops.emulator.services.iam import Policies

        return Policies(self._context, self._machines.rows.get, permissions="notebooks.")

    @made_once
    def _machines(self) -> Machines:
        from gcpmlops.emulator.runtimes.notebook import NotebookRuntime
        from gcpmlops.emulator.services.notebooks.machines import Machines
        from gcpmlops.emulator.services.notebooks.scripts import Scripts

        directory = self._data / "notebooks"
        runtime = NotebookRuntime(self.processes, lambda: self._environments, directory, self._child_variables)
        scripts = Scripts(runtime, self.storage)
        made: Machines = self._closed_later(Machines(self._context, runtime, scripts, self.logs.write))
        return made

    def _cloud_build(self) -> Iterable[Service]:
        from gcpmlops.emulator.services.cloud_build.service import BuildService
        from gcpmlops.emulator.services.cloud_build.triggers import TriggerService

        secret, subscriber = (lambda name: self._secret_versions.access(name)), (lambda: self._subscriber)
        return (
            BuildService(self._context, self._builds),
            TriggerService(self._context, self._builds, secret, subscriber),
        )

    @made_once
    def _builds(self) -> Builds:
        from gcpmlops.emulator.runtimes.build_images import BuildImages
        from gcpmlops.emulator.services.cloud_build.artifacts import Artifacts
        from gcpmlops.emulator.services.cloud_build.builds import Builds
        from gcpmlops.emulator.services.cloud_build.images import Images
        from gcpmlops.emulator.services.cloud_build.machine import Machine
        from gcpmlops.emulator.services.cloud_build.notices import Notices
        from gcpmlops.emulator.services.cloud_build.packages import Packages
        from gcpmlops.emulator.services.cloud_build.sources import Sources

        machine = Machine(
            processes=self.processes,
            images=BuildImages(self._environments, self._settings.images),
            storage=self.storage,
            sources=Sources(self.storage, self.processes),
            artifacts=Artifacts(self.storage, self._context.access),
            packages=Packages(self.outbound),
            pushed=Images(self.processes),
            directory=self._data / "builds",
            variables=self._child_variables,
            secret=lambda name: self._secret_versions.access(name),
            write_log=self.logs.write,
            access=self._context.access,
            clock=self._context.clock,
        )
        made: Builds = self._closed_later(Builds(self._context, machine))
        made.rows.on_change.append(Notices(self._context.store, lambda: self._publisher))
        made.resume()
        return made
