"""Tensorboards, experiments, runs and time series: names, titles, lists, updates, and what goes with a parent."""

from __future__ import annotations

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types
from google.protobuf import field_mask_pb2

from gcpmlops.emulator.settings import project_number

from .conftest import OVER_BOTH, scalars


def mask(*paths: str) -> field_mask_pb2.FieldMask:
    return field_mask_pb2.FieldMask(paths=paths)


@OVER_BOTH
def test_a_tensorboard(board) -> None:
    made = board.create(display_name="mine", description="d", labels={"team": "x"})
    assert made.create_time
    assert made.etag
    assert made.blob_storage_path_prefix.startswith("cloud-ai-platform-")
    assert board.client.get_tensorboard(name=made.name) == made
    changed = types.Tensorboard(name=made.name, display_name="yours", description="kept out")
    updated = board.client.update_tensorboard(tensorboard=changed, update_mask=mask("display_name")).result(timeout=60)
    assert (updated.display_name, updated.description, dict(updated.labels)) == ("yours", "d", {"team": "x"})
    assert updated.etag != made.etag
    with pytest.raises((exceptions.Aborted, exceptions.Conflict), match="etag"):
        board.client.update_tensorboard(tensorboard={"name": made.name, "etag": made.etag, "description": "late"})
    board.client.delete_tensorboard(name=made.name).result(timeout=60)
    with pytest.raises(exceptions.NotFound, match=made.name):
        board.client.get_tensorboard(name=made.name)


def test_one_default_tensorboard(board) -> None:
    first, second = board.create(display_name="a", is_default=True), board.create(display_name="b", is_default=True)

    def default() -> list[str]:
        request = types.ListTensorboardsRequest(parent=board.location, filter="is_default=true")
        return [found.name for found in board.client.list_tensorboards(request)]

    assert default() == [second.name]
    board.client.update_tensorboard(
        tensorboard={"name": first.name, "is_default": True}, update_mask=mask("is_default")
    ).result(timeout=60)
    assert default() == [first.name]
    for made in (first, second):
        board.client.delete_tensorboard(name=made.name).result(timeout=60)
    assert default() == []


@OVER_BOTH
def test_experiments_and_runs(board) -> None:
    experiment = board.experiment("e", display_name="first", labels={"a": "b"})
    assert experiment == f"{board.name}/experiments/e"
    board.experiment("f", display_name="second")
    request = types.ListTensorboardExperimentsRequest(parent=board.name, filter='display_name="second"')
    assert [e.name for e in board.client.list_tensorboard_experiments(request)] == [f"{board.name}/experiments/f"]
    request = types.ListTensorboardExperimentsRequest(parent=board.name, order_by="display_name desc", page_size=1)
    assert [e.display_name for e in board.client.list_tensorboard_experiments(request)] == ["second", "first"]
    board.run(experiment, "r1", "one")
    made = board.client.batch_create_tensorboard_runs(
        parent=experiment,
        requests=[
            {"parent": experiment, "tensorboard_run_id": own, "tensorboard_run": {"display_name": own}}
            for own in ("r2", "r3")
        ],
    ).tensorboard_runs
    assert [run.name for run in made] == [f"{experiment}/runs/r2", f"{experiment}/runs/r3"]
    assert [run.display_name for run in board.client.list_tensorboard_runs(parent=experiment)] == ["one", "r2", "r3"]
    assert board.client.get_tensorboard(name=board.name).run_count == 3
    board.client.update_tensorboard_run(
        tensorboard_run={"name": made[0].name, "display_name": "two"}, update_mask=mask("display_name")
    )
    board.run(experiment, "r4", "r2")  # the display name is free again
    assert board.client.get_tensorboard_run(name=made[0].name).display_name == "two"


@OVER_BOTH
def test_time_series_and_their_metadata(board) -> None:
    run = board.run(board.experiment())
    series = board.series(run, "a/b é", plugin_name="scalars", plugin_data=b"\x00\x01")
    board.write(series, scalars([3, 9, 5]))
    found = board.client.get_tensorboard_time_series(name=series)
    assert (found.value_type.name, found.plugin_name, found.plugin_data) == ("SCALAR", "scalars", b"\x00\x01")
    assert (found.metadata.max_step, found.metadata.max_wall_time.timestamp()) == (9, 1_700_000_009)
    request = types.ListTensorboardTimeSeriesRequest(parent=run, filter='display_name = "a/b \\u00e9"')
    assert [item.metadata.max_step for item in board.client.list_tensorboard_time_series(request)] == [9]
    other = {"display_name": "x", "value_type": "TENSOR"}
    made = board.client.batch_create_tensorboard_time_series(
        parent=run.rpartition("/runs/")[0],
        requests=[{"parent": run, "tensorboard_time_series": other, "tensorboard_time_series_id": "own-id"}],
    ).tensorboard_time_series
    assert [item.name for item in made] == [f"{run}/timeSeries/own-id"]
    changed = board.client.update_tensorboard_time_series(
        tensorboard_time_series={"name": series, "description": "words"}, update_mask=mask("description")
    )
    assert (changed.description, changed.metadata.max_step) == ("words", 9)
    with pytest.raises(exceptions.BadRequest, match="value_type"):
        board.client.update_tensorboard_time_series(
            tensorboard_time_series={"name": series, "value_type": "TENSOR"}, update_mask=mask("value_type")
        )
    board.client.delete_tensorboard_time_series(name=series).result(timeout=60)
    assert [item.display_name for item in board.client.list_tensorboard_time_series(parent=run)] == ["x"]


