"""The model registry by the SDK and by Google's own client, over the given transports."""

import sys
import uuid

import pytest
from google.api_core import exceptions
from google.cloud import aiplatform, aiplatform_v1, storage

IMAGE = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"
SCHEMA = "gs://google-cloud-aiplatform/schema/modelevaluation/classification_metrics_1.0.0.yaml"
BUCKETS = storage.Client()


def versions_of_the_sdk(name: str, uri: str) -> aiplatform.Model:
    """Upload, versions, aliases, copy, export as `aiplatform.Model` and `ModelRegistry` have them."""
    given = {"artifact_uri": uri, "serving_container_image_uri": IMAGE}
    first = aiplatform.Model.upload(
        model_id=name, display_name=name, labels={"team": name}, version_aliases=["golden"],
        serving_container_environment_variables={"A": "b"}, version_description="one", **given,
    )  # fmt: skip
    assert (first.name, first.version_id, first.version_aliases) == (name, "1", ["default", "golden"])
    second = aiplatform.Model.upload(parent_model=name, is_default_version=False, version_aliases=["next"], **given)
    third = aiplatform.Model.upload(parent_model=first.resource_name, is_default_version=True, **given)
    assert (second.version_aliases, third.version_aliases) == (["next"], ["default"])
    assert aiplatform.Model(name).version_id == "3"
    assert aiplatform.Model(f"{name}@golden").version_id == "1"
    assert aiplatform.Model(name, version="next").container_spec.image_uri == IMAGE

    registry = aiplatform.models.ModelRegistry(name)
    registry.add_version_aliases(["golden", "stable"], version="next")
    registry.remove_version_aliases(["next"], version="2")
    assert registry.get_version_info("2").version_aliases == ["golden", "stable"]
    assert registry.get_version_info("1").version_aliases == []
    registry.update_version("1", version_description="the first", labels={"stage": "old"})
    assert registry.get_version_info("1").version_description == "the first"
    assert [each.version_id for each in registry.list_versions()] == ["1", "2", "3"]
    assert [each.version_id for each in registry.list_versions(filter="labels.stage=old")] == ["1"]

    with pytest.raises(exceptions.Conflict, match="etag"):  # read before the aliases moved
        first.update(display_name="too late")
    aiplatform.Model(name).update(
        display_name=f"{name} renamed", description="all versions", labels={"team": name, "x": "y"}
    )
    listed = aiplatform.Model.list(filter=f'labels.team="{name}"')
    assert [(each.display_name, each.version_id) for each in listed] == [(f"{name} renamed", "3")]
    assert aiplatform.Model.list(filter=f'labels.team="{name}" AND labels.x:*', order_by="create_time desc")
    return second


def copies_and_exports_of_the_sdk(model: aiplatform.Model, bucket: storage.Bucket) -> None:
    name = model.name
    other = model.copy(destination_location="us-central1", destination_model_id=f"{name}-copy")
    assert (other.name, other.version_id) == (f"{name}-copy", "1")
    again = aiplatform.Model(name, version="1").copy("us-central1", destination_parent_model=other.resource_name)
    assert again.version_id == "2"
    far = model.copy(destination_location="europe-west4")
    assert far.location == "europe-west4"
    assert far.gca_resource.original_model_info.model == f"{model.resource_name}@2"
    far.delete()
    info = other.export_model("custom-trained", artifact_destination=f"gs://{bucket.name}/export")
    folder = info["artifactOutputUri"].removeprefix(f"gs://{bucket.name}/")
    assert [blob.name for blob in bucket.list_blobs(prefix=folder)] == [f"{folder.rstrip('/')}/model.joblib"]
    other.delete()
    with pytest.raises(exceptions.NotFound):
        aiplatform.Model(other.resource_name)


def models_of_the_client(client: aiplatform_v1.ModelServiceClient, model: aiplatform.Model, uri: str) -> None:
    """What the SDK has no call for."""
    name, parent = model.resource_name, model.resource_name.rpartition("/models/")[0]
    page = client.list_model_versions(request={"name": name, "page_size": 2, "order_by": "create_time desc"})
    assert [each.version_id for each in page] == ["3", "2", "1"]
    assert len(next(client.list_model_versions(request={"name": name, "page_size": 2}).pages).models) == 2
    assert list(client.list_model_version_checkpoints(name=name)) == []
    with pytest.raises(exceptions.BadRequest, match="version_aliases"):
        client.merge_version_aliases(name=f"{name}@1", version_aliases=["No Alias"])
    merged = client.merge_version_aliases(name=f"{name}@1", version_aliases=["golden", "-stable"])
    assert list(merged.version_aliases) == ["golden"]
    given = {"display_name": "x", "artifact_uri": uri, "container_spec": {"image_uri": IMAGE}}
    with pytest.raises(exceptions.Conflict, match="parent_model"):
        client.upload_model(request={"parent": parent, "model": given, "model_id": model.name}).result()
    lost = {**given, "artifact_uri": f"{uri}/nothing here"}
    with pytest.raises(exceptions.NotFound, match="nothing here"):
        client.upload_model(request={"parent": parent, "model": lost}).result()
    with pytest.raises(exceptions.BadRequest, match="default"):
        client.delete_model_version(name=f"{name}@3").result()
    client.delete_model_version(name=f"{name}@1").result()
    assert sorted(each.version_id for each in client.list_model_versions(name=name)) == ["2", "3"]


