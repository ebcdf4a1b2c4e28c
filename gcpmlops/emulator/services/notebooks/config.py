"""`instances:getConfig`, which the installed client does not describe and gcloud asks for."""

from __future__ import annotations

from typing import Any

from gcpmlops.emulator.services.notebooks import checks


def answer(parent: str) -> dict[str, Any]:
    """What an instance of a zone is by default, and made from."""
    checks.parent(parent)
    return {
        "defaultValues": {"machineType": checks.MACHINE_TYPE},
        "availableImages": [{"imageName": checks.IMAGE_FAMILY}],
        "disableWorkbenchLegacyCreation": True,
    }
