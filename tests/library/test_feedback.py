"""client.feedback: predictions joined with outcomes, beside what scikit-learn makes of the same rows."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as theirs

from gcpmlops import Client, exceptions
from gcpmlops._feedback import publishing, records
from gcpmlops._feedback.quality import Measured, Quality
from gcpmlops._feedback.sources import RequestLog, path
from gcpmlops._feedback.windows import Window
from gcpmlops.feedback import OutcomeTable, PredictionTable

JANUARY = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def dataset(client: Client):
    """400 predictions of two versions over two months; late, repeated, missing and strange outcomes."""
    name = f"feedback_{np.random.default_rng().integers(1e9)}"
    tables = client.feedback.ensure_tables(name)
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({"key": [f"f{n}" for n in range(400)]})
    frame["version"] = np.where(frame.index % 2, "2", "1")
    frame["score"] = np.round(rng.random(400), 2)
    frame["carrier"] = rng.choice(["UA", "AA"], 400)
    frame["predicted_at"] = [JANUARY + timedelta(days=n // 200 * 31, minutes=n) for n in range(400)]
    frame["late"] = (rng.random(400) < 0.2 + 0.6 * frame["score"]).astype(int)
    client.feedback.record_predictions(frame.drop(columns="late").astype(object), table=tables.predictions)
    again = {**frame.iloc[0].drop("late").to_dict(), "predicted_at": JANUARY - timedelta(hours=1), "score": 0.0}
    client.feedback.record_predictions([again], table=tables.predictions)
    known = frame.iloc[:380]
    outcomes = [
        {"key": row.key, "late": row.late, "seen": row.predicted_at + timedelta(days=9 if n < 10 else 2)}
        for n, row in enumerate(known.itertuples())
    ]
    outcomes += [{"key": "f3", "late": 1 - known.late[3], "seen": JANUARY + timedelta(hours=1)}]
    outcomes += [{"key": "nobody", "late": 1, "seen": JANUARY}, {"key": "f399", "late": "perhaps", "seen": JANUARY}]
    client.feedback.record_outcomes(outcomes, table=tables.outcomes, outcome="late", time="seen")
    yield tables, frame
    client.bigquery.delete_dataset(name, force=True)


def test_quality_is_what_scikit_learn_says(client: Client, dataset) -> None:
    tables, frame = dataset
    names = ("roc_auc", "log_loss", "brier", "accuracy", "precision", "recall")
    quality = client.feedback.quality(
        predictions=tables.predictions,
        outcomes=tables.outcomes,
        metrics=names,
        by=("version", "month", "carrier"),
        late_after="7d",
    )
    assert (quality.versions, quality.slices) == (("1", "2"), ("all", "carrier=AA", "carrier=UA"))
    assert len(quality) == 12
    month = np.arange(400) // 200
    known = np.arange(400) < 380
    for row in quality:
        here = (frame.version == row.version) & (month == (row.start.month == 2))
        here &= (row.slice == "all") | (frame.carrier == row.slice[-2:])
        assert row.predictions == here.sum()
        mine = frame[here & known]
        assert row.outcomes == len(mine)
        hit = mine.score >= 0.5
        assert row.values == pytest.approx(
            {
                "roc_auc": theirs.roc_auc_score(mine.late, mine.score),
                "log_loss": theirs.log_loss(mine.late, mine.score.clip(1e-15, 1 - 1e-15)),
                "brier": theirs.brier_score_loss(mine.late, mine.score),
                "accuracy": theirs.accuracy_score(mine.late, hit),
                "precision": theirs.precision_score(mine.late, hit),
                "recall": theirs.recall_score(mine.late, hit),
            }
        )
        assert row.delay_s == 2 * 86400
        assert (row.end.month, row.end.day) == (row.start.month + 1, 1)
    assert quality.left_over == {
        "predictions": 401,
        "without_key": 0,
        "predicted_again": 1,
        "outcomes_again": 1,
        "without_prediction": 1,
        "unreadable": 1,
        "without_score": 0,
        "late": 10,
    }
    assert len(quality.to_dataframe()) == 12
    assert len(quality.plot(slice="carrier=UA").data) == 2 * (len(names) + 1)
    assert "outcomes again 1" in quality._repr_html_()


def test_few_outcomes_are_no_figure(client: Client, dataset) -> None:
    tables, _ = dataset
    quality = client.feedback.quality(
        predictions=PredictionTable(table=tables.predictions, instance="instance"),
        outcomes=OutcomeTable(table=tables.outcomes),
        by=("carrier",),
        window="7d",
        since=JANUARY + timedelta(days=31),
        minimum=100,
    )
    assert {row.version for row in quality} == {""}
    whole = quality.of()
    assert sum(row.predictions for row in whole) == 200
    assert all((row.values["roc_auc"] is None) == (row.outcomes < 100) for row in quality)
    assert all(row.end - row.start == timedelta(days=7) for row in quality)


def test_quality_is_published(client: Client, dataset, unique) -> None:
    tables, _ = dataset
    model = unique("late")
    quality = client.feedback.quality(
        predictions=tables.predictions, outcomes=tables.outcomes, by=("version", "month"), metrics=("roc_auc",)
    )
    done = client.feedback.publish(quality, model=model)
    assert (done.written, done.too_few, done.older) == (4, 0, 4)
    found = client.monitoring.read("quality", since="1h", labels={"model": model, "metric": "roc_auc"})
    newest = {row.version: row.values["roc_auc"] for row in quality.of() if row.start.month == 2}
    assert {each.labels["version"]: each.last for each in found} == pytest.approx(newest)
    assert client.feedback.publish(quality, model=model).written == 0


def test_the_log_of_an_endpoint_as_it_is_kept(client: Client, unique) -> None:
    name = unique("log").replace("-", "_")
    client.bigquery.create_dataset(name)
    client.bigquery.query(
        f"CREATE TABLE {name}.log (deployed_model_id STRING, logging_time TIMESTAMP, request_payload ARRAY<STRING>, "
        "response_payload ARRAY<STRING>)"
    )
    client.bigquery.query(
        f"""INSERT INTO {name}.log VALUES
        ('77', TIMESTAMP '2026-01-05 00:00:00', ['{{"id": 1, "label": "UA"}}', '{{"id": 2}}'],
         ['[0.2, 0.8]', '[0.9, 0.1]']),
        ('88', TIMESTAMP '2026-01-06 00:00:00', ['[1, "AA"]', '[3, "AA"]', '{{}}'], ['[0.5, 0.5]', '[0.1, 0.9]'])"""
    )
    client.bigquery.query(
        f"CREATE TABLE {name}.outcomes AS SELECT '1' AS flight, TRUE AS late, TIMESTAMP '2026-01-07 00:00:00' AS at "
        "UNION ALL SELECT '2', FALSE, TIMESTAMP '2026-01-08 00:00:00'"
    )
    log = RequestLog(table=f"{name}.log", key="id", prediction="$[1]", versions={"77": "1"})
    options = {
        "outcomes": OutcomeTable(table=f"{name}.outcomes", key="flight", outcome="late", time="at"),
        "metrics": ("roc_auc", "accuracy"),
        "minimum": 1,
    }
    quality = client.feedback.quality(predictions=log, by=("version", "day", "label"), **options)
    rows = {(row.version, row.slice): row for row in quality}
    assert set(rows) == {("1", "all"), ("1", "label=UA"), ("1", "label=null")}
    assert rows["1", "all"].values == {"roc_auc": 1.0, "accuracy": 1.0}
    assert rows["1", "label=null"].values == {"roc_auc": None, "accuracy": 1.0}
    assert (rows["1", "all"].delay_s, quality.left_over["without_key"]) == (pytest.approx(216_000, abs=43_200), 3)
    lists = RequestLog(table=f"{name}.log", key="[0]", prediction="$[1]", features=("id", "label"))
    (row,) = client.feedback.quality(predictions=lists, by=("version",), **options)
    assert (row.version, row.start, row.predictions, row.outcomes) == ("88", None, 2, 1)
    with pytest.raises(exceptions.InvalidArgument, match="is a request log"):
        client.feedback.quality(predictions=f"{name}.log", **options)
    client.bigquery.delete_dataset(name, force=True)


def test_nothing_is_recorded_when_one_row_is_wrong(client: Client, dataset) -> None:
    tables, _ = dataset
    good = {"key": "x", "score": 0.5}
    for bad, said in (
        ({"score": 1}, r"rows\[1\]: key is None"),
        ({"key": "y"}, "a score, a label"),
        ({"key": "y", "score": float("nan")}, "a finite number"),
        ({"key": "y", "score": 1, "predicted_at": datetime(2026, 1, 1)}, "time zone"),
    ):
        with pytest.raises(exceptions.InvalidArgument, match=said):
            client.feedback.record_predictions([good, bad], table=tables.predictions)
    with pytest.raises(exceptions.InvalidArgument, match="what happened"):
        client.feedback.record_outcomes([{"key": "x", "outcome": 1}, {"key": "y"}], table=tables.outcomes)
    with pytest.raises(exceptions.InvalidArgument, match="no rows"):
        client.feedback.record_outcomes([], table=tables.outcomes)
    assert client.bigquery.get_table(tables.predictions).rows == 401


def test_outcomes_of_a_table(client: Client, dataset) -> None:
    tables, _ = dataset
    client.bigquery.query(
        "SELECT 'z' AS id, 3.5 AS delay, CAST(NULL AS TIMESTAMP) AS at", destination=f"{tables.outcomes}_of"
    )
    columns = {"key": "id", "outcome": "delay", "time": "at"}
    before = client.bigquery.get_table(tables.outcomes).rows
    client.feedback.record_outcomes(f"{tables.outcomes}_of", table=tables.outcomes, **columns)
    assert client.bigquery.get_table(tables.outcomes).rows == before + 1
    with pytest.raises(exceptions.InvalidArgument, match="no column 'key'"):
        client.feedback.record_outcomes(f"{tables.outcomes}_of", table=tables.outcomes)


def test_what_can_not_be(client: Client, dataset) -> None:
    tables, _ = dataset
    where = {"predictions": tables.predictions, "outcomes": tables.outcomes}
    for options, field in (
        ({"metrics": ("auc",)}, "metrics"),
        ({"task": "ranking"}, "task"),
        ({"by": ("day", "month")}, "window"),
        ({"by": "version"}, "by"),
        ({"by": ("a`b",)}, "by"),
        ({"by": (), "window": "soon"}, "window"),
        ({"predictions": PredictionTable(table=tables.predictions, score="p")}, "column"),
    ):
        with pytest.raises(exceptions.InvalidArgument) as caught:
            client.feedback.quality(**{**where, **options})
        assert caught.value.field == field
    with pytest.raises(exceptions.InvalidArgument, match="JSON path"):
        path("$[1]') OR ('")


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("month", (2026, 12, 1), (2027, 1, 1)),
        ("quarter", (2026, 10, 1), (2027, 1, 1)),
        ("week", (2026, 12, 28), (2027, 1, 4)),
        ("36h", (2026, 1, 1), (2026, 1, 2, 12)),
    ],
)
def test_windows_end(text: str, start: tuple, end: tuple) -> None:
    assert Window.of(text).end(datetime(*start, tzinfo=UTC)) == datetime(*end, tzinfo=UTC)


def test_points_are_in_order_and_of_today() -> None:
    now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    ends = [now - timedelta(hours=hours) for hours in (40, 20, 8, -4)]
    rows = tuple(
        Measured(end - timedelta(hours=12), end, "1", "all", 10, 10, None, 0, {"auc": value})
        for end, value in zip(ends, (0.9, 0.8, None, 0.6), strict=True)
    )
    quality = Quality(rows, ("auc",), {}, 1)
    found, done = publishing.points(quality, "m", now=now, last={("1", "coverage", "all"): now})
    assert [(point.value, point.at) for point in found] == [(0.8, ends[1]), (0.6, now)]
    assert (done.written, done.too_few, done.older) == (2, 1, 1 + 4)
    assert records.outcome({"k": 7.0, "o": np.True_}, 0, names=("k", "o", "t"), now=now)["outcome"] == "true"


def test_the_log_of_an_endpoint_is_found(client: Client, unique) -> None:
    kept = client.endpoints.create(unique("kept"), log_requests="flights.requests")
    silent = client.endpoints.create(unique("silent"))
    log = client.feedback.request_log(kept.display_name, key="id", versions={"77": "1"})
    assert (log.table, log.versions) == (f"{client.config.project}.flights.requests", {"77": "1"})
    with pytest.raises(exceptions.FailedPrecondition, match="log_requests="):
        client.feedback.request_log(silent.display_name, key="id")
    for each in (kept, silent):
        client.endpoints.delete(each.name)
