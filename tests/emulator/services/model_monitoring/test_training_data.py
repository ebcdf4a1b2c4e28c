"""Training data of every format that is read, and values as columns."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.services.datasets.sources import Sources
from gcpmlops.emulator.services.model_monitoring.columns import column, distance, kind_of
from gcpmlops.emulator.services.model_monitoring.messages import Example
from gcpmlops.emulator.services.model_monitoring.stats_files import statistics_of
from gcpmlops.emulator.services.model_monitoring.training_data import TrainingData

from .conftest import Folder

Dataset = types.ModelMonitoringObjectiveConfig.TrainingDataset


def dataset(kind: str, **fields: Any) -> Any:
    return Dataset.pb(Dataset(gcs_source={"uris": [f"gs://b/rows.{kind}"]}, data_format=kind, **fields))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture
def reading(folder: Folder) -> TrainingData:
    store = SimpleNamespace(collection=lambda kind: None)
    return TrainingData(store, Sources(folder, None))


def tf_records(rows: list[dict[str, Any]]) -> bytes:
    parts = []
    for row in rows:
        example = Example()
        for key, value in row.items():
            feature = example.features.feature.add(key=key).value
            if isinstance(value, str):
                feature.bytes_list.value.append(value.encode())
            elif isinstance(value, float):
                feature.float_list.value.append(value)
            else:
                feature.int64_list.value.append(value)
        data = example.SerializeToString()
        parts.append(struct.pack("<Q", len(data)) + b"crc4" + data + b"crc4")
    return b"".join(parts)


ROWS = [{"carrier": "AA", "delay": 1.5, "late": 0}, {"carrier": "UA", "delay": 2.5, "late": 1}]
CONTENT = {
    "csv": b"carrier,delay,late\nAA,1.5,0\nUA,2.5,1\n",
    "jsonl": b"\n".join(json.dumps(row).encode() for row in ROWS),
    "tf-record": tf_records(ROWS),
}


@pytest.mark.parametrize("kind", CONTENT)
def test_every_format_is_read(folder: Folder, reading: TrainingData, kind: str) -> None:
    folder.put(f"rows.{kind}", CONTENT[kind])
    given = dataset(kind, target_field="late")
    assert reading.check(given, "data") == ["carrier", "delay"]
    found = reading.columns(given, ["carrier", "delay"], "data")
    assert found["carrier"] == ["AA", "UA"]
    assert [float(value) for value in found["delay"]] == [1.5, 2.5]


def test_a_sample_is_taken(folder: Folder, reading: TrainingData) -> None:
    folder.put("rows.csv", b"x\n" + b"1\n" * 1000)
    given = dataset("csv", logging_sampling_strategy={"random_sample_config": {"sample_rate": 0.25}})
    assert len(reading.columns(given, ["x"], "data")["x"]) == pytest.approx(250, abs=3)


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("jsonl", b'{"a": 1}\nno', "rows.jsonl, line 2: not JSON"),
        ("jsonl", b"[1]", "rows.jsonl, line 1: not an object"),
        ("tf-record", b"abcdefghijklmnop", "rows.tf-record is not a TFRecord file"),
        ("csv", b"", "rows.csv is empty"),
    ],
)
def test_what_is_not_readable_is_refused_by_name(
    folder: Folder, reading: TrainingData, kind: str, content: bytes, message: str
) -> None:
    folder.put(f"rows.{kind}", content)
    with pytest.raises(exceptions.InvalidArgument, match=message):
        reading.columns(dataset(kind), reading.check(dataset(kind), "data") or ["a"], "data")


def test_values_of_numbers_texts_and_truth() -> None:
    assert kind_of([1, 2.5, None], ["3", "4"]) == "number"
    assert kind_of(["3", "4"]) == "category"
    assert kind_of([True, False]) == "category"
    assert kind_of([1, "x"]) == "category"
    assert kind_of([]) == "category"
    numbers = column(["1", None, "x", float("nan"), 2], "number")
    assert (numbers.present, numbers.missing) == (2, 3)
    truths = column([True, False, True, None, 2.0], "category")
    assert truths.counts == {"true": 2, "false": 1, "2": 1}


def test_distances() -> None:
    assert distance(column(["a", "b"], "category"), column(["a"], "category")) == 0.5
    assert distance(column([0, 1], "number"), column([0, 1], "number")) == 0
    assert distance(column([0, 0], "number"), column([9, 9], "number")) == 1
    assert distance(column([], "number"), column([1], "number")) is None
    assert distance(column([None], "category"), column(["a"], "category")) is None
    assert distance(column([float("inf")], "number"), column([float("inf")], "number")) is None


def test_statistics_of_numbers_as_tensorflow_metadata_has_them() -> None:
    found = statistics_of("delay", column([0, 1, 2, 3, 4, None, float("inf")], "number"))
    stats = found.num_stats
    assert (found.name, found.type) == ("delay", 1)
    assert (stats.common_stats.num_non_missing, stats.common_stats.num_missing) == (6, 1)
    assert (stats.mean, stats.min, stats.median, stats.max, stats.num_zeros) == (2, 0, 2, 4, 1)
    standard, quantiles = stats.histograms
    assert [bucket.sample_count for bucket in standard.buckets] == [1, 0, 1, 0, 0, 1, 0, 1, 0, 1]
    assert sum(bucket.sample_count for bucket in quantiles.buckets) == 5
    empty = statistics_of("delay", column([None], "number"))
    assert not empty.num_stats.histograms
