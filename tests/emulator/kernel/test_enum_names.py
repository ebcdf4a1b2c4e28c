"""Enum values in JSON by names in any case, wherever in a message they stand."""

from google.cloud.artifactregistry_v1 import types

from gcpmlops.emulator.kernel.enum_names import folded


def test_values_of_enums_alone_are_changed() -> None:
    policy = {"id": "delete", "action": "Delete", "condition": {"tagState": "any", "tagPrefixes": ["any"]}}
    sent = {"format": "docker", "description": "docker", "labels": {"mode": "docker"}, "cleanupPolicies": {"a": policy}}
    found = folded(sent, types.Repository.pb().DESCRIPTOR)
    assert found == {
        "format": "DOCKER",
        "description": "docker",
        "labels": {"mode": "docker"},
        "cleanupPolicies": {
            "a": {"id": "delete", "action": "DELETE", "condition": {"tagState": "ANY", "tagPrefixes": ["any"]}}
        },
    }
    assert sent["format"] == "docker"  # what was sent stays


def test_what_is_no_value_stays() -> None:
    descriptor = types.Repository.pb().DESCRIPTOR
    for sent in ({"format": "nothing"}, {"format": 3}, {"mode": None}, {"cleanupPolicies": []}, [], "x"):
        assert folded(sent, descriptor) == sent
