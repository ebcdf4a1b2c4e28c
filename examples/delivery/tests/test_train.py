from pathlib import Path

import pandas
import pytest

from train import FEATURES, fit

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture
def rows():
    return pandas.read_csv(DATA / "training.csv")


def test_data_are_whole(rows):
    assert not rows[[*FEATURES, "male"]].isna().any().any()
    assert set(rows["male"]) == {0, 1}


def test_a_model_answers_with_chances(rows):
    chances = fit(rows, trees=5, depth=3).predict(rows[FEATURES].to_numpy(float))
    assert chances.shape == (len(rows), 2)
    assert chances.sum(axis=1) == pytest.approx(1)
