"""Builds through Google's own client."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from google.cloud import secretmanager_v1
from google.cloud.devtools import cloudbuild_v1


@dataclass(frozen=True)
class Building:
    """Submits builds and waits for them."""

    api: cloudbuild_v1.CloudBuildClient
    client: Any
    project: str
    location: str = "us-central1"

    @property
    def parent(self) -> str:
        return f"projects/{self.project}/locations/{self.location}"

    def submit(self, *steps: dict[str, Any], **fields: Any) -> Any:
        """The operation of a new build."""
        build = {"steps": list(steps), "options": {"logging": "CLOUD_LOGGING_ONLY"}, **fields}
        return self.api.create_build(parent=self.parent, build=build)

    def run(self, *steps: dict[str, Any], **fields: Any) -> cloudbuild_v1.Build:
        """A build that has ended, however it did."""
        return self.ended(self.submit(*steps, **fields))

    def ended(self, operation: Any) -> cloudbuild_v1.Build:
        """The build of an operation, at its end."""
        build_id = operation.metadata.build.id
        return until(lambda: (build := self.get(build_id)).finish_time and build)

    def approve(self, build_id: str, **result: Any) -> None:
        self.api.approve_build({"name": f"{self.parent}/builds/{build_id}", "approval_result": result})

    def get(self, build_id: str) -> cloudbuild_v1.Build:
        return self.api.get_build(name=f"{self.parent}/builds/{build_id}")

    def lines(self, build: cloudbuild_v1.Build) -> list[str]:
        """What Cloud Logging has of a build."""
        entries = self.client.clients.logging.list_log_entries(
            resource_names=[f"projects/{self.project}"],
            filter=f'resource.type="build" AND resource.labels.build_id="{build.id}"',
        )
        return [entry.text_payload for entry in entries]

    def printed(self, build: cloudbuild_v1.Build) -> list[str]:
        """What its steps printed."""
        return [line for line in self.lines(build) if line.startswith("Step #")]


def until(condition: Callable[[], Any]) -> Any:
    """The first true answer of `condition`."""
    deadline = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)  # between two looks, not for timing
    return found


@pytest.fixture(scope="session")
def building(client, emulator) -> Building:
    return Building(client.clients.builds, client, emulator.project)


@pytest.fixture
def secret_version(building, google_environment) -> Callable[[bytes], str]:
    """Makes a secret; the name of its version."""
    api = secretmanager_v1.SecretManagerServiceClient(transport="rest")

    def make(payload: bytes) -> str:
        secret = api.create_secret(
            parent=f"projects/{building.project}",
            secret_id=f"s-{uuid.uuid4().hex[:8]}",
            secret={"replication": {"automatic": {}}},
        )
        return str(api.add_secret_version(parent=secret.name, payload={"data": payload}).name)

    return make
