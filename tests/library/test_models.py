"""client.models against the emulator."""

from pathlib import Path

import joblib
import pytest
from sklearn.linear_model import LogisticRegression

from gcpmlops import Client, exceptions


@pytest.fixture(scope="module")
def estimator() -> LogisticRegression:
    return LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])


@pytest.fixture
def model(client: Client, staging: str, estimator: LogisticRegression, unique):
    return client.models.upload(estimator, display_name=unique("flights"), labels={"team": "risk"}, check=False)


def test_estimator_is_registered(client: Client, model) -> None:
    assert (model.version_id, model.aliases) == ("1", ["default"])
    assert "/prediction/sklearn-cpu.1-" in model.image
    assert client.storage.exists(f"{model.artifact_uri}/model.joblib")
    assert client.models.get(model.id) == client.models.get(model.display_name) == client.models.get(model.name)
    assert model.name in [each.name for each in client.models.list()]


def test_file_folder_and_uri(client: Client, staging: str, estimator, unique, tmp_path: Path) -> None:
    joblib.dump(estimator, tmp_path / "model.joblib")
    from_file = client.models.upload(
        tmp_path / "model.joblib", display_name=unique("m"), framework_version="1.5", check=False
    )
    assert from_file.image.endswith("sklearn-cpu.1-5:latest")
    from_folder = client.models.upload(tmp_path, display_name=unique("m"), check=False)
    assert client.storage.exists(f"{from_folder.artifact_uri}/model.joblib")
    for uri in (from_folder.artifact_uri, f"{from_folder.artifact_uri}/", f"{from_folder.artifact_uri}/model.joblib"):
        assert client.models.upload(uri, display_name=unique("m"), check=False).artifact_uri == from_folder.artifact_uri


def test_versions_and_aliases(client: Client, model, estimator) -> None:
    second = client.models.upload(
        estimator,
        display_name=model.display_name,
        parent_model=model.display_name,
        version_aliases=["challenger"],
        is_default=False,
        check=False,
    )
    assert (second.name, second.version_id) == (model.name, "2")
    assert [each.version_id for each in client.models.versions(model.name)] == ["1", "2"]
    assert client.models.get(f"{model.display_name}@challenger").version_id == "2"
    client.models.set_alias(f"{model.name}@1", alias="champion")
    assert client.models.get(f"{model.name}@champion").version_id == "1"
    client.models.set_alias(f"{model.name}@2", alias="champion")
    assert client.models.get(f"{model.name}@champion").version_id == "2"
    client.models.remove_alias(model.name, alias="champion")
    with pytest.raises(exceptions.NotFound):
        client.models.get(f"{model.name}@champion")
    client.models.delete(f"{model.name}@2")
    assert [each.version_id for each in client.models.versions(model.name)] == ["1"]


def test_new_version_becomes_the_default(client: Client, model, estimator) -> None:
    client.models.upload(estimator, display_name=model.display_name, parent_model=model.name, check=False)
    assert client.models.get(model.name).version_id == "2"


def test_update_and_delete(client: Client, model) -> None:
    client.models.update(model.name, description="late flights", labels={"stage": "prod"})
    found = model.refresh()
    assert (found.proto.description, dict(found.proto.labels)) == ("late flights", {"stage": "prod"})
    with pytest.raises(exceptions.InvalidArgument, match="nothing to change"):
        client.models.update(model.name)
    client.models.delete(model.name)
    with pytest.raises(exceptions.NotFound, match="models list"):
        client.models.get(model.name)


@pytest.fixture(scope="module")
def shared(client: Client, staging: str, estimator: LogisticRegression):
    """One version that the tests which only read and copy share."""
    samples = {"instances": [[0.5], [2.5]], "parameters": {"probability": True}}
    return client.models.upload(
        estimator, display_name="shared", version_aliases=["best"], samples=samples, check=False
    )


def test_samples_are_kept_with_the_version(client: Client, shared) -> None:
    assert shared.samples == client.models.samples("shared@best") == [[0.5], [2.5]]
    assert client.models.samples(shared.name).parameters == {"probability": True}


def test_copies(client: Client, shared, unique) -> None:
    copy = client.models.copy("shared@best", model_id=unique("copy"))
    assert (copy.display_name, copy.version_id, copy.aliases) == ("shared", "1", ["default"])
    assert copy.proto.original_model_info.model.startswith(shared.name)
    second = client.models.copy(shared.versioned_name, parent_model=copy.name)
    assert (second.name, second.version_id, second.samples) == (copy.name, "2", [[0.5], [2.5]])
    with pytest.raises(exceptions.AlreadyExists):
        client.models.copy(shared.name, model_id=copy.id)
    with pytest.raises(exceptions.InvalidArgument, match="no id of its own"):
        client.models.copy(shared.name, model_id="x", parent_model=copy.name)
    client.models.delete(copy.name)


def test_export(client: Client, shared, bucket: str) -> None:
    folder = client.models.export(shared.versioned_name, destination=f"gs://{bucket}/exports")
    assert folder.startswith(f"gs://{bucket}/exports/model-export-shared-")
    names = sorted(each.name.rpartition("/")[2] for each in client.storage.list(folder))
    assert names == ["model.joblib", "samples.json"]
    with pytest.raises(exceptions.InvalidArgument, match="export_format_id"):
        client.models.export(shared.name, destination=f"gs://{bucket}", export_format="tflite")


def test_filter(client: Client, model) -> None:
    assert [m.name for m in client.models.list(filter=f'display_name="{model.display_name}"')] == [model.name]


def test_missing_model(client: Client) -> None:
    for name in ("999", "no-such-model", "no-such-model@champion"):
        with pytest.raises(exceptions.NotFound, match=name):
            client.models.get(name)


def test_artifacts_that_cannot_be_served(client: Client, staging: str, tmp_path: Path, unique) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(exceptions.InvalidArgument, match=r"model\.joblib"):
        client.models.upload(tmp_path, display_name=unique("m"))
    with pytest.raises(exceptions.NotFound, match="no model files"):
        client.models.upload(f"gs://{staging}/nothing/here", display_name=unique("m"))
    with pytest.raises(exceptions.InvalidArgument, match="fitted estimator"):
        client.models.upload(3, display_name=unique("m"))
    with pytest.raises(exceptions.NotFound):
        client.models.upload(f"gs://{unique('missing')}/m", display_name="m")


def test_what_is_wrong_is_said_before_anything_is_stored(client: Client, staging: str, estimator, unique) -> None:
    before = client.storage.list(f"gs://{staging}/gcpmlops/models/")
    name = unique("m")
    for wrong, error in (
        ({"parent_model": "no-such-model"}, exceptions.NotFound),
        ({"labels": {"Team": "x"}}, exceptions.InvalidArgument),
        ({"samples": []}, exceptions.InvalidArgument),
        ({"max_latency": 0}, exceptions.InvalidArgument),
        ({"framework": "caffe"}, exceptions.InvalidArgument),
        ({"immage": "x"}, TypeError),
    ):
        with pytest.raises(error):
            client.models.upload(estimator, display_name=name, **wrong)
    assert client.storage.list(f"gs://{staging}/gcpmlops/models/") == before
    assert client.models.list(filter=f'display_name="{name}"') == []


@pytest.mark.parametrize("name", ["", "@", "name@"])
def test_names_that_are_none(client: Client, name: str) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        client.models.get(name)
