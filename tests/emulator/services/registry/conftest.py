"""The whole registry on the serving fixture's rows."""

from __future__ import annotations

from typing import Any

import pytest

from gcpmlops.emulator.services.registry import Registry


class Parts:
    """Every method of the registry, whichever class holds it."""

    def __init__(self, registry: Registry) -> None:
        self._services = registry.services()

    def __getattr__(self, method: str) -> Any:
        return next(getattr(service, method) for service in self._services if hasattr(service, method))


@pytest.fixture
def registry(serving: Any) -> Parts:
    return Parts(Registry(serving.context, serving.artifacts, serving.objects))


@pytest.fixture
def uri(serving: Any) -> str:
    serving.objects.put("models/v1/model.joblib", b"one")
    serving.objects.put("models/v1/notes/a.txt", b"two")
    return "gs://b/models/v1"
