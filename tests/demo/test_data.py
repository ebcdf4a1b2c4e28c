"""The flights themselves, and how they reach the model."""

from datetime import date

import pytest

from gcpmlops.demo import data, sql
from gcpmlops.demo.scores import auc, scores
from gcpmlops.demo.steps import instance
from gcpmlops.exceptions import GcpMlopsError


@pytest.fixture(scope="module")
def july() -> data.Month:
    return data.months(range(7, 8))[0]


def test_months_are_complete_csv_files(july: data.Month) -> None:
    assert (july.number, july.rows) == (7, 29_425)
    header, first, *_ = july.content.splitlines()
    assert header.decode().split(",") == list(sql.SCHEMA)
    assert first.startswith(b"2013,7,1,")
    assert july.content.count(b"\n") == july.rows + 1


def test_sample_is_of_flights_that_arrived_and_always_the_same(july: data.Month) -> None:
    flights = data.arrived(july, size=50)
    assert [f.row for f in flights] == [f.row for f in data.arrived(july, size=50)]
    assert {f.late for f in flights} == {True, False}
    assert all(f.late == (f.arr_delay > 15) for f in flights)
    assert flights[0].title.startswith("Jul ")


def test_missing_flights_are_said_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "find_spec", lambda name: None)
    with pytest.raises(GcpMlopsError, match=r"gcpmlops\[emulator\]"):
        data.months(range(1, 2))


def test_instance_follows_the_training_table(july: data.Month) -> None:
    flight = data.arrived(july, size=1)[0]
    codes = {("carrier", flight.row["carrier"]): 3, ("origin", flight.row["origin"]): 1}
    values = dict(zip(sql.FEATURES, instance(flight, codes), strict=True))
    day = date(2013, 7, int(flight.row["day"]))
    assert values["weekday"] == day.isoweekday() % 7 + 1
    assert (values["month"], values["carrier"], values["origin"], values["dest"]) == (7, 3, 1, -1)


def test_training_query_names_the_features_in_their_order() -> None:
    query = sql.training_query(15)
    places = [query.index(f"{name}," if name == "dest" else name) for name in ("month", "weekday", "hour", "distance")]
    assert places == sorted(places)
    assert query.index("carrier_codes.code") < query.index("origin_codes.code") < query.index("dest_codes.code")


def test_auc_knows_perfect_random_and_reversed_orders() -> None:
    truth = [True, False, True, False]
    assert auc(truth, [0.9, 0.1, 0.8, 0.2]) == 1.0
    assert auc(truth, [0.1, 0.9, 0.2, 0.8]) == 0.0
    assert auc(truth, [0.5] * 4) == 0.5
    assert auc([True, False, False], [0.4, 0.4, 0.1]) == 0.75


def test_scores_have_guessing_beside_them() -> None:
    found = scores([True] * 3 + [False] * 17, [0.9, 0.8, 0.2] + [0.6] + [0.1] * 16)
    assert (found.flights, found.base_rate, found.always_on_time) == (20, 0.15, 0.85)
    assert (found.accuracy, found.riskiest) == (0.9, 1.0)
