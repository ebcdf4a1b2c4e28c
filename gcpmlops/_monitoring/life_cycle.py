"""The dashboard of a model's life: what it serves, how good it is, what drifts, what was raised and what was done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gcpmlops._monitoring import widgets
from gcpmlops._monitoring.conditions import custom, online
from gcpmlops._monitoring.descriptors import DRIFT, QUALITY, aggregation, metric_type
from gcpmlops._monitoring.widgets import Mosaic

RETRAINING_LOG = "gcpmlops-retraining"
LABELS = {"gcpmlops": ""}
_ERRORS = 'metric.labels.response_code = monitoring.regex.full_match("[45]..")'
_TOTAL = 'metric.labels.latency_type = "total"'
_LOW_IS_GOOD = ("log_loss", "brier", "mae", "rmse", "mse")
_CHART, _CARD = 15, 9  # rows


@dataclass(frozen=True)
class LifeCycle:
    """What is looked at.

    Attributes:
        endpoint: its full name; empty: none.
        model: as its quality and drift were published; empty: none.
        metrics: of quality.
        policies: (title, full name) of alerts.
        project: projects/PROJECT.
    """

    endpoint: str
    model: str
    metrics: Sequence[str]
    policies: Sequence[tuple[str, str]]
    project: str
    drift_above: float = 0.3
    logs: str = ""

    def dashboard(self, name: str) -> Any:
        """Google's Dashboard."""
        mosaic = Mosaic()
        cards = [*(self._serving_cards() if self.endpoint else ()), *(self._model_cards() if self.model else ())]
        if cards:
            mosaic.row(*cards, height=_CARD)
        if self.endpoint:
            self._serving(mosaic)
        if self.model:
            self._quality(mosaic)
        self._alerts(mosaic)
        self._logs(mosaic)
        return widgets.dashboard(name, mosaic, dict(LABELS))

    def _serving_cards(self) -> list[dict[str, Any]]:
        rate = aggregation(align="rate", reduce="sum")
        p95 = aggregation(align="delta", reduce="p95")
        replicas = aggregation(align="max", reduce="sum")
        latencies = self._online("prediction_latencies", _TOTAL)
        return [
            widgets.scorecard("Requests", widgets.series(self._online("response_count"), rate), unit="1/s"),
            widgets.scorecard("Failed", self._failed(rate), unit="10^2.%", above=0.05),
            widgets.scorecard("Latency, p95", widgets.series(latencies, p95), unit="ms"),
            widgets.scorecard("Replicas", widgets.series(self._online("replicas"), replicas)),
        ]

    def _model_cards(self) -> list[dict[str, Any]]:
        newest = aggregation(align="next_older", reduce="mean")
        furthest = aggregation(align="max", reduce="max")
        cards = [
            widgets.scorecard(_title(metric), widgets.series(self._measured(metric), newest))
            for metric in self.metrics[:1]
        ]
        drift = widgets.series(self._drift(), furthest)
        return [*cards, widgets.scorecard("Largest drift", drift, above=self.drift_above)]

    def _serving(self, mosaic: Mosaic) -> None:
        by = ("deployed_model_id",)
        rate = aggregation(align="rate", reduce="sum", by=by)
        model = "${metric.labels.deployed_model_id}"
        mosaic.section("Serving", "What the endpoint does, by deployed model")
        latencies = self._online("prediction_latencies", _TOTAL)
        percentiles = [
            (widgets.series(latencies, aggregation(align="delta", reduce=f"p{p}", by=by)), f"{model} p{p}")
            for p in (50, 95, 99)
        ]
        mosaic.row(
            widgets.chart(
                "Requests",
                (widgets.series(self._online("response_count"), rate), model),
                unit="1/s",
                plot="STACKED_BAR",
            ),
            widgets.chart("Latency", *percentiles, unit="ms"),
            height=_CHART,
        )
        replicas = aggregation(align="max", reduce="sum", by=by)
        mosaic.row(
            widgets.chart(
                "Share of failed requests", (self._failed(rate), model), unit="share", limits=[("5 %", 0.05)]
            ),
            widgets.chart("Replicas", (widgets.series(self._online("replicas"), replicas), model), unit="replicas"),
            height=_CHART,
        )

    def _quality(self, mosaic: Mosaic) -> None:
        mosaic.section("Quality and data", f"{self.model}: by the outcomes that came, and how far its inputs moved")
        newest = aggregation(align="mean", reduce="mean", by=("version",))
        charts = [
            widgets.chart(
                f"{_title(metric)} by version",
                (widgets.series(self._measured(metric), newest), "version ${metric.labels.version}"),
                unit=_title(metric),
            )
            for metric in self.metrics
        ]
        charts.append(
            widgets.chart(
                "Predictions with an outcome, by version",
                (widgets.series(self._measured("coverage"), newest), "version ${metric.labels.version}"),
                unit="share",
            )
        )
        furthest = aggregation(align="max", reduce="max", by=("feature",))
        charts.append(
            widgets.chart(
                "Drift by feature",
                (widgets.series(self._drift(), furthest), "${metric.labels.feature}"),
                unit="distance",
                limits=[("limit", self.drift_above)],
            )
        )
        for pair in (charts[at : at + 3] for at in range(0, len(charts), 3)):
            mosaic.row(*pair, height=_CHART)

    def _alerts(self, mosaic: Mosaic) -> None:
        mosaic.section("Alerts", "What policies watch, and what they raised")
        for at in range(0, len(self.policies), 3):
            row = [widgets.alert_chart(title, name) for title, name in self.policies[at : at + 3]]
            mosaic.row(*row, height=_CHART)
        mosaic.row(widgets.incidents("Incidents", [name for _, name in self.policies]), height=10)

    def _logs(self, mosaic: Mosaic) -> None:
        mosaic.section("Events", "What retraining did, and what the servers say")
        events = f'logName="{self.project}/logs/{RETRAINING_LOG}"'
        own = self.logs or (
            f'resource.type="aiplatform.googleapis.com/Endpoint" AND resource.labels.endpoint_id='
            f'"{self.endpoint.rpartition("/")[2]}"'
            if self.endpoint
            else "severity>=WARNING"
        )
        mosaic.row(widgets.logs("Retraining", events, self.project), widgets.logs("Logs", own, self.project), height=16)

    def _failed(self, step: Any) -> dict[str, Any]:
        return widgets.ratio(self._online("response_count", _ERRORS), self._online("response_count"), step)

    def _online(self, metric: str, more: str = "") -> str:
        return online(metric, self.endpoint, more=more)

    def _measured(self, metric: str) -> str:
        labels = {"model": self.model, "metric": metric, "slice": "all"}
        return custom(metric_type(QUALITY.name), labels, "global")

    def _drift(self) -> str:
        return custom(metric_type(DRIFT.name), {"model": self.model}, "global")


def _title(metric: str) -> str:
    known = {"roc_auc": "ROC AUC", "mae": "MAE", "rmse": "RMSE", "log_loss": "Log loss"}
    return known.get(metric, metric.replace("_", " ").capitalize())
