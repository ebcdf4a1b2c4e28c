"""A user's program: uploads TensorBoard log directories and reads them back, over both transports of the SDK."""

import time
import uuid
from pathlib import Path

import event_files
import numpy as np
import without_tensorflow  # noqa: F401 - before the uploader is imported
from google.api_core import exceptions
from google.cloud import aiplatform, storage
from google.cloud.aiplatform.tensorboard import uploader_constants

FOLDER = Path("logs")
uploader_constants.MIN_LOGDIR_POLL_INTERVAL_SECS = 0.1  # seconds; 1


def runs(board: aiplatform.Tensorboard, experiment: str) -> dict[str, aiplatform.TensorboardRun]:
    """The runs of an experiment by name."""
    parent = f"{board.resource_name}/experiments/{experiment}"
    try:
        return {run.name: run for run in aiplatform.TensorboardRun.list(tensorboard_experiment_name=parent)}
    except exceptions.NotFound:  # the uploader has not begun
        return {}


def once(board: aiplatform.Tensorboard, name: str) -> None:
    """A directory with two runs, of which nothing is there yet."""
    aiplatform.upload_tb_log(
        tensorboard_id=board.name, tensorboard_experiment_name=name, logdir=str(FOLDER), verbosity=0
    )
    found = runs(board, name)
    assert sorted(found) == ["default", "fold-2-eval"], found
    data = found["default"].read_time_series_data()
    assert sorted(data) == ["__run_graph__", "epoch/accuracy", "loss", "notes", "sample", "weights"], data
    assert [point.scalar.value for point in data["loss"].values] == [np.float32(1 / (1 + step)) for step in range(30)]
    assert [point.step for point in data["epoch/accuracy"].values] == list(range(30))
    histogram = event_files.tensor(data["weights"].values[-1].tensor.value)
    assert histogram.shape == (8, 3), histogram
    assert histogram[:, 2].sum() == 50, histogram
    assert b"begun at **0**" in data["notes"].values[0].tensor.value
    frame = aiplatform.get_experiment_df(name)
    assert sorted(frame["run_name"]) == ["default", "fold-2-eval"], frame
    assert set(frame["state"]) == {"COMPLETE"}, frame
    picture(board, found["default"], data["sample"])
    exported(board, found["default"], data["loss"])


def picture(board: aiplatform.Tensorboard, run: aiplatform.TensorboardRun, data) -> None:
    """An image is a sequence of blobs: width, height and the picture, which the uploader put into a bucket."""
    ids = [blob.id for blob in data.values[0].blobs.values]
    series = f"{run.resource_name}/timeSeries/{data.tensorboard_time_series_id}"
    answers = list(board.api_client.read_tensorboard_blob_data({"time_series": series, "blob_ids": ids}))
    assert [blob.data for answer in answers for blob in answer.blobs] == [b"2", b"2", event_files.png(0)], answers
    folder = f"tensorboard-{board.name}/{'/'.join(series.split('/')[7::2])}/"
    stored = storage.Client().list_blobs(board.gca_resource.blob_storage_path_prefix, prefix=folder)
    assert sorted(blob.name.removeprefix(folder) for blob in stored) == sorted(ids)


def exported(board: aiplatform.Tensorboard, run: aiplatform.TensorboardRun, data) -> None:
    """Page by page, filtered, the last first."""
    series = f"{run.resource_name}/timeSeries/{data.tensorboard_time_series_id}"
    request = {"tensorboard_time_series": series, "filter": "step >= 20", "order_by": "step desc", "page_size": 4}
    points = board.api_client.export_tensorboard_time_series_data(request)
    assert [point.step for point in points] == list(range(29, 19, -1))


def again(board: aiplatform.Tensorboard, name: str) -> None:
    """Nothing is doubled, what is new is added. (Over REST the SDK does not understand that a time series exists.)"""
    event_files.write(FOLDER, 30, 5)
    aiplatform.upload_tb_log(
        tensorboard_id=board.name, tensorboard_experiment_name=name, logdir=str(FOLDER), verbosity=0
    )
    steps = [point.step for point in runs(board, name)["default"].read_time_series_data()["loss"].values]
    assert steps == list(range(35)), steps


def live(board: aiplatform.Tensorboard, name: str) -> None:
    """Logs that are written while the program goes on."""
    aiplatform.start_upload_tb_log(tensorboard_id=board.name, tensorboard_experiment_name=name, logdir=str(FOLDER))
    try:
        event_files.write(FOLDER / "late", 0, 3)
        deadline = time.monotonic() + 60
        while "late" not in (found := runs(board, name)) or not found["late"].read_time_series_data().get("loss"):
            assert time.monotonic() < deadline, found
            time.sleep(0.2)  # between two looks
    finally:
        aiplatform.end_upload_tb_log()


event_files.write(FOLDER, 0, 30, graph=True)
event_files.write(FOLDER / "fold_2" / "eval", 0, 30)
for transport in ("rest", "grpc"):
    aiplatform.init(location="us-central1", api_transport=transport)
    title = f"{transport}-{uuid.uuid4().hex[:10]}"
    tensorboard = aiplatform.Tensorboard.create(display_name=title)
    once(tensorboard, title)
    if transport == "grpc":
        again(tensorboard, title)
        live(tensorboard, f"{title}-live")
    tensorboard.delete()
    print(f"uploaded and read back over {transport}")
