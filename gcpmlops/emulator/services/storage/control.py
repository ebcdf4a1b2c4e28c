"""Storage Control: what gcsfs and gcloud ask of a bucket before they use it."""

from __future__ import annotations

import re

from google.api_core import exceptions
from google.cloud.storage_control_v2 import GetStorageLayoutRequest, StorageLayout

from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.storage.engine import StorageEngine
from gcpmlops.emulator.services.storage.locations import location_type

_NAME = re.compile(r"projects/[^/]+/buckets/([^/]+)/storageLayout")


class StorageControl(Service):
    """The layout of buckets; folders and caches are not built.

    Args:
        context: the emulator's services.
        engine: the store.
    """

    proto = "google.storage.control.v2.StorageControl"

    def __init__(self, context: Context, engine: StorageEngine) -> None:
        super().__init__(context)
        self._engine = engine

    def get_storage_layout(self, request: GetStorageLayoutRequest) -> StorageLayout:
        """Location and namespace kind of a bucket. Raises InvalidArgument, NotFound."""
        match = _NAME.fullmatch(request.name)
        if match is None:
            raise exceptions.InvalidArgument(f"name: '{request.name}' is not projects/_/buckets/BUCKET/storageLayout")
        bucket = self._engine.buckets.get(match.group(1))
        location = bucket.config["location"]
        hierarchical = bool(bucket.config.get("hierarchicalNamespace", {}).get("enabled"))
        return StorageLayout(
            name=request.name,
            location=location,
            location_type=location_type(location, bucket.config.get("customPlacementConfig")),
            hierarchical_namespace=StorageLayout.HierarchicalNamespace(enabled=hierarchical),
        )
