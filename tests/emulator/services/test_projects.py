"""Resource Manager: projects by id and by number, over gRPC and REST."""

from __future__ import annotations

import pytest
from google.api_core import exceptions
from google.cloud import resourcemanager_v3

from gcpmlops.emulator.server import Running


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_a_number_finds_the_project(transport: str, emulator: Running, google_environment: dict[str, str]) -> None:
    client = resourcemanager_v3.ProjectsClient(transport=transport)
    project = client.get_project(name=f"projects/{emulator.project}")
    assert project.project_id == emulator.project
    assert client.get_project(name=project.name).project_id == emulator.project
    with pytest.raises(exceptions.BadRequest, match="6 to 30"):
        client.get_project(name="projects/No")
    with pytest.raises(exceptions.NotFound, match="12345"):
        client.get_project(name="projects/12345")
