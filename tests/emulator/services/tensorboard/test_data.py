"""Points: written, overwritten, sampled, filtered, exported; and blobs."""

from __future__ import annotations

import math

import pytest
from google.api_core import exceptions
from google.cloud import storage
from google.cloud.aiplatform_v1 import types

from .conftest import OVER_BOTH, scalars


@OVER_BOTH
def test_points_come_back_in_the_order_of_their_steps(board) -> None:
    series = board.scalar_series()
    board.write(series, scalars([5, 1, 3]))
    board.write(series, [types.TimeSeriesDataPoint(scalar={"value": math.inf}, step=3), *scalars([-2])])
    data = board.read(series)
    assert data.tensorboard_time_series_id == series.rpartition("/")[2]
    assert [(point.step, point.scalar.value) for point in data.values] == [(-2, -1), (1, 0.5), (3, math.inf), (5, 2.5)]
    assert data.values[1].wall_time.timestamp() == 1_700_000_001


def test_a_sample_of_many(board) -> None:
    series = board.scalar_series()
    board.write(series, scalars(range(3000)))
    sample = board.steps(series)
    assert len(sample) == 1000
    assert (sample[0], sample[-1], sample) == (0, 2999, sorted(set(sample)))
    assert sample == board.steps(series)
    assert len(board.steps(series, max_data_points=7)) == 7
    assert board.steps(series, max_data_points=1) == [2999]
    assert board.steps(series, max_data_points=-1) == list(range(3000))
    assert board.steps(series, filter="step >= 2998") == [2998, 2999]
    assert len(board.steps(series, filter="step < 2000", max_data_points=10)) == 10
    batch = board.client.batch_read_tensorboard_time_series_data(
        {"tensorboard": board.name, "time_series": [series] * 2}
    )
    assert [len(data.values) for data in batch.time_series_data] == [1000, 1000]
    with pytest.raises(exceptions.BadRequest, match="max_data_points"):
        board.read(series, max_data_points=-2)


@OVER_BOTH
def test_export(board) -> None:
    series = board.scalar_series()
    board.write(series, scalars(range(2500)))

    def export(**options) -> list[int]:
        request = types.ExportTensorboardTimeSeriesDataRequest(tensorboard_time_series=series, **options)
        return [point.step for point in board.client.export_tensorboard_time_series_data(request)]

    assert export() == list(range(2500))
    assert export(page_size=999, order_by="step desc") == list(range(2499, -1, -1))
    assert export(filter="step > 10 AND step <= 13", page_size=2, order_by="wall_time desc") == [13, 12, 11]
    request = types.ExportTensorboardTimeSeriesDataRequest(tensorboard_time_series=series, page_size=20_000)
    assert board.client.export_tensorboard_time_series_data(request).next_page_token == ""
    with pytest.raises(exceptions.BadRequest, match="order_by"):
        export(order_by="colour")


@OVER_BOTH
def test_a_write_of_an_experiment_is_all_or_nothing(board) -> None:
    experiment = board.experiment()
    runs = [board.run(experiment, own) for own in ("a", "b")]
    series = [board.series(run) for run in runs]

    def write(*ids: str) -> None:
        requests = [
            {
                "tensorboard_run": run,
                "time_series_data": [
                    {"tensorboard_time_series_id": own, "value_type": "SCALAR", "values": scalars([1, 2])}
                ],
            }
            for run, own in zip(runs, ids, strict=True)
        ]
        board.client.write_tensorboard_experiment_data(
            tensorboard_experiment=experiment, write_run_data_requests=requests
        )

    own = [name.rpartition("/")[2] for name in series]
    with pytest.raises(exceptions.NotFound, match="timeSeries/none is not found"):
        write(own[0], "none")
    assert board.steps(series[0]) == []
    write(*own)
    assert [board.steps(name) for name in series] == [[1, 2], [1, 2]]
    with pytest.raises(exceptions.BadRequest, match="is no run of"):
        board.client.write_tensorboard_experiment_data(
            tensorboard_experiment=board.experiment("other"), write_run_data_requests=[{"tensorboard_run": runs[0]}]
        )


