"""Cloud Storage: our own object store, and its JSON and XML APIs."""

from gcpmlops.emulator.services.storage.app import StorageApp
from gcpmlops.emulator.services.storage.engine import StorageEngine

__all__ = ["StorageApp", "StorageEngine"]
