"""google.devtools.artifactregistry.v1.ArtifactRegistry: repositories, and their policies."""

from __future__ import annotations

import logging
from typing import Any

from google.api_core import exceptions
from google.cloud.artifactregistry_v1 import types
from google.iam.v1 import iam_policy_pb2

from gcpmlops.emulator.kernel import filters, masks, paging
from gcpmlops.emulator.kernel.names import location_of, parse
from gcpmlops.emulator.kernel.service import Service
from gcpmlops.emulator.services.artifact_registry import checks, names
from gcpmlops.emulator.services.artifact_registry.registry import Format, Registry
from gcpmlops.emulator.services.iam import Policies

log = logging.getLogger(__name__)

PROTO = "google.devtools.artifactregistry.v1.ArtifactRegistry"
_FIXED = ("name", "format_", "format", "mode", "kms_key_name", "create_time", "update_time", "size_bytes")
_OUTPUT = (*_FIXED, "satisfies_pzs", "satisfies_pzi", "registry_uri")
_READERS = ("roles/artifactregistry.reader", "roles/artifactregistry.writer")
_STANDARD: Any = types.Repository.Mode.STANDARD_REPOSITORY


class Repositories(Service):
    """Repositories; `Contents` and `Images` have the other methods of the same proto service."""

    proto = PROTO

    def __init__(self, registry: Registry, policies: RepositoryPolicies) -> None:
        super().__init__(registry.context)
        self._registry = registry
        self._policies = policies

    def create_repository(self, request: types.CreateRepositoryRequest) -> Any:
        checks.parent(request.parent)
        checks.repository_id(request.repository_id, location_of(request.parent))
        repository = types.Repository(request.repository)
        checks.repository(repository)
        repository.name = f"{request.parent}/repositories/{request.repository_id}"
        repository.mode = _STANDARD
        repository.create_time = repository.update_time = self.clock.now()
        repository.registry_uri = names.host(repository.name, Format(repository.format_).name)
        if self._registry.repositories.find(repository.name) is not None:
            raise exceptions.AlreadyExists("the repository already exists")
        self._registry.repositories.insert(repository.name, repository)
        if repository.cleanup_policies or repository.kms_key_name:
            log.info("%s: cleanup policies and keys are kept, and have no effect here", repository.name)
        return self._done(request.parent, repository)

    def get_repository(self, request: types.GetRepositoryRequest) -> types.Repository:
        return self._shown(self._stored(request.name))

    def list_repositories(self, request: types.ListRepositoriesRequest) -> types.ListRepositoriesResponse:
        """Of one location, or of all (`locations/-`)."""
        found = parse(names.LOCATION, request.parent)
        stored = self._registry.repositories.list(None if found["location"] == "-" else request.parent)
        mine = [each for each in stored if each.name.startswith(f"projects/{found['project']}/")]
        chosen = [each for each in mine if filters.matches(request.filter, each)]
        page, token = paging.page(filters.order(chosen, request.order_by), request)
        return types.ListRepositoriesResponse(repositories=[self._shown(each) for each in page], next_page_token=token)

    def update_repository(self, request: types.UpdateRepositoryRequest) -> types.Repository:
        self._stored(request.repository.name)
        mask = request.update_mask if request.update_mask.paths else None

        def change(repository: types.Repository) -> None:
            masks.apply(mask, repository, request.repository, immutable=_OUTPUT)
            checks.repository(repository)
            repository.update_time = self.clock.now()

        return self._shown(self._registry.repositories.update(request.repository.name, change))

    def delete_repository(self, request: types.DeleteRepositoryRequest) -> Any:
        self._stored(request.name)
        self._registry.remove_repository(request.name)
        self._policies.forget(request.name)
        return self._done(request.name.rpartition("/repositories/")[0], None)

    def _stored(self, name: str) -> types.Repository:
        parse(names.REPOSITORY, name)
        return self._registry.repository(name)

    def _shown(self, repository: types.Repository) -> types.Repository:
        repository.size_bytes = self._registry.size(repository.name)
        return repository

    def _done(self, parent: str, response: Any) -> Any:
        return self.operations.finished(parent=parent, metadata=types.OperationMetadata(), response=response)


class RepositoryPolicies(Policies):
    """Who may do what with a repository."""

    proto = PROTO

    def __init__(self, registry: Registry) -> None:
        super().__init__(registry.context, registry.repository, permissions="artifactregistry.")

    def is_public(self, repository: str) -> bool:
        """Whether everybody may download from it."""
        try:
            policy = self.get_iam_policy(iam_policy_pb2.GetIamPolicyRequest(resource=repository))
        except exceptions.NotFound:
            return False
        return any(binding.role in _READERS and "allUsers" in binding.members for binding in policy.bindings)
