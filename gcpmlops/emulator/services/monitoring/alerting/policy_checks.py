"""What an alert policy has to look like."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from google.api import metric_pb2
from google.api_core import exceptions

from gcpmlops.emulator.kernel import validate
from gcpmlops.emulator.services.logging import query
from gcpmlops.emulator.services.monitoring import selection
from gcpmlops.emulator.services.monitoring.alerting import extraction
from gcpmlops.emulator.services.monitoring.alerting.aggregated_type import check_aggregations

Descriptor = Callable[[str, str], list[metric_pb2.MetricDescriptor]]  # of a project's metrics that a filter names
_KINDS = {
    "condition_prometheus_query_language": "PromQL",
    "condition_monitoring_query_language": "Monitoring Query Language",
    "condition_sql": "SQL",
}
_METRIC = ("condition_threshold", "condition_absent")
_MOST = 6  # conditions
_LONGEST_FILTER = 2048
_HALF_HOUR, _DAY = 1800, 86_400
_LONGEST_ABSENCE = 84_600  # 23.5 hours


class PolicyChecks:
    """Checks policies before they are stored.

    Args:
        metrics: descriptors of the metrics that a filter names; none where there are none.
        channel: finds a notification channel. Raises NotFound, InvalidArgument.
    """

    def __init__(self, metrics: Descriptor, channel: Callable[[str], object]) -> None:
        self._metrics = metrics
        self._channel = channel

    def check(self, project: str, policy: Any) -> None:
        """Raises InvalidArgument naming the field, NotFound for a metric that isn't there, MethodNotImplemented."""
        field = "alert_policy"
        if not 1 <= len(policy.conditions) <= _MOST:
            raise validate.invalid(f"{field}.conditions", f"{len(policy.conditions)} of them: 1 to {_MOST} are needed.")
        if len(policy.conditions) > 1 and not policy.combiner:
            raise validate.invalid(f"{field}.combiner", "required with several conditions: AND, OR or another.")
        if len(policy.display_name) > 512:
            raise validate.invalid(f"{field}.display_name", "longer than 512 characters.")
        validate.labels(policy.user_labels, f"{field}.user_labels")
        _check_documentation(policy.documentation, f"{field}.documentation")
        for index, condition in enumerate(policy.conditions):
            self._check_condition(project, condition, f"{field}.conditions[{index}]")
        _check_strategy(policy, f"{field}.alert_strategy")
        self._check_channels(policy.notification_channels, f"{field}.notification_channels")

    def _check_channels(self, names: Iterable[str], field: str) -> None:
        for index, name in enumerate(names):
            try:
                self._channel(name)
            except exceptions.NotFound:
                raise validate.invalid(f"{field}[{index}]", f"there is no notification channel {name}.") from None

    def _check_condition(self, project: str, condition: Any, field: str) -> None:
        kind = type(condition).pb(condition).WhichOneof("condition")
        if kind is None:
            raise validate.invalid(field, "a condition needs condition_threshold, condition_absent or another kind.")
        if kind in _KINDS:
            raise exceptions.MethodNotImplemented(
                f"{field}.{kind}: conditions in {_KINDS[kind]} are not built in this emulator."
            )
        spec, field = getattr(condition, kind), f"{field}.{kind}"
        if kind == "condition_matched_log":
            _check_log_match(spec, field)
        else:
            self._check_series(project, spec.filter, spec.aggregations, field, "")
            (_check_absence if kind == "condition_absent" else _check_threshold)(spec, field)
        if kind == "condition_threshold" and spec.denominator_filter:
            self._check_series(project, spec.denominator_filter, spec.denominator_aggregations, field, "denominator_")

    def _check_series(self, project: str, text: str, aggregations: Any, field: str, prefix: str) -> None:
        name = f"{field}.{prefix}filter"
        if not text:
            raise validate.invalid(name, "required, but missing.")
        if len(text) > _LONGEST_FILTER:
            raise validate.invalid(name, f"longer than {_LONGEST_FILTER} characters.")
        wanted = selection.parse(text)
        metric = selection.metric_type(wanted)
        if ["resource", "type"] not in [list(path) for path, *_ in wanted.comparisons]:
            raise validate.invalid(name, f'{text!r} must specify a restriction on "resource.type" in the filter.')
        if not (found := self._metrics(project, text)):
            raise exceptions.NotFound(
                f'Cannot find metric(s) that match type = "{metric or text}". If a metric was created recently, '
                "it could take up to 10 minutes to become available. Please try again soon."
            )
        check_aggregations(found[0], aggregations, f"{field}.{prefix}aggregations")


