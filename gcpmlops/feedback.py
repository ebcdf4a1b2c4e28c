"""Predictions joined with the outcomes that come later: quality over time, by version and slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from gcpmlops._durations import Duration, seconds_of
from gcpmlops._endpoints import history
from gcpmlops._feedback import measures, publishing, records
from gcpmlops._feedback.publishing import Published
from gcpmlops._feedback.quality import Measured, Quality
from gcpmlops._feedback.question import Question
from gcpmlops._feedback.sources import OutcomeTable, Predictions, PredictionTable, RequestLog
from gcpmlops._feedback.windows import UNITS, Window
from gcpmlops.exceptions import FailedPrecondition, InvalidArgument, NotFound
from gcpmlops.types import Rows

if TYPE_CHECKING:
    from gcpmlops.bigquery import BigQuery
    from gcpmlops.clients import Clients
    from gcpmlops.endpoints import Endpoints
    from gcpmlops.monitoring import Monitoring

__all__ = [
    "Feedback",
    "FeedbackTables",
    "Measured",
    "OutcomeTable",
    "PredictionTable",
    "Published",
    "Quality",
    "RequestLog",
]

DATASET = "feedback"
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
_NEVER_LATE = 10**12


class FeedbackTables(NamedTuple):
    """Names of the tables."""

    predictions: str
    outcomes: str


class Feedback:
    """`client.feedback`. API: BigQuery v2 for the joins, Cloud Monitoring v3 for what is published."""

    def __init__(self, clients: Clients, bigquery: BigQuery, endpoints: Endpoints, monitoring: Monitoring) -> None:
        self._clients = clients
        self._bigquery = bigquery
        self._endpoints = endpoints
        self._monitoring = monitoring

    def ensure_tables(self, dataset: str = DATASET) -> FeedbackTables:
        """The tables `predictions` and `outcomes` of a dataset, all of them made if need be."""
        self._bigquery.ensure_dataset(dataset)
        tables = FeedbackTables(f"{dataset}.predictions", f"{dataset}.outcomes")
        for name, schema in zip(tables, (records.PREDICTIONS, records.OUTCOMES), strict=True):
            try:
                self._bigquery.get_table(name)
            except NotFound:
                self._bigquery.create_table(name, schema=schema)
        return tables

    def record_predictions(
        self, rows: Rows, *, table: str = f"{DATASET}.predictions", model: str = "", version: str = ""
    ) -> int:
        """Add predictions to a table of `ensure_tables`; how many. All rows are checked before any is written.

        A row has a key, a score or a label (or both), and may have predicted_at (with time zone; the service's time
        otherwise), model and version; whatever else it has is kept as the instance, for slices. For an endpoint with a
        request log this isn't needed: see `request_log`. Raises InvalidArgument, NotFound.
        """
        now = self._clients.now()
        made = [
            records.prediction(row, number, model=model, version=version, now=now)
            for number, row in enumerate(records.rows_of(rows))
        ]
        return self._load(table, made, records.PREDICTIONS)

    def record_outcomes(
        self,
        source: Rows | str,
        *,
        table: str = f"{DATASET}.outcomes",
        key: str = "key",
        outcome: str = "outcome",
        time: str = "observed_at",
    ) -> int:
        """Add outcomes to a table of `ensure_tables`; how many.

        `source` are rows (a DataFrame, mappings), or the name of a BigQuery table; `key`, `outcome` and `time` are its
        columns. A row without a time was observed now. A second outcome of a key replaces the first, by its time.
        Raises InvalidArgument before anything is written, NotFound.
        """
        now = self._clients.now()
        if isinstance(source, str):
            return self._copy(source, table, OutcomeTable(table=source, key=key, outcome=outcome, time=time), now)
        names = (key, outcome, time)
        made = [
            records.outcome(row, number, names=names, now=now) for number, row in enumerate(records.rows_of(source))
        ]
        return self._load(table, made, records.OUTCOMES)

    def request_log(
        self,
        endpoint: str,
        *,
        key: str,
        prediction: str = "$",
        features: Sequence[str] = (),
        versions: Mapping[str, str] | None = None,
    ) -> RequestLog:
        """The request-response log of an endpoint, for `quality`.

        Versions are read off what is deployed, and off what served before; `versions` (id of the deployed model →
        version) adds those that are long gone. Raises FailedPrecondition for an endpoint that keeps no log, NotFound.
        """
        found = self._endpoints.get(endpoint)
        config = found.proto.predict_request_response_logging_config
        if not config.enabled or not config.bigquery_destination.output_uri:
            raise FailedPrecondition(
                f"endpoint {found.display_name} keeps no log of its requests in BigQuery",
                resource=found.name,
                next_step="Make it with log_requests='DATASET.TABLE', or use record_predictions.",
            )
        known = {each.id: _version(each.model) for each in history.noted_before(dict(found.proto.labels), found.name)}
        known |= {key: _version(model) for key, model in found.deployed.items()}
        return RequestLog(
            table=config.bigquery_destination.output_uri.removeprefix("bq://"),
            key=key,
            prediction=prediction,
            versions={**known, **(versions or {})},
            features=tuple(features),
        )

    def quality(
        self,
        *,
        predictions: Predictions | str = f"{DATASET}.predictions",
        outcomes: OutcomeTable | str = f"{DATASET}.outcomes",
        task: str = "binary",
        metrics: Sequence[str] = (),
        by: Sequence[str] = ("version", "month"),
        window: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
        late_after: Duration | None = None,
        minimum: int = 30,
        threshold: float = 0.5,
        positive: str = "",
    ) -> Quality:
        """How good predictions were, by the outcomes; computed in BigQuery.

        Of a key that was predicted twice by a version the last prediction counts, of several outcomes the last one.

        Args:
            predictions: `request_log(...)`, PredictionTable(...), or a table as `record_predictions` fills it.
            outcomes: OutcomeTable(...), or a table as `record_outcomes` fills it.
            task: binary (a score, 0 to 1), regression (a number), multiclass (a label).
            metrics: of binary roc_auc, log_loss, brier, accuracy, precision, recall, base_rate; of regression mae,
                rmse, bias; of multiclass accuracy. Coverage and delay come with all.
            by: "version"; a unit of time (hour, day, week, month, quarter, year; UTC); and slices: columns, or fields
                of the instance, each value measured by itself, beside "all".
            window: a length instead of a unit of time: "7d".
            since: predictions from then on (with time zone).
            until: predictions before then.
            late_after: outcomes that come later are counted as late; they count all the same.
            minimum: outcomes below which a figure is None.
            threshold: of the score, for accuracy, precision and recall.
            positive: of binary outcomes that are texts, the one that is 1.

        Raises: InvalidArgument, NotFound.
        """
        source = self._predictions(predictions)
        target = outcomes if isinstance(outcomes, OutcomeTable) else OutcomeTable(table=outcomes)
        found, reported = self._bigquery.get_table(source.table), self._bigquery.get_table(target.table)
        length, slices = _divided(by, window)
        question = Question(
            predictions=source.select(found.name, found.columns, slices),
            outcomes=target.select(reported.name, reported.columns, slices),
            slices=slices,
            known=[name for name in slices if name in reported.columns],
            window=length,
            by_version="version" in by,
            task=task.lower(),
            positive=positive,
            metrics=measures.chosen(task, metrics),
        )
        late = _NEVER_LATE if late_after is None else int(seconds_of(late_after, field="late_after"))
        parameters = question.parameters(since=since or _FIRST, until=until or _LAST, late=late, threshold=threshold)
        return self._answer(question, parameters, minimum)

    def publish(self, quality: Quality, *, model: str) -> Published:
        """Write the figures as the metric gcpmlops/quality (labels model, version, metric, slice), for alerts.

        The newest window of each version and slice is written at the service's time, as what is known now; earlier ones
        at their end, where that was in the last 24 hours and nothing newer was written. Coverage is one of the metrics.
        Raises InvalidArgument.
        """
        if not model:
            raise InvalidArgument("the model has no name", field="model", value=model, allowed="a name")
        known = self._monitoring.read(publishing.METRIC, since="25h", labels={"model": model})
        last = {publishing.key_of(each.labels): each.points[-1][0] for each in known if each.points}
        points, done = publishing.points(quality, model, now=self._clients.now(), last=last)
        self._monitoring.write_all(points)
        return done

    def _answer(self, question: Question, parameters: Mapping[str, Any], minimum: int) -> Quality:
        rows = self._bigquery.query(question.sql(), parameters=parameters).rows()
        given = {name: value for name, value in parameters.items() if name != "threshold"}
        left = self._bigquery.query(question.left_over(), parameters=given).rows()[0]
        measured = tuple(_measured(row, question, minimum) for row in rows)
        return Quality(measured, tuple(question.metrics), left, minimum, question.window)

    def _predictions(self, given: Predictions | str) -> Predictions:
        """A name is a table as `record_predictions` fills it. Raises InvalidArgument for a request log."""
        if not isinstance(given, str):
            return given
        columns = self._bigquery.get_table(given).columns
        if "request_payload" in columns:
            raise InvalidArgument(
                f"{given} is a request log",
                field="predictions",
                value=given,
                allowed="client.feedback.request_log(ENDPOINT, key=...) or RequestLog(table=..., key=...)",
            )
        label = "label" if "label" in columns else ""
        return PredictionTable(table=given, label=label, instance="instance" if "instance" in columns else "")

    def _load(self, table: str, rows: list[dict[str, Any]], schema: Mapping[str, str]) -> int:
        self._bigquery.load(table, source=rows, schema=schema)
        return len(rows)

    def _copy(self, source: str, table: str, columns: OutcomeTable, now: datetime) -> int:
        found = self._bigquery.get_table(source)
        target = self._bigquery.get_table(table)
        select = columns.select(found.name, found.columns, ())
        done = self._bigquery.query(
            f"INSERT INTO `{target.name}` (key, outcome, observed_at) "
            f"SELECT key, outcome, IFNULL(observed_at, @now) FROM ({select})",
            parameters={"now": now},
        )
        return int(done.proto.num_dml_affected_rows or 0)


def _divided(by: Sequence[str], window: str) -> tuple[Window, list[str]]:
    """(window, slices). Raises InvalidArgument."""
    if isinstance(by, str):
        raise InvalidArgument("by is a list", field="by", value=by, allowed="('version', 'month', 'carrier')")
    units = [each for each in by if each in UNITS]
    if len(units) + bool(window) > 1:
        raise InvalidArgument("one window", field="window", value=[*units, window], allowed="one unit or one length")
    slices = [each for each in by if each != "version" and each not in UNITS]
    return Window.of(window or (units[0] if units else "")), list(dict.fromkeys(slices))


def _measured(row: Mapping[str, Any], question: Question, minimum: int) -> Measured:
    enough = row["outcomes"] >= minimum
    start = row["win"]
    return Measured(
        start=start,
        end=question.window.end(start) if start is not None else None,
        version=row["version"] or "",
        slice=row["slice"],
        predictions=row["predictions"],
        outcomes=row["outcomes"],
        delay_s=None if row["delay"] is None else float(row["delay"]),
        late=row["late"],
        values={name: row[f"m_{name}"] if enough else None for name in question.metrics},
    )


def _version(model: str) -> str:
    """Of models/ID@VERSION."""
    return model.rpartition("@")[2] if "@" in model else model.rpartition("/")[2]
