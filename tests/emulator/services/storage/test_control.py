"""StorageControl.GetStorageLayout, which gcsfs asks first."""

from __future__ import annotations

import pytest
from google.api_core import exceptions
from google.cloud.storage_control_v2 import GetStorageLayoutRequest

from gcpmlops.emulator.services.storage.control import StorageControl


@pytest.fixture
def control(engine, mocker):
    return StorageControl(mocker.Mock(), engine)


def test_layout(control, engine):
    engine.buckets.insert("local-project", {"name": "bucket-1", "location": "europe-west1"})
    layout = control.get_storage_layout(GetStorageLayoutRequest(name="projects/_/buckets/bucket-1/storageLayout"))
    assert (layout.location, layout.location_type) == ("EUROPE-WEST1", "region")
    assert not layout.hierarchical_namespace.enabled


def test_bad_names(control):
    with pytest.raises(exceptions.InvalidArgument, match="bucket-1"):
        control.get_storage_layout(GetStorageLayoutRequest(name="bucket-1"))
    with pytest.raises(exceptions.NotFound):
        control.get_storage_layout(GetStorageLayoutRequest(name="projects/_/buckets/none/storageLayout"))
