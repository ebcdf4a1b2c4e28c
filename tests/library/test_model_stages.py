"""Stages of models: aliases that move with a record of who, when and why."""

import pytest
from google.auth.credentials import AnonymousCredentials

from gcpmlops import Client, _caller, exceptions
from gcpmlops._models.graph import ModelGraph, node_id
from gcpmlops._models.stages import stages_of

IMAGE = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"


@pytest.fixture(scope="module")
def files(client: Client, staging: str) -> str:
    """Files that nothing here serves."""
    uri = f"gs://{staging}/stages"
    client.storage.upload(b"x", destination=f"{uri}/model.joblib")
    return uri


@pytest.fixture
def model(client: Client, files: str, unique):
    """A model with three versions."""
    made = client.models.upload(files, display_name=unique("stages"), image=IMAGE, check=False)
    for _ in range(2):
        client.models.copy(made.versioned_name, parent_model=made.name)
    return made


def aliases(client: Client, model) -> dict[str, list[str]]:
    return {each.version_id: each.aliases for each in client.models.versions(model.name)}


def test_a_version_on_its_way(client: Client, model) -> None:
    name = model.display_name
    client.models.promote(f"{name}@1", to="staging", reason="first", who="ann@example.com")
    moved = client.models.promote(f"{name}@1", to="production", reason="good enough", who="ann@example.com")
    assert (moved.version_id, moved.stages) == ("1", ["production"])
    client.models.promote(f"{name}@2", to="champion", who="owner@example.com")
    client.models.promote(f"{name}@2", to="production", reason="better", archive_previous=True, who="owner@example.com")
    assert aliases(client, model) == {
        "1": ["default", "archived", "archived-1"],
        "2": ["champion", "production"],
        "3": [],
    }
    found = client.models.history(name)
    assert [(t.version, t.from_stage, t.to_stage, t.previous_version, t.who) for t in found] == [
        ("1", "production", "archived", "", "owner@example.com"),
        ("2", "", "production", "1", "owner@example.com"),
        ("2", "", "champion", "", "owner@example.com"),
        ("1", "staging", "production", "", "ann@example.com"),
        ("1", "", "staging", "", "ann@example.com"),
    ]
    assert found[0].reason == "version 2 is production now: better"
    assert all(t.complete for t in found)
    assert found[0].when >= found[-1].when
    assert [t.version for t in client.models.history(f"{name}@production")] == ["2", "2"]
    assert "good enough" in found._repr_html_()


def test_several_versions_are_archived_and_one_comes_back(client: Client, model) -> None:
    for version in "12":
        client.models.promote(f"{model.name}@{version}", to="archived")
    assert aliases(client, model) == {"1": ["default", "archived-1"], "2": ["archived", "archived-2"], "3": []}
    assert [each.stages for each in client.models.versions(model.name)] == [["archived"], ["archived"], []]
    assert client.models.promote(f"{model.name}@1", to="staging").stages == ["staging"]
    assert aliases(client, model)["1"] == ["default", "staging"]
    assert client.models.demote(f"{model.name}@2", from_stage="archived").aliases == []


def test_a_process_that_stops_in_between(client: Client, model, mocker) -> None:
    """What moved without its record's end shows as not complete."""
    mocker.patch.object(ModelGraph, "end_execution", side_effect=exceptions.Unavailable("gone"))
    with pytest.raises(exceptions.Unavailable) as caught:
        client.models.promote(f"{model.name}@2", to="challenger")
    assert "The move is made" in caught.value.next_step
    assert client.models.get(f"{model.name}@2").stages == ["challenger"]
    (only,) = client.models.history(model.name)
    assert (only.complete, str(only)) == (False, "version 2: - → challenger (not complete)")


def test_aliases_given_by_hand_are_stages_too(client: Client, model) -> None:
    client.models.promote(f"{model.name}@2", to="staging")
    client.models.set_alias(f"{model.name}@2", alias="production")
    assert client.models.get(f"{model.name}@2").stages == ["staging", "production"]
    assert client.models.demote(model.name, from_stage="production").stages == ["staging"]
    client.models.set_alias(f"{model.name}@2", alias="production")
    assert client.models.promote(f"{model.name}@2", to="archived").aliases == ["archived", "archived-2"]