@pytest.mark.parametrize(
    ("points", "kind", "text"),
    [
        (scalars([1]), "TENSOR", "TENSOR, but .* is of type SCALAR"),
        ([types.TimeSeriesDataPoint(step=1, tensor={"value": b"x"})], "SCALAR", "holds a value of kind tensor"),
        ([types.TimeSeriesDataPoint(step=1)], "SCALAR", "holds no value"),
        (scalars(range(5001)), "SCALAR", "5001 data points, 5000 are allowed"),
    ],
)
def test_values_that_do_not_fit(board, points, kind, text) -> None:
    series = board.scalar_series()
    with pytest.raises(exceptions.BadRequest, match=text):
        board.write(series, points, kind)
    assert board.steps(series) == []


def test_tensors(board) -> None:
    series = board.series(board.run(board.experiment()), "weights", "TENSOR")
    tensor = {"value": bytes(range(256)), "version_number": 1}
    board.write(series, [types.TimeSeriesDataPoint(step=step, tensor=tensor) for step in range(300)], "TENSOR")
    found = board.read(series).values
    assert (len(found), found[-1].step, found[0].tensor.value) == (100, 299, bytes(range(256)))


@OVER_BOTH
def test_blobs(board) -> None:
    series = board.series(board.run(board.experiment()), "pictures", "BLOB_SEQUENCE")
    prefix = board.client.get_tensorboard(name=board.name).blob_storage_path_prefix
    bucket, parts = storage.Client().bucket(prefix), series.split("/")
    folder = f"tensorboard-{parts[5]}/{parts[7]}/{parts[9]}/{parts[11]}"
    bucket.blob(f"{folder}/one").upload_from_string(b"1" * 40_000)  # as Google's uploader does
    blobs = {"values": [{"id": "one"}, {"data": b"two"}]}
    board.write(series, [types.TimeSeriesDataPoint(step=4, blobs=blobs)], "BLOB_SEQUENCE")
    assert board.client.get_tensorboard_time_series(name=series).metadata.max_blob_sequence_length == 2
    stored = board.read(series).values[0].blobs.values
    assert [blob.data for blob in stored] == [b"", b""]
    ids = [blob.id for blob in stored]
    request = types.ReadTensorboardBlobDataRequest(time_series=series, blob_ids=ids[::-1])
    answers = list(board.client.read_tensorboard_blob_data(request))
    assert [blob.data for answer in answers for blob in answer.blobs] == [b"two", b"1" * 40_000]
    everything = list(board.client.read_tensorboard_blob_data(time_series=series))
    assert [blob.id for answer in everything for blob in answer.blobs] == ids
    assert board.client.read_tensorboard_size(tensorboard=board.name).storage_size_byte > 40_000
    with pytest.raises(exceptions.NotFound, match=f"Blob none of .* gs://{prefix}/{folder}/none"):
        list(board.client.read_tensorboard_blob_data({"time_series": series, "blob_ids": ["none"]}))
    board.client.delete_tensorboard_time_series(name=series).result(timeout=60)
    assert list(bucket.list_blobs(prefix=folder)) == []


def test_scalars_have_no_blobs(board) -> None:
    with pytest.raises(exceptions.BadRequest, match="its type is SCALAR"):
        list(board.client.read_tensorboard_blob_data(time_series=board.scalar_series()))


def test_usage_counts_the_reads_of_a_user(board) -> None:
    series = board.scalar_series()
    for _ in range(3):
        board.read(series)
    (month,) = board.client.read_tensorboard_usage(tensorboard=board.name).monthly_usage_data.items()
    assert len(month[0]) == 6
    assert month[0].isdigit()
    assert [(user.view_count, "@" in user.username) for user in month[1].user_usage_data] == [(3, True)]
