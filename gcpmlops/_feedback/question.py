"""Predictions joined with outcomes, measured by window, version and slice: one query, and one for the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gcpmlops._feedback import measures
from gcpmlops._feedback.sources import column, text
from gcpmlops._feedback.windows import Window

_DELAY = "TIMESTAMP_DIFF(observed_at, predicted_at, SECOND)"


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        predictions: SQL of key, predicted_at, version, p, label, slices.
        outcomes: SQL of key, outcome, observed_at, some of the slices.
        slices: columns of which each value is measured by itself.
        known: those of the slices that outcomes have.
        by_version: versions apart.
    """

    predictions: str
    outcomes: str
    slices: Sequence[str]
    known: Sequence[str]
    window: Window
    by_version: bool
    task: str
    positive: str
    metrics: Mapping[str, str]

    def sql(self) -> str:
        """Rows of window, version, slice, counts and metrics."""
        metrics = "".join(f",\n  {sql} AS m_{name}" for name, sql in self.metrics.items())
        return f"""{self._joined()},
sliced AS (
  SELECT joined.*, part.slice AS slice, {self.window.sql("predicted_at")} AS win
  FROM joined CROSS JOIN UNNEST([{", ".join(self._parts())}]) AS part
),
ranked AS (
  SELECT *, {self._rank()} AS r FROM sliced
)
SELECT win, {"version" if self.by_version else "''"} AS version, slice, COUNT(*) AS predictions, COUNT(y) AS outcomes,
  APPROX_QUANTILES(IF(y IS NULL, NULL, {_DELAY}), 100)[SAFE_OFFSET(50)] AS delay,
  COUNTIF(y IS NOT NULL AND {_DELAY} > @late) AS late{metrics}
FROM ranked GROUP BY win, {"version, " if self.by_version else ""}slice
ORDER BY win, version, slice"""

    def left_over(self) -> str:
        """One row of counts: what was there twice, without a key, without a prediction, or could not be read."""
        return f"""{self._joined()}
SELECT
  (SELECT COUNT(*) FROM logged) AS predictions,
  (SELECT COUNTIF(key IS NULL) FROM logged) AS without_key,
  (SELECT COUNT(*) FROM logged WHERE key IS NOT NULL) - (SELECT COUNT(*) FROM latest) AS predicted_again,
  (SELECT COUNT(*) FROM reported) - (SELECT COUNT(*) FROM final) AS outcomes_again,
  (SELECT COUNT(*) FROM final LEFT JOIN (SELECT DISTINCT key FROM latest) AS p USING (key) WHERE p.key IS NULL)
    AS without_prediction,
  (SELECT COUNTIF(outcome IS NOT NULL AND y IS NULL) FROM joined) AS unreadable,
  (SELECT COUNTIF(y IS NOT NULL AND p IS NULL AND {"FALSE" if self.task == "multiclass" else "TRUE"}) FROM joined)
    AS without_score,
  (SELECT COUNTIF(y IS NOT NULL AND {_DELAY} > @late) FROM joined) AS late"""

    def _joined(self) -> str:
        again = "key, version" if self.by_version else "key"
        slices = "".join(f", {self._slice(number)} AS {column(number)}" for number in range(len(self.slices)))
        return f"""WITH logged AS (
  SELECT * FROM ({self.predictions}) WHERE predicted_at >= @since AND predicted_at < @until
),
latest AS (
  SELECT * FROM logged WHERE key IS NOT NULL
  QUALIFY ROW_NUMBER() OVER (PARTITION BY {again} ORDER BY predicted_at DESC) = 1
),
reported AS ({self.outcomes}),
final AS (
  SELECT * FROM reported WHERE TRUE QUALIFY ROW_NUMBER() OVER (PARTITION BY key ORDER BY observed_at DESC) = 1
),
joined AS (
  SELECT latest.key, latest.predicted_at, latest.version, latest.p, latest.label, outcome, observed_at,
    {measures.outcome(self.task, self.positive)} AS y{slices}
  FROM latest LEFT JOIN final ON latest.key = final.key
)"""

    def _slice(self, number: int) -> str:
        name = column(number)
        return f"COALESCE(latest.{name}, final.{name})" if self.slices[number] in self.known else f"latest.{name}"

    def _parts(self) -> list[str]:
        found = [
            f"STRUCT(CONCAT({text(name + '=')}, IFNULL({column(number)}, 'null')) AS slice)"
            for number, name in enumerate(self.slices)
        ]
        return ["STRUCT('all' AS slice)", *found]

    def _rank(self) -> str:
        if "roc_auc" not in self.metrics:
            return "0"
        # the mean of the ranks from below and from above: BigQuery does not partition by a FLOAT64, as ties would need
        group = f"PARTITION BY win, {'version, ' if self.by_version else ''}slice, (y IS NULL OR p IS NULL)"
        above = f"COUNT(*) OVER ({group}) + 1 - RANK() OVER ({group} ORDER BY p DESC)"
        return f"(RANK() OVER ({group} ORDER BY p) + {above}) / 2"

    def parameters(self, *, since: Any, until: Any, late: int, threshold: float) -> dict[str, Any]:
        """Of both queries."""
        found = {"since": since, "until": until, "late": late}
        found |= {"threshold": threshold} if any("@threshold" in sql for sql in self.metrics.values()) else {}
        return found | ({"positive": self.positive} if self.positive and self.task == "binary" else {})
