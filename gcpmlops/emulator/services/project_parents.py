"""google.cloud.resourcemanager.v3.Folders and Organizations: there are none of either."""

from __future__ import annotations

from google.api_core import exceptions
from google.cloud.resourcemanager_v3 import types

from gcpmlops.emulator.kernel.service import Service


class Folders(Service):
    """Whoever asks for one is told what the cloud tells of one that is another's."""

    proto = "google.cloud.resourcemanager.v3.Folders"

    def get_folder(self, request: types.GetFolderRequest) -> types.Folder:
        """Raises: PermissionDenied."""
        raise none_such(request.name)

    def list_folders(self, _: types.ListFoldersRequest) -> types.ListFoldersResponse:
        return types.ListFoldersResponse()

    def search_folders(self, _: types.SearchFoldersRequest) -> types.SearchFoldersResponse:
        return types.SearchFoldersResponse()


class Organizations(Service):
    """The same of organisations."""

    proto = "google.cloud.resourcemanager.v3.Organizations"

    def get_organization(self, request: types.GetOrganizationRequest) -> types.Organization:
        """Raises: PermissionDenied."""
        raise none_such(request.name)

    def search_organizations(self, _: types.SearchOrganizationsRequest) -> types.SearchOrganizationsResponse:
        return types.SearchOrganizationsResponse()


def none_such(parent: str) -> exceptions.PermissionDenied:
    """What an organisation or a folder is asked for in vain."""
    return exceptions.PermissionDenied(
        f"The caller does not have permission: {parent} is not found (this emulator has no organisations and folders)."
    )
