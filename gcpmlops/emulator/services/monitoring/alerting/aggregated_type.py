"""Whether aggregations fit a metric, and make numbers of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.api import metric_pb2

from gcpmlops.emulator.kernel import validate
from gcpmlops.emulator.services.monitoring import steps
from gcpmlops.emulator.services.monitoring.aggregation import ALIGNERS, REDUCERS, Operation, operation

_MetricKind, _ValueType = metric_pb2.MetricDescriptor.MetricKind, metric_pb2.MetricDescriptor.ValueType
_NUMBERS = ("INT64", "DOUBLE", "BOOL")


def check_aggregations(descriptor: metric_pb2.MetricDescriptor, aggregations: Iterable[Any], field: str) -> None:
    """Raises InvalidArgument where they don't, MethodNotImplemented for one that is not built."""
    kind, value_type = _MetricKind.Name(descriptor.metric_kind), _ValueType.Name(descriptor.value_type)
    for step in steps.steps((f"{field}[{index}]", each) for index, each in enumerate(aggregations)):
        kind, value_type = _after(operation(step.aligner, ALIGNERS), step.aligner, kind, value_type)
        if step.reducer != "REDUCE_NONE":
            kind, value_type = _after(operation(step.reducer, REDUCERS), step.reducer, kind, value_type)
    if value_type not in _NUMBERS:
        raise validate.invalid(
            field, f"they make {value_type} of {descriptor.type}: a number is needed to compare with."
        )


def _after(done: Operation, name: str, kind: Any, value_type: Any) -> tuple[str, str]:
    done.check(name, kind, value_type)
    return (kind if done.keeps_kind and kind != "CUMULATIVE" else "GAUGE"), done.result or value_type
