"""Skew and drift: whether data are still what a model was trained on, and whether that is news or a broken feed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from gcpmlops import _extras
from gcpmlops._drift.problems import Limits
from gcpmlops._drift.result import DataProblem, Distribution, DriftResult, FeatureDrift
from gcpmlops.bigquery import BigQuery
from gcpmlops.evaluation.data import SUFFIXES, Sources
from gcpmlops.evaluation.values import is_number, is_whole
from gcpmlops.exceptions import InvalidArgument
from gcpmlops.storage import Storage
from gcpmlops.types import is_gs_uri

if TYPE_CHECKING:
    import pandas

    from gcpmlops._drift.sides import Side

__all__ = ["DataProblem", "Distribution", "Drift", "DriftResult", "FeatureDrift", "Limits"]

Data: TypeAlias = "pandas.DataFrame | str | Path"
THRESHOLD = 0.3  # Vertex AI's own default, for both statistics
BINNINGS = ("equal_width", "quantile")


class Drift:
    """`client.drift`. Numbers and times by Jensen-Shannon divergence, categories by L-infinity distance, as Vertex AI.

    Data are a DataFrame, a BigQuery table or query, or a .csv, .parquet or .jsonl file (here or gs://...). Tables and
    queries are counted in BigQuery: no row leaves it. API: BigQuery v2 (jobs.insert).
    """

    def __init__(self, bigquery: BigQuery, storage: Storage) -> None:
        self._bigquery = bigquery
        self._sources = Sources(bigquery, storage)

    def compare(
        self,
        baseline: Data,
        current: Data,
        *,
        features: Sequence[str] | None = None,
        thresholds: float | Mapping[str, float] = THRESHOLD,
        categorical: Sequence[str] = (),
        at: datetime | None = None,
        bins: int = 10,
        binning: str = "equal_width",
        limits: Limits | None = None,
    ) -> DriftResult:
        """How far each feature's distribution has moved, and what looks like a fault of the data instead.

        Args:
            baseline: what is expected, such as the training data.
            current: what is there now.
            features: columns to compare; all that can be, unless given.
            thresholds: distance (0 to 1) above which a feature has drifted: one, or feature → its own, "*" → that of
                the others (0.3).
            categorical: columns of numbers that are codes.
            at: the moment that this is about, for the record.
            bins: intervals of numbers.
            binning: equal_width over the range of both sides, as Vertex AI bins; or quantile, of the baseline.
            limits: from where on data count as broken.

        Raises: InvalidArgument, NotFound, MissingExtra, and what a query raises.
        """
        return self._compare(
            *("compare", baseline, current, limits or Limits()),
            features=features,
            thresholds=thresholds,
            categorical=categorical,
            at=at,
            bins=bins,
            binning=binning,
        )

    def skew(self, training: Data, serving: Data, *, limits: Limits | None = None, **settings: Any) -> DriftResult:
        """`compare` the training data with what a model is asked: how much less that is says nothing."""
        return self._compare("skew", training, serving, limits or Limits(volume=0.0), **settings)

    def drift(self, previous: Data, current: Data, *, limits: Limits | None = None, **settings: Any) -> DriftResult:
        """`compare` two windows of the same length: a tenth of the rows, or fewer, is a data problem."""
        return self._compare("drift", previous, current, limits or Limits(volume=0.1), **settings)

    def _compare(
        self,
        method: str,
        baseline: Data,
        current: Data,
        limits: Limits,
        *,
        features: Sequence[str] | None = None,
        thresholds: float | Mapping[str, float] = THRESHOLD,
        categorical: Sequence[str] = (),
        at: datetime | None = None,
        bins: int = 10,
        binning: str = "equal_width",
    ) -> DriftResult:
        _extras.need("pandas", extra="evaluation", purpose="a comparison of data")
        from gcpmlops._drift import comparing, problems

        _check(features, thresholds, bins, binning)
        sides = self._side(baseline), self._side(current)
        kinds = sides[0].kinds(), sides[1].kinds()
        chosen = comparing.settled(*sides, comparing.choose(*kinds, features, categorical))
        _check_known(thresholds, chosen.kinds)
        own = dict(thresholds) if isinstance(thresholds, Mapping) else {"*": thresholds}
        settings = comparing.Settings(own, own.get("*", THRESHOLD), bins, binning, limits)
        found = tuple(comparing.compared(*sides, chosen, settings))
        rows = sides[0].rows(), sides[1].rows()
        faults = [*problems.of_volume(*rows, limits), *(each for one in found for each in one.problems)]
        return DriftResult(
            method=method,
            baseline=_title(baseline, "baseline"),
            current=_title(current, "current"),
            baseline_rows=rows[0],
            current_rows=rows[1],
            features=found,
            data_problems=tuple(faults),
            skipped=chosen.skipped,
            at=at,
        )

    def _side(self, data: Data) -> Side:
        from gcpmlops._drift.frames import Frame
        from gcpmlops._drift.tables import Selected

        if isinstance(data, str) and data.strip() and not _is_file(data.strip()):
            if any(character.isspace() for character in data.strip()):
                return Selected(self._bigquery, data)
            table = self._bigquery.get_table(data.strip().removeprefix("bq://"))  # a missing one is NotFound by name
            return Selected(self._bigquery, f"SELECT * FROM `{table.name}`")
        return Frame(self._sources.frame(data))


def _is_file(data: str) -> bool:
    return is_gs_uri(data) or data.lower().endswith(SUFFIXES) or Path(data).is_dir()


def _title(data: Data, name: str) -> str:
    text = str(data) if isinstance(data, str | Path) else name
    return " ".join(text.split()) if len(text) <= 200 else f"{' '.join(text.split())[:199]}…"


def _check(features: Sequence[str] | None, thresholds: float | Mapping[str, float], bins: int, binning: str) -> None:
    if isinstance(features, str) or (features is not None and not features):
        raise InvalidArgument(field="features", value=features, allowed="a list of one or more columns")
    given = thresholds if isinstance(thresholds, Mapping) else {"thresholds": thresholds}
    for name, value in given.items():
        if not is_number(value) or not 0 < value <= 1:
            raise InvalidArgument(f"the threshold of {name} is {value!r}", field="thresholds", allowed="above 0 to 1")
    if not is_whole(bins) or not 1 <= bins <= 1000:
        raise InvalidArgument(field="bins", value=bins, allowed="1 to 1000")
    if binning not in BINNINGS:
        raise InvalidArgument(field="binning", value=binning, allowed=", ".join(BINNINGS))


def _check_known(thresholds: float | Mapping[str, float], kinds: Mapping[str, object]) -> None:
    for name in thresholds if isinstance(thresholds, Mapping) else ():
        if name != "*" and name not in kinds:
            message = f"there is a threshold for {name}, which is not compared"
            raise InvalidArgument(message, field="thresholds", value=name, allowed=", ".join(kinds))
