"""TensorBoard's event files: records, and what they say about time series. TensorFlow is not imported."""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import google_crc32c
from google.cloud.aiplatform_v1 import types
from google.protobuf.message import DecodeError

log = logging.getLogger(__name__)

_Type: Any = types.TensorboardTimeSeries.ValueType
# What Google's uploader sends by default; values of other plugins stay in the event file.
_PLUGINS = frozenset({"scalars", "histograms", "distributions", "text", "hparams", "images", "graphs"})


@dataclass(frozen=True)
class Value:
    """One value of a tag: a point of kind SCALAR or TENSOR, or the bytes of blobs beside an empty point."""

    tag: str
    kind: Any
    plugin: str
    plugin_data: bytes
    point: Any  # TimeSeriesDataPoint (protobuf)
    blobs: list[bytes] = field(default_factory=list)


def is_event_file(name: str) -> bool:
    """By the name that every writer gives them."""
    return "tfevents" in name.rpartition("/")[2]


def records(path: Path, offset: int = 0) -> Iterator[tuple[bytes, int]]:
    """Each whole record from `offset` on, with the offset where it ends; a torn or damaged one ends the file."""
    with path.open("rb") as file:
        file.seek(offset)
        while len(head := file.read(12)) == 12:
            length, check = struct.unpack("<QI", head)
            if check != _masked(head[:8]):
                log.warning("%s is damaged at byte %d: the rest of it is not read", path, offset)
                return
            data, tail = file.read(length), file.read(4)
            if len(tail) < 4:
                return
            if struct.unpack("<I", tail)[0] != _masked(data):
                log.warning("%s is damaged at byte %d: the rest of it is not read", path, offset)
                return
            offset += 16 + length
            yield data, offset


def _masked(data: bytes) -> int:
    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


class Run:
    """Reads the events of one run; keeps what the first value of a tag says about all of them."""

    def __init__(self) -> None:
        self._initial: dict[str, Any] = {}
        self._metadata: dict[str, Any] = {}

    def values(self, record: bytes) -> Iterator[Value]:
        """What TensorBoard makes of one event, in today's form whatever wrote it."""
        from tensorboard import data_compat, dataclass_compat  # 0.5 s: when the first event file is there
        from tensorboard.compat.proto import event_pb2

        try:
            event = event_pb2.Event.FromString(record)
        except DecodeError as error:
            log.warning("a record of an event file is no event: %s", error)
            return
        if event.WhichOneof("what") == "summary":
            yield from self._numbers(event)
            if not event.summary.value:
                return
        for each in dataclass_compat.migrate_event(data_compat.migrate_event(event), self._initial):
            for value in each.summary.value:
                metadata = self._metadata.setdefault(value.tag, value.metadata)
                if self._fits(value.tag, metadata, value, each.step):
                    yield from _value(each, value, metadata)

    def _numbers(self, event: Any) -> Iterator[Value]:
        """Takes plain numbers out of an event, most of what there is: what PyTorch writes. They need no migration."""
        from tensorboard.compat.proto import summary_pb2
        from tensorboard.plugins.scalar import metadata as scalar

        others = []
        for value in event.summary.value:
            if value.WhichOneof("value") != "simple_value":
                others.append(value)
                continue
            known = self._metadata.get(value.tag)
            if known is None:
                known = self._metadata[value.tag] = scalar.create_summary_metadata("", "")
            if known.plugin_data.plugin_name == scalar.PLUGIN_NAME:
                point = _point(event)
                point.scalar.value = value.simple_value
                yield Value(value.tag, _Type.SCALAR, scalar.PLUGIN_NAME, known.plugin_data.content, point)
            else:
                _say_changed(value.tag, known, event.step)
        if len(others) < len(event.summary.value):
            event.summary.CopyFrom(summary_pb2.Summary(value=others))

    def _fits(self, tag: str, metadata: Any, value: Any, step: int) -> bool:
        plugin = metadata.plugin_data.plugin_name
        if value.HasField("metadata") and value.metadata.plugin_data.plugin_name != plugin:
            _say_changed(tag, metadata, step)
            return False
        return plugin in _PLUGINS


def _say_changed(tag: str, metadata: Any, step: int) -> None:
    log.warning("tag %s is of plugin %s, but not at step %d: left out", tag, metadata.plugin_data.plugin_name, step)


def _point(event: Any) -> Any:
    """A point at an event's step and time."""
    point = types.TimeSeriesDataPoint.pb()(step=event.step)
    nanos = round(event.wall_time * 10**6) * 1000  # a double holds no finer time of today
    point.wall_time.seconds, point.wall_time.nanos = divmod(nanos, 10**9)
    return point


def _value(event: Any, value: Any, metadata: Any) -> Iterator[Value]:
    from tensorboard.compat.proto import summary_pb2
    from tensorboard.util import tensor_util

    point = _point(event)
    blobs: list[bytes] = []
    try:
        array = tensor_util.make_ndarray(value.tensor)
        if metadata.data_class == summary_pb2.DATA_CLASS_SCALAR:
            kind, point.scalar.value = _Type.SCALAR, array.item()
        elif metadata.data_class == summary_pb2.DATA_CLASS_TENSOR:
            kind, point.tensor.value = _Type.TENSOR, value.tensor.SerializeToString()
        elif metadata.data_class == summary_pb2.DATA_CLASS_BLOB_SEQUENCE and array.ndim == 1:
            kind, blobs = _Type.BLOB_SEQUENCE, [bytes(item) for item in array]
            point.blobs.SetInParent()
        else:
            return
    except (TypeError, ValueError) as error:
        log.warning("tag %s at step %d holds a malformed tensor: %s", value.tag, event.step, error)
        return
    plugin = metadata.plugin_data
    yield Value(value.tag, kind, plugin.plugin_name, plugin.content, point, blobs)
