"""Plain values on their way to Google's messages."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from gcpmlops import _waiting, checks
from gcpmlops._bigquery.query import parameters_of, type_of
from gcpmlops._endpoints.traffic import check_split, split_with
from gcpmlops._endpoints.values import instances_of
from gcpmlops._jobs import spec as job_spec
from gcpmlops._serving import Server, framework_of, prediction_image
from gcpmlops.exceptions import InvalidArgument


def test_arguments() -> None:
    args = {"rows": 5, "fast": True, "slow": False, "none": None, "tags": ["a", "b"], "map": {"x": 1}}
    assert job_spec.arguments(args) == ["--rows=5", "--fast", "--tags=a", "--tags=b", '--map={"x": 1}']
    assert job_spec.arguments(["--rows", 5]) == ["--rows", "5"]


def test_accelerator() -> None:
    spec = job_spec.machine_spec(job_spec.Hardware(accelerator_type="nvidia_tesla_t4"))
    assert (spec.accelerator_type.name, spec.accelerator_count) == ("NVIDIA_TESLA_T4", 1)
    with pytest.raises(InvalidArgument, match="Did you mean 'NVIDIA_TESLA_T4'"):
        job_spec.machine_spec(job_spec.Hardware(accelerator_type="NVIDIA_TESLA_T5"))


@pytest.mark.parametrize(
    ("current", "percentage", "expected"),
    [
        ({}, 10, {"0": 100}),
        ({"a": 100}, 10, {"0": 10, "a": 90}),
        ({"a": 50, "b": 50}, 33, {"0": 33, "a": 34, "b": 33}),
        ({"a": 100}, 100, {"0": 100, "a": 0}),
        ({"a": 0, "b": 100}, 0, {"0": 0, "b": 100}),
    ],
)
def test_traffic_split(current: dict[str, int], percentage: int, expected: dict[str, int]) -> None:
    split = split_with(current, percentage)
    assert split == expected
    assert check_split(split) == expected


def test_traffic_that_does_not_sum_up() -> None:
    with pytest.raises(InvalidArgument, match="sums to 90"):
        check_split({"a": 90})
    with pytest.raises(InvalidArgument, match="0 to 100"):
        split_with({}, 101)


def test_instances() -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, None]})
    assert instances_of(frame, as_records=False) == [[1, 0.5], [2, None]]
    assert instances_of(frame, as_records=True)[0] == {"a": 1, "b": 0.5}
    assert instances_of(np.array([[1, 2]]), as_records=False) == [[1, 2]]
    assert instances_of([{"a": np.int64(1), "b": (1, 2)}], as_records=False) == [{"a": 1, "b": [1, 2]}]
    with pytest.raises(InvalidArgument):
        instances_of({"a": 1}, as_records=False)


def test_query_parameters() -> None:
    when = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
    values = [True, 1, 1.5, "x", b"x", when.replace(tzinfo=None), when, when.date(), Decimal("1.5")]
    kinds = ["BOOL", "INT64", "FLOAT64", "STRING", "BYTES", "DATETIME", "TIMESTAMP", "DATE", "NUMERIC"]
    assert [type_of(value, None) for value in values] == kinds
    named, typed, array = parameters_of({"a": 1, "b": ("INT64", None), "c": [1, 2]})
    assert (named.name, named.type_, typed.type_, array.array_type) == ("a", "INT64", "INT64", "INT64")
    with pytest.raises(InvalidArgument, match="INT64"):
        parameters_of({"a": None})


def test_checks_as_sql() -> None:
    assert checks.NotNull("a").sql() == "SAFE_DIVIDE(COUNTIF(`a` IS NULL), COUNT(*))"
    assert checks.InRange("a", maximum=5).sql() == "COUNTIF(`a` > 5)"
    assert checks.Accepted("a", ["x'y", 2]).sql() == "COUNTIF(`a` NOT IN ('x\\'y', 2))"
    with pytest.raises(InvalidArgument):
        checks.InRange("a").sql()
    with pytest.raises(InvalidArgument):
        checks.NotNull("a` OR 1=1").sql()


def test_serving_image() -> None:
    assert prediction_image("sklearn", "1.6.1").endswith("/prediction/sklearn-cpu.1-6:latest")
    assert framework_of(["a.txt", "model.bst"], where="x") == "xgboost"
    with pytest.raises(InvalidArgument, match=r"x has no model file.*found: a.txt"):
        framework_of(["a.txt"], where="x")
    with pytest.raises(InvalidArgument, match="no prebuilt image"):
        prediction_image("keras3")


def test_polling_starts_fast() -> None:
    pauses = _waiting.pauses()
    first = [next(pauses) for _ in range(30)]
    assert (first[0], first[-1]) == (0.1, 5.0)
    assert first == sorted(first)


@pytest.mark.parametrize(
    ("own", "image", "warned"), [("1.5.2", "1-5", False), ("1.6.1", "1-6", False), ("1.99.0", "1-6", True)]
)
def test_an_estimator_newer_than_googles_images_gets_the_newest(own, image, warned, monkeypatch, caplog) -> None:
    sklearn = pytest.importorskip("sklearn")
    from sklearn.dummy import DummyClassifier

    monkeypatch.setattr(sklearn, "__version__", own)
    assert f"sklearn-cpu.{image}:" in Server.of(DummyClassifier(), (), {}).image
    assert ("no image for sklearn 1.99" in caplog.text) == warned
    assert "sklearn-cpu.1-99:" in Server.of(DummyClassifier(), (), {"framework_version": "1.99"}).image
