"""What the live command lines share."""

import uuid
from collections.abc import Callable

import pytest

from gcpmlops import Client


@pytest.fixture(scope="session")
def staging(client: Client) -> str:
    """The staging bucket of `client`, made."""
    assert client.config.staging_bucket
    return client.storage.ensure_bucket(client.config.staging_bucket).name


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Makes names that no other test has used."""
    return lambda prefix: f"{prefix}-{uuid.uuid4().hex[:12]}"
