"""What may be given as samples, and what is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gcpmlops import exceptions
from gcpmlops._models.samples import Samples


@pytest.fixture
def storage(mocker):
    """Holds one object."""
    return mocker.Mock(read=mocker.Mock(return_value=b'{"instances": [[1], [2]], "parameters": {"k": 3}}'))


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ([[1, 2.5], ["a", None]], [[1, 2.5], ["a", None]]),
        ([{"x": 1}], [{"x": 1}]),
        (np.array([[1, 2]]), [[1, 2]]),
        (pd.DataFrame({"x": [1.0, None], "y": ["a", "b"]}), [[1.0, "a"], [None, "b"]]),
        ({"instances": ({"x": np.int64(1)},)}, [{"x": 1}]),
    ],
)
def test_values(given, wanted, storage) -> None:
    found = Samples.of(given, storage)
    assert found == wanted
    assert found.parameters is None


@pytest.mark.parametrize(
    ("name", "content"),
    [("s.json", "[[1], [2]]"), ("s.json", '{"instances": [[1], [2]]}'), ("s.jsonl", "[1]\n\n[2]\n")],
)
def test_files(name: str, content: str, storage, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    assert Samples.of(tmp_path / name, storage) == [[1], [2]]


def test_stored_file_and_back(storage) -> None:
    found = Samples.of("gs://b/samples.json", storage)
    assert (found, found.parameters) == ([[1], [2]], {"k": 3})
    again = Samples.parse(found.to_json(), where="x")
    assert (again, again.parameters) == (found, {"k": 3})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "no instances"),
        ({"rows": [1]}, "no request"),
        ({"instances": [1], "parameters": [2]}, "no request"),
        ({"instances": "text"}, "must be a list"),
        (3, "must be a list"),
        ([float("nan")], "as JSON"),
        ([object()], "as JSON"),
        ("missing.json", "No such file"),
    ],
)
def test_what_is_refused(given, said: str, storage) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=said):
        Samples.of(given, storage)


def test_file_that_is_no_json(storage, tmp_path: Path) -> None:
    (tmp_path / "s.jsonl").write_text("[1]\n[2\n")
    with pytest.raises(exceptions.InvalidArgument, match=r"s\.jsonl is not JSON"):
        Samples.of(tmp_path / "s.jsonl", storage)
