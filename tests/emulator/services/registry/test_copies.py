"""CopyModel and ExportModel: the artifacts as they were at upload."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

HERE = "projects/p1/locations/us-central1"
THERE = "projects/p1/locations/europe-west4"


def copy(serving: Any, registry: Any, source: str, parent: str = THERE, **fields: str) -> types.CopyModelResponse:
    request = types.CopyModelRequest(parent=parent, source_model=source, **fields)
    return serving.done(registry.copy_model(request), types.CopyModelResponse)


def get(serving: Any, name: str) -> types.Model:
    return serving.models.get_model(types.GetModelRequest(name=name))


def test_a_copy_is_a_model_of_its_own(serving: Any, registry: Any, uri: str) -> None:
    model = serving.upload(uri, labels={"a": "1"}, model_id="flights").model
    serving.upload(uri, parent_model=model, labels={"b": "2"}, version_aliases=["golden"])
    (serving.objects.path / "models/v1/model.joblib").unlink()
    made = copy(serving, registry, f"{model}@golden", model_id="flights")
    assert (made.model, made.model_version_id) == (f"{THERE}/models/flights", "1")
    copied = get(serving, made.model)
    assert dict(copied.labels) == {"a": "1", "b": "2"}
    assert list(copied.version_aliases) == ["default"]
    assert copied.model_source_info.copy
    assert copied.original_model_info.model == f"{model}@2"
    assert copied.container_spec == get(serving, model).container_spec
    assert (serving.artifacts.path(f"{made.model}@1") / "model.joblib").read_bytes() == b"one"
    serving.done(registry.delete_model(types.DeleteModelRequest(name=model)))
    assert (serving.artifacts.path(f"{made.model}@1") / "notes/a.txt").read_bytes() == b"two"


def test_a_copy_is_a_version_of_another_model(serving: Any, registry: Any, uri: str) -> None:
    source, target = serving.upload(uri).model, serving.upload(uri).model
    made = copy(serving, registry, source, HERE, parent_model=target)
    assert (made.model, made.model_version_id) == (target, "2")
    assert list(get(serving, f"{target}@2").version_aliases) == []
    assert get(serving, target).version_id == "1"
    within = copy(serving, registry, f"{target}@2", HERE, parent_model=target)
    assert within.model_version_id == "3"
    generated = copy(serving, registry, source)
    assert generated.model.removeprefix(f"{THERE}/models/").isdigit()


def test_copies_that_cannot_be(serving: Any, registry: Any, uri: str) -> None:
    model = serving.upload(uri, model_id="m").model
    with pytest.raises(exceptions.AlreadyExists, match="models/m"):
        copy(serving, registry, model, HERE, model_id="m")
    with pytest.raises(exceptions.NotFound, match="models/none"):
        copy(serving, registry, f"{HERE}/models/none")
    with pytest.raises(exceptions.NotFound, match="@7"):
        copy(serving, registry, f"{model}@7")
    with pytest.raises(exceptions.InvalidArgument, match=r"parent_model.*not in"):
        copy(serving, registry, model, THERE, parent_model=model)
    with pytest.raises(exceptions.InvalidArgument, match="source_model"):
        copy(serving, registry, "")


def export(registry: Any, name: str, **config: Any) -> Any:
    return registry.export_model(types.ExportModelRequest(name=name, output_config=config))


def to(uri: str) -> dict[str, str]:
    return {"output_uri_prefix": uri}


def test_artifacts_are_exported_into_a_folder_of_their_own(serving: Any, registry: Any, uri: str) -> None:
    model = serving.upload(uri, display_name="late/flights").model
    (serving.objects.path / "models/v1/model.joblib").unlink()
    started = export(registry, model, export_format_id="custom-trained", artifact_destination=to("gs://b/out/"))
    metadata = types.ExportModelOperationMetadata.pb()()
    assert started.metadata.Unpack(metadata)
    folder = metadata.output_info.artifact_output_uri
    assert folder.startswith("gs://b/out/model-export-late_flights-")
    assert folder.endswith("Z")
    serving.done(started)
    written = serving.objects.path / folder.removeprefix("gs://b/")
    assert (written / "model.joblib").read_bytes() == b"one"
    assert (written / "notes/a.txt").read_bytes() == b"two"


@pytest.mark.parametrize(
    ("config", "kind", "text"),
    [
        ({"artifact_destination": to("gs://none/x")}, exceptions.NotFound, "no bucket none"),
        ({"artifact_destination": to("/tmp/x")}, exceptions.InvalidArgument, "not a gs:// URI"),
        ({"export_format_id": "onnx", "artifact_destination": to("gs://b/x")}, exceptions.InvalidArgument, "onnx"),
        ({"export_format_id": "custom-trained"}, exceptions.InvalidArgument, "output_uri_prefix"),
        (
            {"image_destination": {"output_uri": "gcr.io/a/b"}},
            exceptions.MethodNotImplemented,
            "ModelService.ExportModel.*image_destination",
        ),
    ],
)
def test_exports_that_cannot_be(
    serving: Any, registry: Any, uri: str, config: dict[str, Any], kind: type[Exception], text: str
) -> None:
    model = serving.upload(uri).model
    with pytest.raises(kind, match=text):
        export(registry, model, **config)


def test_a_model_without_artifacts_has_nothing_to_export(serving: Any, registry: Any) -> None:
    model = serving.upload("").model
    assert not get(serving, model).supported_export_formats
    with pytest.raises(exceptions.FailedPrecondition, match="no artifacts"):
        export(registry, model, artifact_destination=to("gs://b/x"))
    copied = copy(serving, registry, model)
    assert not serving.artifacts.path(f"{copied.model}@1").exists()