def test_pages_belong_to_their_request(board) -> None:
    experiment = board.experiment()
    for own in "abc":
        board.run(experiment, own)
    request = types.ListTensorboardRunsRequest(parent=experiment, page_size=2)
    page = board.client.list_tensorboard_runs(request)
    assert [run.display_name for run in page] == ["a", "b", "c"]
    token = board.client.list_tensorboard_runs(request).next_page_token
    with pytest.raises(exceptions.BadRequest, match="page_token"):
        board.client.list_tensorboard_runs({"parent": experiment, "filter": "display_name=a", "page_token": token})


def test_read_masks(board) -> None:
    run = board.run(board.experiment(), "r", "title", description="words")
    series = board.series(run)
    board.write(series, scalars([7]))
    (shown,) = board.client.list_tensorboard_runs({"parent": run.rpartition("/runs/")[0], "read_mask": mask("name")})
    assert (shown.name, shown.display_name, shown.description) == (run, "", "")
    (found,) = board.client.list_tensorboard_time_series({"parent": run, "read_mask": mask("metadata")})
    assert (found.name, found.metadata.max_step) == ("", 7)


def test_a_parent_takes_all_below_with_it(board) -> None:
    experiment = board.experiment()
    series = board.series(board.run(experiment))
    board.write(series, scalars(range(10)))
    size = board.client.read_tensorboard_size(tensorboard=board.name).storage_size_byte
    assert size > 100
    board.client.delete_tensorboard_experiment(name=experiment).result(timeout=60)
    for get in (
        lambda: board.client.get_tensorboard_run(name=series.partition("/timeSeries/")[0]),
        lambda: board.client.get_tensorboard_time_series(name=series),
        lambda: board.read(series),
        lambda: board.write(series, scalars([1])),
        lambda: board.client.list_tensorboard_runs(parent=experiment),
    ):
        with pytest.raises(exceptions.NotFound, match="is not found"):
            get()
    assert board.client.read_tensorboard_size(tensorboard=board.name).storage_size_byte == 0
    again = board.series(board.run(board.experiment()))  # every name and title is free again
    assert board.steps(again) == []


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda b: b.create(), exceptions.BadRequest, "tensorboard.display_name"),
        (lambda b: b.create(display_name="x" * 129), exceptions.BadRequest, "129 characters"),
        (lambda b: b.experiment("Not_An_Id"), exceptions.BadRequest, "tensorboard_experiment_id"),
        (lambda b: b.experiment(""), exceptions.BadRequest, "tensorboard_experiment_id"),
        (lambda b: [b.experiment("e"), b.experiment("e")], (exceptions.AlreadyExists, exceptions.Conflict), "exists"),
        (lambda b: b.run(f"{b.name}/experiments/none"), exceptions.NotFound, "experiments/none is not found"),
        (lambda b: b.run("somewhere"), (exceptions.BadRequest, ValueError), "somewhere"),
        (lambda b: b.run(b.experiment(), "a_b"), exceptions.BadRequest, "tensorboard_run_id"),
        (lambda b: b.series(b.run(b.experiment()), kind="VALUE_TYPE_UNSPECIFIED"), exceptions.BadRequest, "type"),
        (lambda b: b.series(b.run(b.experiment()), ""), exceptions.BadRequest, "display_name"),
        (lambda b: b.series(b.run(b.experiment()), plugin_data=b"x" * 70_000), exceptions.BadRequest, "70000 byt"),
    ],
)
def test_what_is_refused(board, call, kind, text) -> None:
    with pytest.raises(kind, match=text):
        call(board)


def test_titles_are_unique(board) -> None:
    run = board.run(board.experiment(), "a", "same")
    board.series(run, "loss")
    with pytest.raises(exceptions.BadRequest, match="already exist"):
        board.series(run, "loss")
    with pytest.raises(exceptions.BadRequest, match="already exist"):
        board.run(run.rpartition("/runs/")[0], "b", "same")
    accuracy = board.series(run, "accuracy")
    with pytest.raises(exceptions.BadRequest, match="already exist"):
        board.client.update_tensorboard_time_series(
            tensorboard_time_series={"name": accuracy, "display_name": "loss"}, update_mask=mask("display_name")
        )
    requests = [
        {"parent": run, "tensorboard_time_series": {"display_name": title, "value_type": "SCALAR"}}
        for title in ("new", "loss")
    ]
    with pytest.raises(exceptions.BadRequest, match="already exist"):
        board.client.batch_create_tensorboard_time_series(parent=run.rpartition("/runs/")[0], requests=requests)
    assert [item.display_name for item in board.client.list_tensorboard_time_series(parent=run)] == ["loss", "accuracy"]


@OVER_BOTH
def test_the_project_number_means_the_same(board, emulator) -> None:
    """Jobs are told the number, and Google's samples use it."""
    number = str(project_number(emulator.project))
    location = f"projects/{number}/locations/us-central1"
    assert board.name in [found.name for found in board.client.list_tensorboards(parent=location)]
    by_number = board.name.replace(f"projects/{emulator.project}/", f"projects/{number}/")
    assert board.client.get_tensorboard(name=by_number).name == board.name
    board.client.update_tensorboard(
        tensorboard={"name": by_number, "description": by_number}, update_mask=mask("description")
    )
    assert board.client.get_tensorboard(name=board.name).description == by_number  # a user's own text stays
    run = board.run(board.experiment())
    made = board.client.batch_create_tensorboard_time_series(
        parent=run.rpartition("/runs/")[0],
        requests=[
            {
                "parent": run.replace(f"projects/{emulator.project}/", f"projects/{number}/"),
                "tensorboard_time_series": {"display_name": "loss", "value_type": "SCALAR"},
            }
        ],
    ).tensorboard_time_series
    assert made[0].name.startswith(f"{run}/timeSeries/")
