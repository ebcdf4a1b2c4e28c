"""Triggers: kept, run by hand, by webhook, by Pub/Sub; approvals; repositories that git answers for."""

from __future__ import annotations

import json
import subprocess
import uuid

import pytest
import requests
from google.api_core import exceptions
from google.cloud.devtools.cloudbuild_v1 import Build, BuildApproval, BuildTrigger
from google.protobuf import field_mask_pb2

from .conftest import until

Status = Build.Status
ECHO = {
    "steps": [{"name": "ubuntu", "args": ["echo", "$_WHO of $TRIGGER_NAME"]}],
    "options": {"logging": "CLOUD_LOGGING_ONLY"},
}


@pytest.fixture
def made(building):
    """Makes triggers."""

    def make(**fields):
        name = f"t-{uuid.uuid4().hex[:8]}"
        trigger = {"name": name, "build": ECHO, "substitutions": {"_WHO": "someone"}, **fields}
        return building.api.create_build_trigger({"parent": building.parent, "trigger": trigger})

    return make


@pytest.fixture
def repository(tmp_path):
    """A git repository with a build file, and its commit."""
    folder = tmp_path / "models"
    folder.mkdir()
    config = {"steps": [{"name": "ubuntu", "args": ["sh", "-c", "cat file; echo $BRANCH_NAME $SHORT_SHA"]}]}
    (folder / "build.json").write_text(json.dumps({**config, "options": ECHO["options"]}))
    (folder / "file").write_text("from git\n")
    git = ["git", "-C", str(folder), "-c", "user.name=ml", "-c", "user.email=ml@example.com"]
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    for command in (["add", "."], ["commit", "-q", "-m", "first"], ["branch", "next"], ["tag", "-a", "-m", "x", "v1"]):
        subprocess.run([*git, *command], check=True)
    sha = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    return f"file://{folder}", sha


def test_a_trigger_is_kept_changed_and_deleted(building, made):
    trigger = made(description="first")
    assert building.api.get_build_trigger({"name": trigger.resource_name}) == trigger
    by_name = f"{building.parent}/triggers/{trigger.name}"
    assert building.api.get_build_trigger({"name": by_name}).id == trigger.id
    for parent in (building.parent, f"projects/{building.project}/locations/-"):
        assert trigger.id in [found.id for found in building.api.list_build_triggers({"parent": parent})]
    with pytest.raises(exceptions.AlreadyExists):
        building.api.create_build_trigger({"parent": building.parent, "trigger": {"name": trigger.name, "build": ECHO}})
    changed = BuildTrigger(resource_name=trigger.resource_name, id=trigger.id, description="second")
    mask = field_mask_pb2.FieldMask(paths=["description"])
    updated = building.api.update_build_trigger({"trigger_id": trigger.id, "trigger": changed, "update_mask": mask})
    assert (updated.description, updated.build) == ("second", trigger.build)
    building.api.delete_build_trigger({"name": trigger.resource_name})
    with pytest.raises(exceptions.NotFound):
        building.api.get_build_trigger({"name": trigger.resource_name})


def test_run_by_hand_with_substitutions(building, made):
    trigger = made()
    request = {"name": trigger.resource_name, "source": {"substitutions": {"_WHO": "me", "_UNUSED": "x"}}}
    build = building.ended(building.api.run_build_trigger(request))
    assert build.status == Status.SUCCESS
    assert building.printed(build) == [f"Step #0: me of {trigger.name}"]
    assert build.build_trigger_id == trigger.id
    assert f"trigger-{trigger.id}" in build.tags
    found = building.api.list_builds({"parent": building.parent, "filter": f'trigger_id="{trigger.id}"'})
    assert [other.id for other in found] == [build.id]


def test_a_disabled_trigger_starts_nothing(building, made):
    trigger = made(disabled=True)
    with pytest.raises(exceptions.FailedPrecondition, match="disabled"):
        building.api.run_build_trigger({"name": trigger.resource_name})


def test_a_build_waits_for_its_approval(building, made):
    trigger = made(approval_config={"approval_required": True})
    operations = [building.api.run_build_trigger({"name": trigger.resource_name}) for _ in range(2)]
    first, second = (building.get(operation.metadata.build.id) for operation in operations)
    assert first.status == Status.PENDING
    decisions = {first.id: "APPROVED", second.id: "REJECTED"}
    for build_id, decision in decisions.items():
        result = {"decision": decision, "comment": "seen"}
        building.approve(build_id, **result)
    approved, rejected = (building.ended(operation) for operation in operations)
    assert approved.status == Status.SUCCESS
    assert approved.approval.state == BuildApproval.State.APPROVED
    assert approved.approval.result.approver_account
    assert (rejected.status, rejected.approval.state) == (Status.CANCELLED, BuildApproval.State.REJECTED)
    with pytest.raises(exceptions.FailedPrecondition):
        building.approve(first.id, decision="APPROVED")