def _check_threshold(spec: Any, field: str) -> None:
    if spec.forecast_options:
        raise exceptions.MethodNotImplemented(f"{field}.forecast_options: forecasts are not built in this emulator.")
    if spec.comparison.name not in ("COMPARISON_GT", "COMPARISON_LT"):
        raise validate.invalid(
            f"{field}.comparison", f"{spec.comparison.name}: only COMPARISON_GT and COMPARISON_LT are."
        )
    if not math.isfinite(spec.threshold_value):
        raise validate.invalid(f"{field}.threshold_value", f"{spec.threshold_value} is no number to compare with.")
    seconds = _minutes(spec.duration, f"{field}.duration")
    if spec.evaluation_missing_data and seconds < 60:
        raise validate.invalid(f"{field}.evaluation_missing_data", "needs a duration of 60 s or more.")
    _check_trigger(spec.trigger, f"{field}.trigger")


def _check_absence(spec: Any, field: str) -> None:
    seconds = _minutes(spec.duration, f"{field}.duration")
    if not 120 <= seconds <= _LONGEST_ABSENCE:
        raise validate.invalid(f"{field}.duration", f"{seconds:g} s: 120 s to {_LONGEST_ABSENCE} s are allowed.")
    _check_trigger(spec.trigger, f"{field}.trigger")


def _check_log_match(spec: Any, field: str) -> None:
    if not spec.filter:
        raise validate.invalid(f"{field}.filter", "required, but missing.")
    query.compiled(spec.filter)
    for key, expression in spec.label_extractors.items():
        extraction.compiled(expression, f"{field}.label_extractors.{key}")


def _check_trigger(trigger: Any, field: str) -> None:
    if trigger.count < 0:
        raise validate.invalid(f"{field}.count", f"{trigger.count} is less than 1.")
    if not 0 <= trigger.percent <= 100:
        raise validate.invalid(f"{field}.percent", f"{trigger.percent:g} is not between 0 and 100.")


def _check_documentation(documentation: Any, field: str) -> None:
    if len(documentation.content.encode()) > 8 * 1024:
        raise validate.invalid(f"{field}.content", "longer than 8 KiB.")
    if documentation.mime_type not in ("", "text/markdown"):
        raise validate.invalid(f"{field}.mime_type", f"{documentation.mime_type!r} is not text/markdown.")
    if len(documentation.subject) > 255:
        raise validate.invalid(f"{field}.subject", "longer than 255 characters.")
    if len(documentation.links) > 3:
        raise validate.invalid(f"{field}.links", f"{len(documentation.links)} links, 3 are allowed.")


def _check_strategy(policy: Any, field: str) -> None:
    strategy = policy.alert_strategy
    logs = ["condition_matched_log" in condition for condition in policy.conditions]
    if any(logs) and len(logs) > 1:
        raise validate.invalid("alert_policy.conditions", "a log match has to be the only condition.")
    period = strategy.notification_rate_limit.period.total_seconds() if strategy.notification_rate_limit else 0
    if any(logs) and period <= 0:
        raise validate.invalid(f"{field}.notification_rate_limit", "required with a log match.")
    if period and not any(logs):
        raise validate.invalid(f"{field}.notification_rate_limit", "is for policies with a log match only.")
    _between(strategy.auto_close, _HALF_HOUR, 7 * _DAY, f"{field}.auto_close")
    prompts = {each.name for each in strategy.notification_prompts}
    if prompts and ("OPENED" not in prompts or (any(logs) and prompts != {"OPENED"})):
        allowed = "OPENED" if any(logs) else "OPENED, or OPENED and CLOSED"
        raise validate.invalid(f"{field}.notification_prompts", f"{sorted(prompts)}: expected {allowed}.")
    for index, each in enumerate(strategy.notification_channel_strategy):
        named = f"{field}.notification_channel_strategy[{index}]"
        _between(each.renotify_interval, _HALF_HOUR, _DAY, f"{named}.renotify_interval")
        for channel in each.notification_channel_names:
            if channel not in policy.notification_channels:
                text = f"{channel} is none of the policy's notification_channels."
                raise validate.invalid(f"{named}.notification_channel_names", text)


def _between(duration: Any, least: int, most: int, field: str) -> None:
    seconds = duration.total_seconds() if duration else 0
    if seconds and not least <= seconds <= most:
        raise validate.invalid(field, f"{seconds:g} s: {least} s to {most} s are allowed.")


def _minutes(duration: Any, field: str) -> float:
    seconds = float(duration.total_seconds())
    if seconds < 0 or seconds % 60:
        raise validate.invalid(field, f"{seconds:g} s is no multiple of a minute.")
    return seconds
