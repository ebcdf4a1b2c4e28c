"""UpdateExplanationDataset: a model explained by examples gets more of them."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types


def source(*uris: str) -> dict[str, Any]:
    return {"example_gcs_source": {"data_format": "JSONL", "gcs_source": {"uris": list(uris)}}}


@pytest.fixture
def model(serving: Any, uri: str) -> str:
    for name in ("a", "b"):
        serving.objects.put(f"examples/{name}.jsonl", b"{}")
    parameters = {"examples": {**source("gs://b/examples/a.jsonl"), "neighbor_count": 3}}
    name: str = serving.upload(uri, explanation_spec={"parameters": parameters}).model
    return name


def test_examples_are_added(serving: Any, registry: Any, model: str) -> None:
    given = source("gs://b/examples/b.jsonl", "gs://b/examples/a.jsonl")
    request = types.UpdateExplanationDatasetRequest(model=model, examples=given)
    serving.done(registry.update_explanation_dataset(request), types.UpdateExplanationDatasetResponse)
    examples = registry.get_model(types.GetModelRequest(name=model)).explanation_spec.parameters.examples
    assert list(examples.example_gcs_source.gcs_source.uris) == ["gs://b/examples/a.jsonl", "gs://b/examples/b.jsonl"]
    assert examples.neighbor_count == 3


def test_what_is_missing_is_named(serving: Any, registry: Any, model: str, uri: str) -> None:
    def update(name: str, **examples: Any) -> None:
        registry.update_explanation_dataset(types.UpdateExplanationDatasetRequest(model=name, examples=examples))

    with pytest.raises(exceptions.NotFound, match=r"gs://b/examples/c.jsonl"):
        update(model, **source("gs://b/examples/c.jsonl"))
    with pytest.raises(exceptions.InvalidArgument, match="uris"):
        update(model, neighbor_count=2)
    with pytest.raises(exceptions.FailedPrecondition, match="not explained by examples"):
        update(serving.upload(uri).model, **source("gs://b/examples/*"))