def test_a_repository_is_built_at_the_commit_of_its_branch(building, made, repository):
    uri, sha = repository
    source = {"uri": uri, "ref": "refs/heads/main"}
    trigger = made(build=None, substitutions={}, filename="build.json", source_to_build=source)
    build = building.ended(building.api.run_build_trigger({"name": trigger.resource_name}))
    assert build.status == Status.SUCCESS, build.status_detail
    assert building.printed(build) == ["Step #0: from git", f"Step #0: main {sha[:7]}"]
    assert build.source_provenance.resolved_git_source.revision == sha
    with pytest.raises(exceptions.FailedPrecondition, match="nowhere"):
        building.api.run_build_trigger({"name": trigger.resource_name, "source": {"branch_name": "nowhere"}})
    tagged = building.api.run_build_trigger({"name": trigger.resource_name, "source": {"tag_name": "v1"}})
    assert tagged.metadata.build.substitutions["COMMIT_SHA"] == sha
    by_hand = building.run(
        {"name": "ubuntu", "args": ["cat", "file"]}, source={"git_source": {"url": uri, "revision": "next"}}
    )
    assert by_hand.source_provenance.resolved_git_source.revision == sha


def test_a_webhook_starts_a_build_for_who_knows_the_secret(building, emulator_environment, made, secret_version):
    trigger = made(webhook_config={"secret": secret_version(b"known")}, substitutions={"_WHO": "$(body.user.name)"})
    session = requests.Session()
    session.trust_env = False
    session.proxies = {"https": emulator_environment["HTTPS_PROXY"]}
    session.verify = emulator_environment["REQUESTS_CA_BUNDLE"]
    url = f"https://cloudbuild.googleapis.com/v1/{trigger.resource_name}:webhook"
    body = {"user": {"name": "caller"}}
    assert session.post(url, params={"key": "any", "secret": "other"}, json=body).status_code == 403
    assert session.post(url, params={"key": "any", "secret": "known"}, json=body).status_code == 200
    assert "caller" in _printed_by(building, trigger)


def test_a_message_starts_a_build(building, client, made):
    topic = f"projects/{building.project}/topics/t-{uuid.uuid4().hex[:8]}"
    client.clients.publisher.create_topic(name=topic)
    trigger = made(
        pubsub_config={"topic": topic},
        substitutions={"_WHO": "$(body.message.data.who) $(body.message.attributes.kind)"},
    )
    message = {"data": b'{"who": "sender"}', "attributes": {"kind": "test"}}
    client.clients.publisher.publish(topic=topic, messages=[message])
    assert "sender test of" in _printed_by(building, trigger)
    other = client.clients.publisher.create_topic(name=f"{topic}-2").name
    changed = BuildTrigger(resource_name=trigger.resource_name, pubsub_config={"topic": other})
    mask = field_mask_pb2.FieldMask(paths=["pubsub_config"])
    for _ in range(2):  # the same once more is no change
        updated = building.api.update_build_trigger({"trigger_id": trigger.id, "trigger": changed, "update_mask": mask})
        assert list(client.clients.publisher.list_topic_subscriptions(topic=other)) == [
            updated.pubsub_config.subscription
        ]
    assert not list(client.clients.publisher.list_topic_subscriptions(topic=topic))


def _printed_by(building, trigger):
    """What the first build of a trigger prints, once it has ended."""
    request = {"parent": building.parent, "filter": f'trigger_id="{trigger.id}" AND status="SUCCESS"'}
    found = until(lambda: list(building.api.list_builds(request)))
    return "\n".join(building.printed(found[0]))


@pytest.mark.parametrize(
    ("fields", "error", "says"),
    [
        ({"github": {"owner": "o", "name": "n", "push": {"branch": ".*"}}}, exceptions.MethodNotImplemented, "GitHub"),
        ({"build": None}, exceptions.InvalidArgument, "one of build, gitFileSource and filename"),
        ({"build": {"steps": [{"name": "bash", "wait_for": ["b"]}]}}, exceptions.InvalidArgument, 'waits for "b"'),
        ({"substitutions": {"WHO": "x"}}, exceptions.InvalidArgument, "WHO"),
        ({"name": "-no-"}, exceptions.InvalidArgument, "-no-"),
    ],
)
def test_what_a_trigger_can_not_be(made, fields, error, says):
    with pytest.raises(error, match=says):
        made(**fields)
