"""Packages, secrets, builds and notebooks: Artifact Registry, Secret Manager, Cloud Build, Vertex AI Workbench."""

from __future__ import annotations

from collections.abc import Iterable

from gcpmlops.emulator.kernel.service import Service
from gcpmlops.emulator.services.catalog.administration import Administration


class Delivery(Administration):
    """With what a delivery needs."""

    def _artifact_registry(self) -> Iterable[Service]:
        return ()

    def _secret_manager(self) -> Iterable[Service]:
        return ()

    def _notebooks(self) -> Iterable[Service]:
        return ()

    def _cloud_build(self) -> Iterable[Service]:
        return ()
