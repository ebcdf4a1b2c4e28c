"""The metric descriptors of projects: those of the emulator's services, and those that users and services make."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from google.api import metric_pb2
from google.api_core import exceptions

from gcpmlops.emulator.kernel import validate
from gcpmlops.emulator.kernel.locks import Locks
from gcpmlops.emulator.kernel.service import ResourceStore
from gcpmlops.emulator.services.monitoring import descriptors

MetricKind, ValueType = metric_pb2.MetricDescriptor.MetricKind, metric_pb2.MetricDescriptor.ValueType
USERS = ("custom.googleapis.com/", "external.googleapis.com/", "workload.googleapis.com/")

_TYPE = re.compile(r"[a-z.]+/[A-Za-z0-9][A-Za-z0-9_./-]*")
_KEY = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*")
_LONGEST_TYPE = 200
_MOST_LABELS = 30
_LONGEST_KEY = 100
_READ = 10_000  # descriptors in memory
_COUNTED = ("INT64", "DOUBLE", "DISTRIBUTION")


class MetricTypes:
    """Finds, makes and removes descriptors; kept as the API's messages.

    Args:
        store: holds those that are made.
    """

    def __init__(self, store: ResourceStore) -> None:
        self._made: Any = store.collection(metric_pb2.MetricDescriptor)
        self._locks = Locks()
        self._read: dict[str, tuple[bytes, metric_pb2.MetricDescriptor]] = {}  # by name: of which bytes it was made

    def find(self, project: str, kind: str) -> metric_pb2.MetricDescriptor | None:
        """A metric's descriptor by its type, e.g. `custom.googleapis.com/flights/auc`; None: there is none.

        It is shared: not to be changed.
        """
        known = descriptors.METRICS.get(kind)
        return known.descriptor(project) if known else self._found(_name(project, kind))

    def _found(self, name: str) -> metric_pb2.MetricDescriptor | None:
        """Every point that is written asks for one: it is read once."""
        stored: bytes | None = self._made.stored(name)
        if stored is None:
            return None
        known = self._read.get(name)
        if known is None or known[0] is not stored:
            if len(self._read) >= _READ:
                self._read.clear()
            known = self._read[name] = (stored, self._made.decode(stored))
        return known[1]

    def list(self, project: str) -> Iterable[metric_pb2.MetricDescriptor]:
        """All of a project in the order of their types."""
        made = self._made.list(f"projects/{project}")
        return sorted([*descriptors.metrics(project), *made], key=lambda each: str(each.type))

    def put(self, project: str, descriptor: metric_pb2.MetricDescriptor) -> metric_pb2.MetricDescriptor:
        """Makes a descriptor, or changes what can change of it: labels are only added, kind and type stay.

        Raises: InvalidArgument.
        """
        name = _name(project, descriptor.type)
        with self._locks(name):
            known = self._made.find(name)
            made = _merged(known, descriptor) if known else _filled(descriptor, name)
            if known != made:
                self._made.put(name, made, parent=f"projects/{project}")
        return made

    def delete(self, project: str, kind: str) -> None:
        """Removes a descriptor. Raises NotFound."""
        self._made.delete(_name(project, kind))


def check(descriptor: metric_pb2.MetricDescriptor, field: str = "metric_descriptor") -> None:
    """The rules for metrics of users' own. Raises InvalidArgument."""
    check_type(descriptor.type, f"{field}.type")
    kind, value_type = MetricKind.Name(descriptor.metric_kind), ValueType.Name(descriptor.value_type)
    if kind not in ("GAUGE", "CUMULATIVE"):
        raise validate.invalid(f"{field}.metric_kind", f"{kind}: user-defined metrics are GAUGE or CUMULATIVE.")
    if value_type not in (*_COUNTED, "BOOL"):
        allowed = "BOOL, INT64, DOUBLE or DISTRIBUTION"
        raise validate.invalid(f"{field}.value_type", f"{value_type}: user-defined metrics are {allowed}.")
    if kind == "CUMULATIVE" and value_type not in _COUNTED:
        raise validate.invalid(f"{field}.value_type", f"a CUMULATIVE metric can't be {value_type}.")
    check_keys((label.key for label in descriptor.labels), f"{field}.labels")


def check_type(kind: str, field: str) -> None:
    """A type that users may write. Raises InvalidArgument."""
    if not is_users(kind):
        raise validate.invalid(field, f"{kind!r}: user-defined metrics are below {', '.join(USERS)}.")
    if not _TYPE.fullmatch(kind) or len(kind) > _LONGEST_TYPE:
        rule = f"letters, digits, and / . _ -; {_LONGEST_TYPE} characters at most"
        raise validate.invalid(field, f"{kind!r} is no metric type ({rule}).")


def check_keys(keys: Iterable[str], field: str) -> None:
    """Label keys of a metric. Raises InvalidArgument."""
    listed = list(keys)
    if len(listed) > _MOST_LABELS:
        raise validate.invalid(field, f"{len(listed)} labels, {_MOST_LABELS} are allowed.")
    if len(set(listed)) < len(listed):
        raise validate.invalid(field, "a key stands there twice.")
    for key in listed:
        if not _KEY.fullmatch(key) or len(key) > _LONGEST_KEY:
            rule = f"letters, digits and _, {_LONGEST_KEY} at most, and a letter first"
            raise validate.invalid(field, f"{key!r} is no label key ({rule}).")


def is_users(kind: str) -> bool:
    """Whether users may make and write metrics of this type."""
    return kind.startswith(USERS)


def _name(project: str, kind: str) -> str:
    return f"projects/{project}/metricDescriptors/{kind}"


def _filled(descriptor: metric_pb2.MetricDescriptor, name: str) -> metric_pb2.MetricDescriptor:
    made = metric_pb2.MetricDescriptor()
    made.CopyFrom(descriptor)
    made.name = name
    if not made.unit and made.value_type in (ValueType.INT64, ValueType.DOUBLE, ValueType.DISTRIBUTION):
        made.unit = "1"
    return made


def _merged(known: Any, new: metric_pb2.MetricDescriptor) -> metric_pb2.MetricDescriptor:
    for field, names in (("metric_kind", MetricKind), ("value_type", ValueType)):
        is_, asked = names.Name(getattr(known, field)), names.Name(getattr(new, field))
        if is_ != asked:
            raise exceptions.InvalidArgument(
                f"metric_descriptor.{field}: {known.type} is {is_} already, and can't become {asked}: "
                "delete its descriptor first, and with it the data, or take another type."
            )
    made = metric_pb2.MetricDescriptor()
    made.CopyFrom(known)
    for field in ("unit", "description", "display_name"):
        setattr(made, field, getattr(new, field) or getattr(known, field))
    keys = {label.key for label in known.labels}
    made.labels.extend(label for label in new.labels if label.key not in keys)
    check_keys((label.key for label in made.labels), "metric_descriptor.labels")
    return made
