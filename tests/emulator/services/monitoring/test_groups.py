"""Groups: a tree of filters, and which resources they find."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import monitoring_v3

from gcpmlops.emulator.services.monitoring.groups import GroupService

from .conftest import Monitoring, running

PARENT = "projects/p1"


@pytest.fixture(scope="module")
def monitoring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitoring]:
    with running(tmp_path_factory.mktemp("groups")) as made:
        made.pass_by(60)
        for job in ("train", "serve"):
            for task in range(2):
                resource = {"type": "generic_task", "labels": {"location": "eu", "job": job, "task_id": str(task)}}
                made.write("load", 1.0, resource=resource)
        made.write("load", 1.0)
        yield made


@pytest.fixture
def service(monitoring: Monitoring) -> GroupService:
    return GroupService(monitoring.service.context, monitoring.points)


def create(service: GroupService, text: str, parent: str = "", **fields: Any) -> Any:
    group = {"display_name": text, "filter": text, "parent_name": parent} | fields
    return service.create_group(monitoring_v3.CreateGroupRequest(name=PARENT, group=group))


def members(service: GroupService, name: str, **fields: Any) -> list[tuple[str, ...]]:
    response = service.list_group_members(monitoring_v3.ListGroupMembersRequest(name=name, **fields))
    assert response.total_size == len(response.members)
    return [(each.type, each.labels["job"], each.labels["task_id"]) for each in response.members]


def listed(service: GroupService, **fields: Any) -> list[str]:
    return [each.name for each in service.list_groups(monitoring_v3.ListGroupsRequest(name=PARENT, **fields)).group]


def test_members_are_what_all_filters_want(service: GroupService, monitoring: Monitoring) -> None:
    tasks = create(service, 'resource.type = "generic_task"')
    training = create(service, 'resource.labels.job = starts_with("tr")', tasks.name)
    assert len(members(service, tasks.name)) == 4
    assert members(service, training.name) == [("generic_task", "train", "0"), ("generic_task", "train", "1")]
    first = 'resource.labels.task_id = "0"'
    assert members(service, training.name, filter=first) == [("generic_task", "train", "0")]
    later = monitoring.clock.now()
    assert not members(service, tasks.name, interval={"start_time": later, "end_time": later})


def test_a_tree(service: GroupService) -> None:
    top = create(service, 'resource.type = "generic_task"')
    middle = create(service, 'resource.labels.job = "train"', top.name)
    leaf = create(service, 'resource.labels.task_id = "0"', middle.name)
    assert listed(service, children_of_group=top.name) == [middle.name]
    assert listed(service, descendants_of_group=top.name) == [middle.name, leaf.name]
    assert listed(service, ancestors_of_group=leaf.name) == [middle.name, top.name]
    top.parent_name = leaf.name
    with pytest.raises(exceptions.InvalidArgument, match="below itself"):
        service.update_group(monitoring_v3.UpdateGroupRequest(group=top))
    with pytest.raises(exceptions.FailedPrecondition, match="2 groups below"):
        service.delete_group(monitoring_v3.DeleteGroupRequest(name=top.name))
    service.delete_group(monitoring_v3.DeleteGroupRequest(name=top.name, recursive=True))
    for name in (top.name, middle.name, leaf.name):
        with pytest.raises(exceptions.NotFound):
            service.get_group(monitoring_v3.GetGroupRequest(name=name))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"display_name": ""}, "display_name"),
        ({"filter": ""}, "filter: required"),
        ({"filter": 'metric.type = "a"'}, "groups are of resources"),
        ({"parent_name": f"{PARENT}/groups/1"}, "there is no"),
    ],
)
def test_what_is_refused(service: GroupService, fields: dict[str, Any], text: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=text):
        create(service, 'resource.type = "global"', **fields)


def test_time_series_of_a_group_are_not_built(monitoring: Monitoring) -> None:
    with pytest.raises(exceptions.MethodNotImplemented, match=r"group\.id"):
        monitoring.read("load", ' AND group.id = "1"')
