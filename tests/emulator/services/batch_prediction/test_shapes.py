"""What of a record goes to the model and into the output; records out of TFRecord files."""

import gzip
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.services.batch_prediction import records, served
from gcpmlops.emulator.services.batch_prediction.shapes import Shapes, texts

RECORD = {"id": "k", "b": 1, "a": 5}


def shapes(kind: str, **config: Any) -> Shapes:
    return Shapes(types.BatchPredictionJob(input_config={"instances_format": kind}, instance_config=config))


@pytest.mark.parametrize(
    ("kind", "config", "instance", "shown"),
    [
        ("jsonl", {"instance_type": "array"}, ["k", 1, 5], ["k", 1, 5]),
        ("csv", {}, ["k", 1, 5], ["k", 1, 5]),
        ("bigquery", {"instance_type": "object"}, RECORD, RECORD),
        ("bigquery", {"included_fields": ["a", "b"]}, [5, 1], RECORD),
        ("jsonl", {"excluded_fields": ["id"]}, {"b": 1, "a": 5}, RECORD),
        ("csv", {"key_field": "id"}, [1, 5], "k"),
    ],
)
def test_shapes(kind: str, config: dict[str, Any], instance: Any, shown: Any) -> None:
    found = shapes(kind, **config).item(RECORD)
    assert [json.loads(text) for text in found] == [instance, shown, RECORD]


def test_what_needs_no_change_stays_the_text_that_it_is() -> None:
    assert shapes("jsonl").item(RECORD, b'{"id":"k", "b": 1,  "a": 5.0}') == b'{"id":"k", "b": 1,  "a": 5.0}'


def test_predictions_as_json() -> None:
    big = 1 << 70
    for values in ([1, 2.5, True, None], [float("nan")], ["a, b", [1, 2], {"c": 1}], [big, 1], []):
        expected = [None if value != value else value for value in values]
        assert [json.loads(text) for text in texts(values)] == expected


@pytest.mark.parametrize(
    ("config", "record", "words"),
    [
        ({"included_fields": ["c"]}, RECORD, "no field 'c' of included_fields"),
        ({"key_field": "c"}, RECORD, "no field 'c', which is the key_field"),
        ({"instance_type": "object"}, [1, 2], r"\[1, 2\] is not an object"),
    ],
)
def test_records_that_do_not_fit(config: dict[str, Any], record: Any, words: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=words):
        shapes("jsonl", **config).item(record)


def test_tf_records(tmp_path: Path) -> None:
    frames = b"".join(struct.pack("<Q", len(data)) + b"crc1" + data + b"crc2" for data in (b"some bytes", b""))
    plain, packed, cut = tmp_path / "plain", tmp_path / "packed", tmp_path / "cut"
    plain.write_bytes(frames)
    packed.write_bytes(gzip.compress(frames))
    cut.write_bytes(frames[:20])
    expected = [{"b64": "c29tZSBieXRlcw=="}, {"b64": ""}]
    assert list(records._tf_records("gs://b/plain", plain, packed=False)) == expected
    assert list(records._tf_records("gs://b/packed", packed, packed=True)) == expected
    (error,) = records._tf_records("gs://b/cut", cut, packed=False)
    assert "gs://b/cut is not a TFRecord file" in str(error)


def test_values_of_csv_files_are_numbers_where_they_look_like_it() -> None:
    assert [records._value(text) for text in ("1", "-2.5", "1e3", "x1", "", "nan")] == [
        1,
        -2.5,
        1000.0,
        "x1",
        "",
        "nan",
    ]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest", True),
        ("us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-5:latest", False),
        ("us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.0-1:latest", False),
        ("gcr.io/me/own:1", False),
    ],
)
def test_which_images_our_own_server_answers_for(image: str, expected: bool) -> None:
    mapped = {"us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-5:latest": "serve"}
    assert served.is_prebuilt(types.Model(container_spec={"image_uri": image}), mapped) is expected


@pytest.mark.parametrize(("asked", "cores", "expected"), [(0, 8, 1), (3, 8, 3), (10, 2, 2), (10, None, 1)])
def test_replicas(asked: int, cores: int | None, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    resources = {"starting_replica_count": asked, "max_replica_count": 20}
    assert served.replicas(types.BatchPredictionJob(dedicated_resources=resources)) == expected
