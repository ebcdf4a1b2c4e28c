"""Searches in YAML files: what they say, and errors with the line."""

from pathlib import Path

import pytest

from gcpmlops import Categorical, Discrete, Double, Integer
from gcpmlops._tuning.file import load
from gcpmlops.exceptions import InvalidArgument

WHOLE = """
source: train.py
requirements: [xgboost]
args: {rows: 100, fast: true}
metrics: {auc: maximize, loss: minimize}
max_trials: 12
parallel_trials: 3
algorithm: random
early_stopping: median
space:
  rate: {type: double, min: 1e-4, max: 0.3, scale: log}
  rows: {type: discrete, values: [10, 1e2]}
  booster:
    type: categorical
    values: [tree, linear]
    when:
      - values: tree
        space:
          depth: {type: integer, min: 2, max: 10}
"""


@pytest.fixture
def file(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "search.yaml"
        path.write_text(text)
        return path

    return write


def test_the_arguments_of_submit(file, tmp_path: Path) -> None:
    settings = load(file(WHOLE))
    assert settings["space"] == {
        "rate": Double(1e-4, 0.3, scale="log"),
        "rows": Discrete([10, 100]),
        "booster": Categorical(["tree", "linear"]).when("tree", {"depth": Integer(2, 10)}),
    }
    assert settings["source"] == str(tmp_path / "train.py")
    assert (settings["args"], settings["requirements"]) == ({"rows": 100, "fast": True}, ["xgboost"])
    assert (settings["metrics"], settings["max_trials"]) == ({"auc": "maximize", "loss": "minimize"}, 12)


def test_part_of_them_is_enough(file) -> None:
    assert load(file("max_trials: 3\nparallel_trials: 2\n")) == {"max_trials": 3, "parallel_trials": 2}
    assert load(file("source: gs://b/x.tar.gz\n")) == {"source": "gs://b/x.tar.gz"}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 0, "the file is empty"),
        ("- 1\n", 1, "the file is not a mapping"),
        ("metrics: {auc: maximize\n", 2, "expected ',' or '}'"),
        ("metrics: {auc: maximize}\nmax_trails: 3\n", 2, "unknown key 'max_trails'\nDid you mean 'max_trials'?"),
        ("max_trials: 3\nmetrics: {a: maximize}\nmax_trials: 4\n", 3, "'max_trials' stands twice\n"),
        ("metrics:\n  auc: maximize\n  loss: down\n", 3, "metrics.loss: 'down' is not known"),
        ("max_trials: many\n", 1, "max_trials is 'many'"),
        ("max_trials: 2\n\nparallel_trials: 3\n", 3, "parallel_trials is 3\nAllowed: at most max_trials, 2"),
        ("algorithm: genetic\n", 1, "algorithm: 'genetic' is not known"),
        ("space:\n", 1, "space is not a mapping"),
        ("space: {}\n", 1, "the search space is empty"),
        ("space:\n  rate:\n    type: double\n    min: 3\n    max: 1\n", 4, "rate: min 3 is above max 1"),
        (
            "space:\n  rate:\n    type: double\n    min: 0\n    max: 1\n    scale: log\n",
            4,
            "scale log needs values above 0",
        ),
        ("space:\n  rate:\n    type: dubble\n", 3, "type 'dubble' is not known\nAllowed: double, integer"),
        ("space:\n  rate: {min: 0, max: 1}\n", 2, "rate has no type"),
        ("space:\n  rate: {type: double, min: 0}\n", 2, "rate has no max"),
        ("space:\n  rate: {type: double, min: 0, maxi: 1}\n", 2, "unknown key 'maxi'\nDid you mean 'max'?"),
        ("space:\n  rate: {type: double, min: 0, max: 1, when: []}\n", 2, "unknown key 'when'"),
        (
            "space:\n  a: {type: integer, min: 0, max: 1}\n  a: {type: integer, min: 0, max: 2}\n",
            3,
            "'a' stands twice\n",
        ),
        ("space:\n  a b: {type: integer, min: 0, max: 1}\n", 2, "'a b' is not a parameter's name"),
        ("space:\n  a: {type: categorical, values: [x, 1]}\n", 2, "a: 1 is not text"),
        ("space:\n  a: {type: discrete, values: []}\n", 2, "a: values is []"),
        (
            "space:\n  a:\n    type: integer\n    min: 0\n    max: 1\n    when:\n"
            "      - values: 5\n        space: {b: {type: integer, min: 0, max: 1}}\n",
            7,
            "a: 5 is outside of 0 to 1",
        ),
        ("space:\n  a:\n    type: integer\n    min: 0\n    max: 1\n    when: 1\n", 6, "a: when is not a list"),
        (
            "space:\n  a:\n    type: integer\n    min: 0\n    max: 1\n    when:\n      - values: 1\n",
            7,
            "a: when needs values and space",
        ),
        (
            "space:\n  a:\n    type: integer\n    min: 0\n    max: 1\n    when:\n"
            "      - values: 1\n        space:\n          a: {type: integer, min: 0, max: 1}\n",
            9,
            "parameter 'a' stands twice",
        ),
        ("space: {a: {type: double, min: 0, max: 1}}\nalgorithm: grid\n", 1, "a grid has no place for the Double a"),
    ],
)
def test_errors_name_file_and_line(file, text: str, line: int, message: str) -> None:
    path = file(text)
    with pytest.raises(InvalidArgument) as caught:
        load(path)
    where, found = str(caught.value).split(": ", 1)
    assert where == (f"{path}:{line}" if line else str(path))
    assert message in found


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="No such file"):
        load(tmp_path / "none.yaml")
