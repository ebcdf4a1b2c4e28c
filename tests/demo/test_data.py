"""The flights themselves, and how they reach the model."""

from datetime import date

import pytest

from gcpmlops.demo import data, sql
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
