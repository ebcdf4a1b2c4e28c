"""ModelService: versions, aliases, and a private copy of the artifacts."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.services.registry.versions import Versions

PARENT = "projects/p1/locations/us-central1"


def get(serving: Any, name: str) -> types.Model:
    return serving.models.get_model(types.GetModelRequest(name=name))


def test_a_first_version_is_the_default_one(serving: Any, uri: str) -> None:
    made = serving.upload(uri, labels={"team": "x"}, description="d", model_id="flights")
    assert (made.model, made.model_version_id) == (f"{PARENT}/models/flights", "1")
    model = get(serving, made.model)
    assert (model.name, model.version_id, list(model.version_aliases)) == (made.model, "1", ["default"])
    assert dict(model.labels) == {"team": "x"}
    assert model.container_spec.image_uri.endswith("sklearn-cpu.1-5:latest")
    assert model.create_time == model.version_create_time
    assert "jsonl" in model.supported_input_storage_formats
    assert model.etag
    assert get(serving, f"{made.model}@1") == get(serving, f"{made.model}@default") == model


def test_artifacts_are_copied_at_upload(serving: Any, uri: str) -> None:
    made = serving.upload(uri + "/")
    (serving.objects.path / "models/v1/model.joblib").unlink()
    copy = serving.artifacts.path(f"{made.model}@1")
    assert (copy / "model.joblib").read_bytes() == b"one"
    assert (copy / "notes/a.txt").read_bytes() == b"two"


@pytest.mark.parametrize(
    ("uri", "kind", "text"),
    [
        ("gs://b/models/none", exceptions.NotFound, "gs://b/models/none is not found"),
        ("gs://b/models/v", exceptions.NotFound, "gs://b/models/v is not found"),
        ("gs://other/m", exceptions.NotFound, "gs://other/m is not found: there is no bucket other"),
        ("/local/m", exceptions.InvalidArgument, "'/local/m' is not a gs:// URI"),
    ],
)
def test_missing_artifacts_fail_the_upload_and_name_the_uri(
    serving: Any, uri: str, kind: type[Exception], text: str
) -> None:
    serving.objects.put("models/v1/model.joblib", b"one")
    with pytest.raises(kind, match=text):
        serving.upload(uri, model_id="m")
    with pytest.raises(exceptions.NotFound):
        get(serving, f"{PARENT}/models/m")


def test_versions_and_aliases_move(serving: Any, uri: str) -> None:
    model = serving.upload(uri, labels={"a": "1"}).model
    serving.upload(uri, parent_model=model, labels={"b": "2"}, version_aliases=["golden"], version_description="two")
    serving.upload(uri, parent_model=model, version_aliases=["default", "golden"])
    listed = serving.models.list_model_versions(types.ListModelVersionsRequest(name=model)).models
    assert [(m.version_id, list(m.version_aliases)) for m in listed] == [
        ("1", []),
        ("2", []),
        ("3", ["default", "golden"]),
    ]
    assert dict(get(serving, f"{model}@2").labels) == {"a": "1", "b": "2"}
    request = types.MergeVersionAliasesRequest(name=f"{model}@2", version_aliases=["golden", "default", "-none"])
    assert list(serving.models.merge_version_aliases(request).version_aliases) == ["default", "golden"]
    assert get(serving, model).version_id == "2"
    assert list(get(serving, f"{model}@3").version_aliases) == []
    request = types.MergeVersionAliasesRequest(name=f"{model}@2", version_aliases=["-golden"])
    assert list(serving.models.merge_version_aliases(request).version_aliases) == ["default"]
    with pytest.raises(exceptions.NotFound, match="alias 'golden'"):
        get(serving, f"{model}@golden")
    for bad in ("-default", "Golden", "1"):
        with pytest.raises(exceptions.InvalidArgument, match="alias"):
            serving.models.merge_version_aliases(
                types.MergeVersionAliasesRequest(name=f"{model}@2", version_aliases=[bad])
            )


def test_versions_are_deleted_and_their_numbers_are_not_used_again(serving: Any, uri: str) -> None:
    model = serving.upload(uri).model
    serving.upload(uri, parent_model=model)
    serving.done(serving.models.delete_model_version(types.DeleteModelVersionRequest(name=f"{model}@2")))
    assert serving.upload(uri, parent_model=model).model_version_id == "3"
    with pytest.raises(exceptions.NotFound):
        get(serving, f"{model}@2")
    with pytest.raises(exceptions.FailedPrecondition, match="is the default version"):
        serving.models.delete_model_version(types.DeleteModelVersionRequest(name=f"{model}@1"))
    serving.done(serving.models.delete_model(types.DeleteModelRequest(name=model)))
    with pytest.raises(exceptions.NotFound, match=model):
        get(serving, model)
    assert not serving.artifacts.path(f"{model}@1").exists()


def test_model_fields_and_version_fields_are_updated_by_their_own_names(serving: Any, uri: str) -> None:
    model = serving.upload(uri).model

    def update(name: str, paths: list[str], **fields: Any) -> types.Model:
        request = types.UpdateModelRequest(model={"name": name, **fields}, update_mask={"paths": paths})
        return serving.models.update_model(request)

    assert update(model, ["display_name", "labels"], display_name="new", labels={"a": "b"}).display_name == "new"
    updated = update(f"{model}@1", ["version_description"], version_description="first")
    assert (updated.version_description, updated.display_name, dict(updated.labels)) == ("first", "new", {"a": "b"})
    with pytest.raises(exceptions.FailedPrecondition, match="version_description"):
        update(model, ["version_description"], version_description="x")
    with pytest.raises(exceptions.FailedPrecondition, match="artifact_uri"):
        update(model, ["artifact_uri"], artifact_uri="gs://x")
    with pytest.raises(exceptions.Aborted, match="etag"):
        update(model, ["display_name"], display_name="x", etag="old")
    assert update(model, ["display_name"], display_name="x", etag=updated.etag).display_name == "x"


def test_models_are_listed_newest_first_filtered_ordered_and_paged(serving: Any, uri: str) -> None:
    names = [
        serving.upload(uri, display_name=name, model_id=f"id{name}", labels={"k": name}).model
        for name in ("b", "a", "c")
    ]

    def listed(**fields: Any) -> Any:
        return serving.models.list_models(types.ListModelsRequest(parent=PARENT, **fields))

    assert [model.name for model in listed().models] == names[::-1]
    assert [model.display_name for model in listed(order_by="display_name").models] == ["a", "b", "c"]
    assert [model.name for model in listed(filter='display_name="a"').models] == [names[1]]
    assert [model.name for model in listed(filter="labels.k=c").models] == [names[2]]
    assert [model.name for model in listed(filter="labels:k AND labels.k!=c").models] == names[1::-1]
    assert [model.name for model in listed(filter="labels:z").models] == []
    assert [model.name for model in listed(filter="model=idb").models] == [names[0]]
    assert [model.name for model in listed(filter='model_user_id="idb"').models] == [names[0]]
    assert [model.name for model in listed(filter="model!=idb").models] == [names[2], names[1]]
    assert list(listed(filter='display_name="model=idb"').models) == []
    assert list(listed(filter='base_model_name="text-bison"').models) == []
    assert len(listed(filter='create_time>"2020-01-01T00:00:00Z"').models) == 3
    assert [model.name for model in listed(order_by="create_time desc").models] == names[::-1]
    first = listed(page_size=2)
    rest = listed(page_size=2, page_token=first.next_page_token)
    assert [model.name for model in [*first.models, *rest.models]] == names[::-1]
    assert rest.next_page_token == ""
    assert listed(read_mask={"paths": ["display_name"]}).models[0] == types.Model(display_name="c")
    other = serving.models.list_models(types.ListModelsRequest(parent="projects/p1/locations/europe-west4"))
    assert list(other.models) == []


@pytest.mark.parametrize(
    ("fields", "kind", "text"),
    [
        ({"display_name": ""}, exceptions.InvalidArgument, "model.display_name"),
        ({"image": ""}, exceptions.InvalidArgument, "model.container_spec.image_uri"),
        ({"model_id": "1a"}, exceptions.InvalidArgument, "model_id"),
        ({"parent_model": f"{PARENT}/models/none"}, exceptions.NotFound, "models/none"),
        ({"version_aliases": ["Bad"]}, exceptions.InvalidArgument, "'Bad'"),
        ({"labels": {"A": "b"}}, exceptions.InvalidArgument, "labels.A"),
    ],
)
def test_bad_uploads_are_refused_at_once(
    serving: Any, uri: str, fields: dict[str, Any], kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind, match=text):
        serving.upload(uri, **fields)


def test_a_taken_id_needs_parent_model(serving: Any, uri: str) -> None:
    serving.upload(uri, model_id="m")
    with pytest.raises(exceptions.AlreadyExists, match="parent_model"):
        serving.upload(uri, model_id="m")


def test_any_image_is_registered(serving: Any, uri: str) -> None:
    model = serving.upload(uri, image="gcr.io/me/own:1", container={"env": [{"name": "A", "value": "b"}]}).model
    assert get(serving, model).container_spec.env[0].value == "b"


def test_versions_are_ordered_filtered_and_paged(serving: Any, uri: str) -> None:
    model = serving.upload(uri).model
    for team in ("x", "y"):
        serving.upload(uri, parent_model=model, labels={"team": team})

    def listed(**fields: Any) -> Any:
        return serving.models.list_model_versions(types.ListModelVersionsRequest(name=model, **fields))

    assert [row.version_id for row in listed(order_by="create_time desc").models] == ["3", "2", "1"]
    assert [row.version_id for row in listed(filter='labels.team="y"').models] == ["3"]
    assert [row.version_id for row in listed(filter="labels:team").models] == ["2", "3"]
    first = listed(page_size=2)
    assert [row.version_id for row in listed(page_size=2, page_token=first.next_page_token).models] == ["3"]


def test_checkpoints_of_the_latest_version(serving: Any, uri: str) -> None:
    model = serving.upload(uri).model
    serving.upload(uri, parent_model=model, checkpoints=[{"checkpoint_id": "forged"}])

    def listed(name: str, **fields: Any) -> Any:
        request = types.ListModelVersionCheckpointsRequest(name=name, **fields)
        return serving.models.list_model_version_checkpoints(request)

    assert list(listed(model).checkpoints) == []
    tuned = [types.Checkpoint(checkpoint_id=str(step), epoch=1, step=step) for step in (10, 20)]
    rows = serving.context.store.collection(types.Model)
    rows.update(f"{model}@2", lambda row: setattr(row, "checkpoints", tuned))
    assert [(c.checkpoint_id, c.epoch, c.step) for c in listed(model).checkpoints] == [("10", 1, 10), ("20", 1, 20)]
    assert list(listed(f"{model}@1").checkpoints) == []
    first = listed(f"{model}@2", page_size=1)
    assert [c.step for c in listed(f"{model}@2", page_size=1, page_token=first.next_page_token).checkpoints] == [20]
    with pytest.raises(exceptions.NotFound):
        listed(f"{model}0")


def test_a_version_that_serves_is_not_deleted(serving: Any, uri: str) -> None:
    model = serving.upload(uri).model
    serving.upload(uri, parent_model=model)
    request = types.DeleteModelVersionRequest(name=f"{model}@2")
    rows = serving.context.store.collection(types.Model)
    reference = types.DeployedModelRef(endpoint=f"{PARENT}/endpoints/1", deployed_model_id="9")
    rows.update(f"{model}@2", lambda row: row.deployed_models.append(reference))
    for refused in (
        lambda: serving.models.delete_model_version(request),
        lambda: serving.models.delete_model(types.DeleteModelRequest(name=model)),
        lambda: Versions(serving.context, serving.artifacts).delete(model),
    ):
        with pytest.raises(exceptions.FailedPrecondition, match=r"deployed as 9 to .*endpoints/1"):
            refused()
    assert [row.version_id for row in rows.list(parent=model)] == ["1", "2"]
    assert serving.artifacts.path(f"{model}@1").exists()


def test_what_only_the_service_says_is_not_taken_from_clients(serving: Any, uri: str) -> None:
    made = serving.upload(uri, original_model_info={"model": "x"}, training_pipeline="x", etag="x")
    model = get(serving, made.model)
    assert (model.training_pipeline, model.original_model_info.model) == ("", "")
    assert model.model_source_info.source_type == types.ModelSourceInfo.ModelSourceType.CUSTOM


def test_an_etag_alone_says_which_version_is_updated(serving: Any, uri: str) -> None:
    model = serving.upload(uri).model
    serving.upload(uri, parent_model=model)
    read = get(serving, f"{model}@2")
    read.version_description = "better"  # its name has no @2: ModelRegistry.update_version sends it back like that
    request = types.UpdateModelRequest(model=read, update_mask={"paths": ["version_description"]})
    assert serving.models.update_model(request).version_id == "2"
    assert get(serving, f"{model}@2").version_description == "better"
    assert get(serving, f"{model}@1").version_description == ""
    with pytest.raises(exceptions.Aborted, match="etag"):
        serving.models.update_model(request)