def evaluations(client: aiplatform_v1.ModelServiceClient, model: aiplatform.Model) -> None:
    name = model.versioned_resource_name
    given = {"display_name": "january", "metrics": {"auRoc": 0.9}, "metrics_schema_uri": SCHEMA}
    evaluation = client.import_model_evaluation(parent=name, model_evaluation=given)
    (found,) = client.list_model_evaluations(request={"parent": name, "filter": 'display_name="january"'})
    assert client.get_model_evaluation(name=found.name) == evaluation
    assert [each.metrics["auRoc"] for each in model.list_model_evaluations()] == [0.9]
    assert model.get_model_evaluation(found.name.rpartition("/")[2]).gca_resource == evaluation
    slices = [
        {
            "slice_": {"dimension": "annotationSpec", "value": label},
            "metrics": {"auRoc": n},
            "metrics_schema_uri": SCHEMA,
        }
        for n, label in enumerate(("late", "early"))
    ]
    done = client.batch_import_model_evaluation_slices(parent=evaluation.name, model_evaluation_slices=slices)
    late, early = done.imported_model_evaluation_slices
    listed = client.list_model_evaluation_slices(request={"parent": evaluation.name, "filter": 'slice.value="late"'})
    assert [each.name for each in listed] == [late]
    assert client.get_model_evaluation_slice(name=early).metrics["auRoc"] == 1
    text = '{"type": "TRUE_POSITIVE", "predictions": [{"p": 1}], "groundTruths": [{"t": 1}]}'
    hit = aiplatform_v1.EvaluatedAnnotation.from_json(text)
    annotated = client.batch_import_evaluated_annotations(parent=late, evaluated_annotations=[hit])
    assert annotated.imported_evaluated_annotations_count == 1
    client.delete_model_version(name=name).result()
    with pytest.raises(exceptions.NotFound):
        client.get_model_evaluation(name=evaluation.name)


def examples(client: aiplatform_v1.ModelServiceClient, bucket: storage.Bucket, uri: str) -> None:
    """A model explained by examples gets more of them."""
    for name in "ab":
        bucket.blob(f"examples/{name}.jsonl").upload_from_string("{}")
    sources = [
        {
            "example_gcs_source": {
                "data_format": "JSONL",
                "gcs_source": {"uris": [f"gs://{bucket.name}/examples/{name}"]},
            }
        }
        for name in ("a.jsonl", "b.jsonl")
    ]
    model = aiplatform.Model.upload(
        display_name=bucket.name, artifact_uri=uri, serving_container_image_uri=IMAGE,
        explanation_parameters=aiplatform.explain.ExplanationParameters(examples={**sources[0], "neighbor_count": 3}),
        explanation_metadata=aiplatform.explain.ExplanationMetadata(inputs={"x": {}}, outputs={"y": {}}),
    )  # fmt: skip
    client.update_explanation_dataset(request={"model": model.resource_name, "examples": sources[1]}).result()
    explained = client.get_model(name=model.resource_name).explanation_spec.parameters.examples
    assert len(explained.example_gcs_source.gcs_source.uris) == 2
    client.delete_model(name=model.resource_name).result()


def records_of_the_library(name: str, uri: str) -> None:
    """Stages, lineage and evaluations that gcpmlops keeps are the SDK's resources too."""
    from gcpmlops import Client

    with Client() as library:
        made = library.models.upload(uri, display_name=name, image=IMAGE, data=["flights.training"], check=False)
        library.models.promote(made.name, to="production", reason=name)
    model = aiplatform.Model(f"{made.name}@production")
    assert model.version_id == "1"
    versions = aiplatform.Artifact.list(filter='schema_title="google.VertexModel"')
    (version,) = [each for each in versions if each.metadata["resourceName"] == made.versioned_name]
    assert version.uri.endswith(f"/v1/{made.versioned_name}")
    (registration,) = [each for each in aiplatform.Execution.list() if name in each.display_name]
    assert [each.metadata["tableId"] for each in registration.get_input_artifacts()] == ["training"]
    assert [each.resource_name for each in registration.get_output_artifacts()] == [version.resource_name]
    moves = aiplatform.Execution.list(filter='schema_title="gcpmlops.StageTransition"')
    assert [each.metadata["to_stage"] for each in moves if each.metadata["reason"] == name] == ["production"]
    model.delete()


def run(transport: str) -> None:
    name = f"registry-{uuid.uuid4().hex[:10]}"
    bucket = BUCKETS.create_bucket(name, location="us-central1")
    bucket.blob("model/model.joblib").upload_from_string(b"not read here")
    uri = f"gs://{name}/model"
    aiplatform.init(location="us-central1", api_transport=transport)
    client = aiplatform_v1.ModelServiceClient(
        transport=transport, client_options={"api_endpoint": "us-central1-aiplatform.googleapis.com"}
    )
    second = versions_of_the_sdk(name, uri)
    copies_and_exports_of_the_sdk(second, bucket)
    models_of_the_client(client, second, uri)
    evaluations(client, second)
    examples(client, bucket, uri)
    records_of_the_library(f"{name}-kept", uri)
    aiplatform.Model(name).delete()
    bucket.delete(force=True)
    print(f"registry over {transport}")


for each in sys.argv[1:]:
    run(each)
