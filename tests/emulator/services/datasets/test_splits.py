"""Which row goes into which set."""

from collections import Counter
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.services.datasets import splits
from gcpmlops.emulator.services.datasets.splits import IGNORED, Split

ROWS = [[str(number), "abc"[number % 3]] for number in range(1000)]
PRINTS = [splits.fingerprint(row) for row in ROWS]


def config(**split: Any) -> types.InputDataConfig:
    return types.InputDataConfig(dataset_id="1", **split)


@pytest.mark.parametrize(
    ("total", "shares", "expected"),
    [
        (100, (0.8, 0.1, 0.1), (80, 10, 10)),
        (10, (0.7, 0.2, 0.1), (7, 2, 1)),
        (5, (0.5, 0.25, 0.25), (3, 1, 1)),
        (3, (0.8, 0.1, 0.1), (3, 0, 0)),
        (7, (1 / 3, 1 / 3, 1 / 3), (3, 2, 2)),
        (10, (0.0, 0.5, 0.5), (0, 5, 5)),
        (0, (0.8, 0.1, 0.1), (0, 0, 0)),
    ],
)
def test_counts(total: int, shares: splits.Shares, expected: tuple[int, int, int]) -> None:
    assert splits.counts(total, shares) == expected


def test_without_a_split_it_is_80_10_10() -> None:
    assert splits.of_config(config(), "c") == Split("fraction", (0.8, 0.1, 0.1))
    assert splits.of_config(config(fraction_split={}), "c") == Split("fraction", (0.8, 0.1, 0.1))


def test_what_the_fractions_leave_goes_to_the_sets_without_one() -> None:
    assert splits.of_config(config(fraction_split={"training_fraction": 0.6}), "c").shares == pytest.approx(
        (0.6, 0.2, 0.2)
    )
    full = {"training_fraction": 0.3, "validation_fraction": 0.3, "test_fraction": 0.3}
    assert splits.of_config(config(fraction_split=full), "c").shares == pytest.approx((0.4, 0.3, 0.3))


@pytest.mark.parametrize(
    ("split", "words"),
    [
        (
            {"fraction_split": {"training_fraction": 0.8, "test_fraction": 0.3}},
            "fraction_split: the fractions sum to 1.1",
        ),
        ({"fraction_split": {"training_fraction": -0.1}}, "fraction_split.training_fraction: -0.1 is not between"),
        ({"predefined_split": {}}, "predefined_split.key: required"),
        ({"timestamp_split": {"training_fraction": 1}}, "timestamp_split.key: required"),
        ({"filter_split": {"training_filter": "-"}}, "filter_split: a split by filters"),
    ],
)
def test_refused_splits(split: dict[str, Any], words: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=words):
        splits.of_config(config(**split), "c")


def test_a_fraction_split_does_not_depend_on_the_order_of_the_rows() -> None:
    split = Split("fraction", (0.7, 0.2, 0.1))
    sets = splits.assign(split, PRINTS, [])
    assert Counter(sets) == {0: 700, 1: 200, 2: 100}
    turned = splits.assign(split, PRINTS[::-1], [])
    assert turned[::-1] == sets
    assert sets != sorted(sets)


def test_a_predefined_split_takes_both_documented_spellings_and_ignores_the_rest() -> None:
    words = ["training", "validation", "test", "TRAIN", "VALIDATE", "TEST", "", "holdout"]
    assert splits.assign(Split("predefined", key="s"), [0] * 8, words) == [0, 1, 2, 0, 1, 2, IGNORED, IGNORED]


def test_a_timestamp_split_trains_on_the_oldest_rows_and_ignores_those_without_a_time() -> None:
    times = [f"2024-01-{day:02d}T00:00:00Z" for day in range(10, 0, -1)] + ["yesterday", ""]
    sets = splits.assign(Split("timestamp", (0.5, 0.3, 0.2), "t"), list(range(12)), times)
    assert sets == [2, 2, 1, 1, 1, 0, 0, 0, 0, 0, IGNORED, IGNORED]


def test_times_are_compared_as_times() -> None:
    assert splits.moment("2024-01-01T00:00:00.5Z") == splits.moment("2024-01-01 00:00:00.500000 UTC")
    assert splits.moment("2024-01-01T02:00:00+02:00") == splits.moment("2024-01-01")


def test_a_stratified_split_keeps_the_shares_within_every_value() -> None:
    keys = ["rare" if number < 100 else "often" for number in range(1000)] + ["once"]
    sets = splits.assign(Split("stratified", (0.8, 0.1, 0.1), "k"), [*PRINTS, 1], keys)
    by_value = Counter(zip(keys, sets, strict=True))
    assert [by_value["rare", at] for at in range(3)] == [pytest.approx(share, abs=1) for share in (80, 10, 10)]
    assert [by_value["often", at] for at in range(3)] == [pytest.approx(share, abs=1) for share in (720, 90, 90)]
