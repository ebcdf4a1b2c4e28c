"""client.drift: frames against tables, what is drift and what is a broken feed, the report."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import jensenshannon

from gcpmlops import Client, exceptions
from gcpmlops.drift import Drift, Limits

ROWS = 2000


def frame(seed: int, *, shift: float = 0.0, share: float = 0.25) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rest = (1 - share) / 3
    made = pd.DataFrame(
        {
            "delay": rng.normal(shift, 1, ROWS),
            "hour": rng.integers(0, 24, ROWS),
            "carrier": rng.choice(["AA", "B6", "DL", "UA"], ROWS, p=[share, rest, rest, rest]),
            "cancelled": rng.random(ROWS) < 0.2,
            "at": pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(rng.integers(0, 86_400, ROWS), unit="s"),
        }
    )
    made.loc[rng.random(ROWS) < 0.1, "delay"] = np.nan
    made.loc[rng.random(ROWS) < 0.1, "carrier"] = None
    return made


@pytest.fixture
def drift() -> Drift:
    """Of frames: asks nobody."""
    return Drift(None, None)


def test_what_moved_is_told_with_its_distance(drift: Drift) -> None:
    before, after = frame(1), frame(2, shift=2.0, share=0.7)
    result = drift.compare(before, after, thresholds={"hour": 0.05, "*": 0.2})
    assert [each.name for each in result.anomalies] == ["carrier", "delay"]
    assert result.verdict == "drift"
    assert not result.data_problems
    delay = result["delay"]
    edges = np.linspace(*np.nanquantile(pd.concat([before.delay, after.delay]), [0, 1]), 11)
    sides = [np.histogram(side.delay.dropna(), edges)[0] for side in (before, after)]
    assert delay.distance == pytest.approx(jensenshannon(*sides, base=2) ** 2)
    assert delay.distribution.baseline == tuple(sides[0])
    shares = [side.carrier.value_counts(normalize=True) for side in (before, after)]
    assert result["carrier"].distance == pytest.approx((shares[0] - shares[1]).abs().max())
    assert result["carrier"].statistic == "l_infinity"
    assert result["delay"].current_missing == pytest.approx(after.delay.isna().mean())
    assert result["hour"].threshold == 0.05
    assert set(result.skipped) == {"at"}


def test_the_same_data_have_not_moved(drift: Drift) -> None:
    result = drift.drift(frame(1), frame(1), features=["at", "delay", "cancelled"])
    assert (result.method, result.verdict) == ("drift", "ok")
    assert [each.distance for each in result.features] == [0, 0, 0]
    assert [each.kind for each in result.features] == ["time", "number", "category"]
    assert str(result) == "None of 3 features drifted."


BROKEN = {
    "all_missing": {"delay": math.nan},
    "missing_values": {"delay": lambda f: f.delay.where(f.index % 4 == 0)},
    "constant": {"hour": 0},
    "type_changed": {"hour": lambda f: f.hour.astype(str)},
    "new_categories": {"carrier": lambda f: "new-" + f.carrier},
}


@pytest.mark.parametrize("reason", BROKEN)
def test_a_broken_feed_is_no_drift(drift: Drift, reason: str) -> None:
    after = frame(2).assign(**BROKEN[reason])
    result = drift.compare(frame(1), after)
    assert [problem.reason for problem in result.data_problems] == [reason]
    assert result.verdict == "data"
    assert result.anomalies == ()
    assert not result.drifted


def test_a_column_without_values_has_not_changed_its_type(drift: Drift) -> None:
    gone = drift.compare(frame(1), frame(2).assign(carrier=math.nan))
    assert [(each.feature, each.reason) for each in gone.data_problems] == [("carrier", "all_missing")]
    assert gone["carrier"].kind == "category"
    new = drift.compare(frame(1).assign(carrier=math.nan), frame(2))
    assert new.verdict == "ok"


def test_rows_and_columns_that_did_not_come(drift: Drift) -> None:
    before = frame(1)
    gone = drift.compare(before, before.drop(columns="hour"))
    assert [(each.feature, each.reason) for each in gone.data_problems] == [("hour", "missing_column")]
    assert [p.reason for p in drift.drift(before, before[:100]).data_problems] == ["volume"]
    assert drift.skew(before, before[:100]).verdict == "ok"
    assert drift.compare(before, before[:100], limits=Limits(volume=0.5)).verdict == "data"
    empty = drift.compare(before, before[:0])
    assert [problem.reason for problem in empty.data_problems] == ["no_rows"]
    assert empty["delay"].distance is None
    json.dumps(empty.to_dict(), allow_nan=False)


def test_what_is_rare_or_has_always_been_so_is_no_fault(drift: Drift) -> None:
    before = pd.DataFrame({"rare": [0] * 999 + [1], "void": None, "key": [f"k{n}" for n in range(1000)], "one": 1})
    after = pd.DataFrame({"rare": [0] * 100, "void": None, "key": [f"z{n}" for n in range(100)], "one": 1})
    result = drift.compare(before, after)
    assert result.data_problems == ()
    assert result["void"].distance is None
    assert result["one"].distance == 0


def test_infinities_and_codes(drift: Drift) -> None:
    before = pd.DataFrame({"x": [1.0, 2.0, 3.0, np.inf], "code": [1, 2, 2, None]})
    after = pd.DataFrame({"x": [1.0, 2.0, 3.0, -np.inf], "code": [1, 1, 1, 2]})
    result = drift.compare(before, after, categorical=["code"], thresholds=0.1)
    assert result["x"].current_count == 4
    assert 0 < result["x"].distance < 1
    assert result["code"].distance == pytest.approx(3 / 4 - 1 / 3)
    assert result["code"].distribution.labels == ("2", "1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"features": ["dealy"]}, "is it 'delay'"),
        ({"features": []}, "a list of one or more columns"),
        ({"features": "delay"}, "a list of one or more columns"),
        ({"thresholds": 0}, "the threshold of thresholds is 0"),
        ({"thresholds": {"delay": 1.5}}, "the threshold of delay is 1.5"),
        ({"thresholds": {"nothing": 0.5}}, "nothing, which is not compared"),
        ({"bins": 0}, "1 to 1000"),
        ({"binning": "magic"}, "equal_width, quantile"),
    ],
)
def test_bad_input_is_refused_by_name(drift: Drift, arguments: dict, message: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=message):
        drift.compare(frame(1), frame(2), **arguments)


def test_columns_that_cannot_be_compared(drift: Drift) -> None:
    odd = pd.DataFrame({"x": [1, 2], "list": [[1], [2]], "span": pd.to_timedelta([1, 2], unit="s")})
    result = drift.compare(odd, odd)
    assert result.skipped == {"list": "nested cannot be compared", "span": "timedelta cannot be compared"}
    with pytest.raises(exceptions.InvalidArgument, match="list holds nested"):
        drift.compare(odd, odd, features=["list"])
    with pytest.raises(exceptions.InvalidArgument, match="twice"):
        drift.compare(odd, pd.concat([odd, odd], axis=1))


def test_the_report_has_every_feature_and_no_address(drift: Drift, tmp_path: Path) -> None:
    after = frame(2, shift=2.0).assign(hour=None, carrier="<b>")
    result = drift.compare(frame(1), after, features=["delay", "hour", "carrier", "at"])
    text = result.report(tmp_path / "drift.html").read_text()
    assert text.count("<figcaption>") == 4
    assert "all values are missing" in text
    assert "<b>&lt;b&gt;" not in text
    assert "&lt;b&gt;" in text
    assert "http" not in text
    assert "<table>" in result._repr_html_()
    with pytest.raises(exceptions.InvalidArgument, match="No such file"):
        result.report(tmp_path / "no" / "drift.html")


@pytest.fixture(scope="module")
def tables(client: Client) -> tuple[str, str]:
    """Two windows in BigQuery, the second one twice: as it is, and broken."""
    client.bigquery.ensure_dataset("drift_windows")
    for name, rows in (("before", frame(1)), ("after", frame(2, shift=2.0, share=0.7))):
        client.bigquery.load(f"drift_windows.{name}", source=rows, write_disposition="WRITE_TRUNCATE")
    return "drift_windows.before", "drift_windows.after"


def test_tables_are_counted_in_bigquery_as_frames_are(client: Client, drift: Drift, tables: tuple[str, str]) -> None:
    before, after = tables
    settings = {"features": ["delay", "hour", "carrier", "cancelled", "at"], "categorical": ["hour"]}
    there = client.drift.compare(before, f"SELECT * FROM `{after}`;", **settings)
    here = drift.compare(frame(1), frame(2, shift=2.0, share=0.7), **settings)
    assert (there.baseline_rows, there.current_rows) == (ROWS, ROWS)
    for one, other in zip(there.features, here.features, strict=True):
        found, expected = one.to_dict(), other.to_dict()
        assert found.pop("distance") == pytest.approx(expected.pop("distance"))
        assert found.pop("stability") == pytest.approx(expected.pop("stability"))
        for side in ("baseline", "current"):
            counts = found["distribution"].pop(side), expected["distribution"].pop(side)
            assert sorted(counts[0]) == sorted(counts[1])
        assert set(found["distribution"].pop("labels", ())) == set(expected["distribution"].pop("labels", ()))
        edges = [each.pop("distribution").get("edges", []) for each in (found, expected)]
        assert edges[0] == pytest.approx(edges[1])
        assert found == expected


def test_quantiles_and_faults_of_tables(client: Client, tables: tuple[str, str]) -> None:
    before, after = tables
    broken = f"SELECT * REPLACE (CAST(NULL AS FLOAT64) AS delay, 'X' AS carrier, NULL AS cancelled) FROM {after}"
    result = client.drift.drift(before, broken, binning="quantile", bins=4)
    assert {(each.feature, each.reason) for each in result.data_problems} == {
        ("delay", "all_missing"),
        ("carrier", "new_categories"),
        ("cancelled", "all_missing"),
    }
    counts = result["hour"].distribution.baseline
    assert len(counts) == 4
    assert max(counts) < ROWS / 3
    with pytest.raises(exceptions.NotFound, match="drift_windows"):
        client.drift.compare(before, "drift_windows.none")