def test_the_caller_is_who_the_credentials_say(client: Client, emulator, model) -> None:
    client.models.promote(f"{model.name}@3", to="challenger")
    client.models.promote(f"{model.name}@3", to="challenger")  # it is already: nothing to keep
    (only,) = client.models.history(model.name)
    assert only.who == client.clients.caller
    assert only.who.endswith(f"@{emulator.project}.iam.gserviceaccount.com")


def test_demotion(client: Client, model) -> None:
    client.models.promote(f"{model.name}@2", to="production")
    with pytest.raises(exceptions.FailedPrecondition, match="version 1 is not production, but in no stage"):
        client.models.demote(f"{model.name}@1", from_stage="production")
    left = client.models.demote(model.display_name, from_stage="production", reason="too slow")
    assert (left.version_id, left.stages) == ("2", [])
    assert (client.models.history(model.name)[0].to_stage, client.models.history(model.name)[0].reason) == (
        "",
        "too slow",
    )
    with pytest.raises(exceptions.NotFound):
        client.models.demote(model.display_name, from_stage="production")


def test_what_cannot_be_recorded_has_not_happened(client: Client, model, mocker) -> None:
    mocker.patch.object(ModelGraph, "add_execution", side_effect=exceptions.Unavailable("metadata is down"))
    with pytest.raises(exceptions.Unavailable):
        client.models.promote(f"{model.name}@2", to="production")
    assert aliases(client, model)["2"] == []


def test_what_has_not_happened_is_no_history(client: Client, model, mocker) -> None:
    merge = mocker.patch.object(client.models._stages, "_merge", side_effect=exceptions.Unavailable("models are down"))
    with pytest.raises(exceptions.Unavailable):
        client.models.promote(f"{model.name}@2", to="production")
    mocker.stop(merge)
    assert list(client.models.history(model.name)) == []
    client.models.promote(f"{model.name}@2", to="production")
    assert len(client.models.history(model.name)) == 1


def test_a_model_of_the_same_id_begins_anew(client: Client, files: str, unique) -> None:
    name = unique("again").replace("-", "_")
    settings = {"display_name": name, "model_id": name, "image": IMAGE, "check": False}
    first = client.models.upload(files, **settings)
    client.models.promote(first.name, to="staging")
    client.models.delete(first.name)
    second = client.models.upload(files, **settings)
    assert second.name == first.name
    assert list(client.models.history(second.name)) == []


def test_unknown_stage(client: Client) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=r"champion, challenger"):
        client.models.promote("flights", to="prod")
    with pytest.raises(exceptions.InvalidArgument, match="prod"):
        client.models.demote("flights", from_stage="prod")


@pytest.mark.parametrize(
    ("aliases", "stages"),
    [
        (["default", "best"], []),
        (["archived-4"], ["archived"]),
        (["challenger", "production"], ["production", "challenger"]),
        (["archivedold"], []),
    ],
)
def test_stages_are_read_off_aliases(aliases: list[str], stages: list[str]) -> None:
    assert stages_of(aliases) == stages


def test_ids_that_metadata_does_not_allow() -> None:
    assert node_id("123") == "123"
    assert len({node_id(each) for each in ("a_b", "a-b", "A-b")}) == 3


def test_who_credentials_stand_for(mocker) -> None:
    account = mocker.Mock(service_account_email="a@p.iam.gserviceaccount.com")
    assert _caller.email(account) == "a@p.iam.gserviceaccount.com"
    user = mocker.Mock(spec=["account"], account="ann@example.com")
    assert _caller.email(user) == "ann@example.com"
    reply = mocker.Mock(ok=True, json=lambda: {"email": "owner@example.com"})
    session = mocker.patch("google.auth.transport.requests.AuthorizedSession.get", return_value=reply)
    assert _caller.email(AnonymousCredentials()) == "owner@example.com"
    session.return_value = mocker.Mock(ok=False, status_code=401)
    with pytest.raises(exceptions.Unauthenticated, match="who="):
        _caller.email(AnonymousCredentials())


def test_a_machines_own_account_has_to_be_asked(mocker) -> None:
    credentials = mocker.Mock(service_account_email="default")
    credentials.refresh.side_effect = lambda _: setattr(credentials, "service_account_email", "vm@p.example.com")
    assert _caller.email(credentials) == "vm@p.example.com"
