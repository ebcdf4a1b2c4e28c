"""Statistics and anomalies of features as files in Cloud Storage, in TensorFlow Metadata's formats."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from gcpmlops import statistics
from gcpmlops.emulator.runtimes.objects import ObjectStore
from gcpmlops.emulator.services.model_monitoring.analysis import FeatureResult, Objective, Result
from gcpmlops.emulator.services.model_monitoring.columns import Column
from gcpmlops.emulator.services.model_monitoring.messages import AnomalyInfo, FeatureNameStatistics

# Numbers of enums in statistics.proto and anomalies.proto.
_FLOAT, _STRING = 1, 2
_QUANTILES = 1
_WARNING = 1
_L_INFTY_HIGH, _JENSEN_SHANNON_HIGH = 42, 63
_TOP = 20  # values of a category that are listed beside the whole histogram
_RANKS = 1000


class StatsFiles:
    """Writes below `FOLDER/model_monitoring/job-ID/`: `serving` for drift, `training` for skew."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def write(self, job: Any, result: Result, feature: FeatureResult) -> tuple[str, str]:
        """The URIs of the feature's statistics and of its anomaly; empty where there is none. Raises NotFound."""
        base = job.stats_anomalies_base_directory.output_uri_prefix
        if not base:
            return "", ""
        part = "serving" if result.objective == Objective.RAW_FEATURE_DRIFT else "training"
        folder = f"{base.rstrip('/')}/model_monitoring/job-{job.name.rpartition('/')[2]}/{part}"
        folder = f"{folder}/{result.deployed_model_id}/{result.window.end:%Y-%m-%dT%H:%M:%SZ}/{feature.name}"
        stats = self._put(f"{folder}/stats", statistics_of(feature.name, feature.current))
        anomaly = self._put(f"{folder}/anomalies", anomaly_of(feature)) if feature.is_anomaly else ""
        return stats, anomaly

    def _put(self, uri: str, message: Any) -> str:
        bucket, _, name = uri.removeprefix("gs://").partition("/")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "message")
            path.write_bytes(message.SerializeToString())
            self._objects.upload(bucket, name, path, "application/octet-stream")
        return uri


def statistics_of(name: str, column: Column) -> Any:
    """A `FeatureNameStatistics`."""
    is_number = column.kind == "number"
    found = FeatureNameStatistics(name=name, type=_FLOAT if is_number else _STRING)
    stats = found.num_stats if is_number else found.string_stats
    common = stats.common_stats
    common.num_non_missing, common.num_missing, common.tot_num_values = column.present, column.missing, column.present
    if column.present:
        common.min_num_values = common.max_num_values = 1
        common.avg_num_values = 1.0
        (_fill_numbers if is_number else _fill_categories)(stats, column)
    return found


def anomaly_of(feature: FeatureResult) -> Any:
    """An `AnomalyInfo`."""
    is_number = feature.current.kind == "number"
    word = "approximate Jensen-Shannon divergence" if is_number else "Linfty distance"
    text = (
        f"The {word} between current and baseline is {feature.distance:.6g}, above the threshold {feature.threshold:g}."
    )
    short = f"High {word} between current and baseline"
    found = AnomalyInfo(description=text, severity=_WARNING, short_description=short)
    kind = _JENSEN_SHANNON_HIGH if is_number else _L_INFTY_HIGH
    found.reason.add(type=kind, short_description=short, description=text)
    found.path.step.append(feature.name)
    return found


def _fill_numbers(stats: Any, column: Column) -> None:
    finite = column.numbers[np.isfinite(column.numbers)]
    stats.num_zeros = int(np.count_nonzero(column.numbers == 0))
    if not finite.size:
        return
    stats.mean, stats.std_dev, stats.median = float(finite.mean()), float(finite.std()), float(np.median(finite))
    stats.min, stats.max = float(finite.min()), float(finite.max())
    _histogram(stats, finite, statistics.equal_width_edges(stats.min, stats.max), 0)
    _histogram(stats, finite, statistics.quantile_edges(finite), _QUANTILES)


def _histogram(stats: Any, values: statistics.Floats, edges: statistics.Floats, kind: int) -> None:
    made = stats.histograms.add(type=kind)
    counts = statistics.histogram(values, edges)
    for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
        made.buckets.add(low_value=low, high_value=high, sample_count=count)


def _fill_categories(stats: Any, column: Column) -> None:
    stats.unique = len(column.counts)
    stats.avg_length = sum(len(label) * n for label, n in column.counts.items()) / column.present
    for rank, (label, count) in enumerate(list(column.counts.items())[:_RANKS]):
        stats.rank_histogram.buckets.add(low_rank=rank, high_rank=rank, label=label, sample_count=count)
        if rank < _TOP:
            stats.top_values.add(value=label, frequency=count)
