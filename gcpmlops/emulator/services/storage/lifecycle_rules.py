"""Lifecycle rules of a bucket: what they may say, and from when on one applies to an object."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from gcpmlops.emulator.services.storage import errors
from gcpmlops.emulator.services.storage.records import BucketRecord, Json, ObjectRecord, micros

DELETE, SET_CLASS, ABORT = "Delete", "SetStorageClass", "AbortIncompleteMultipartUpload"
_DAY = 24 * 3600 * 1_000_000  # microseconds
_MOST_RULES = 100
_COLDER = {  # what an object may become, by what it is
    "STANDARD": ("NEARLINE", "COLDLINE", "ARCHIVE"),
    "MULTI_REGIONAL": ("NEARLINE", "COLDLINE", "ARCHIVE"),
    "REGIONAL": ("NEARLINE", "COLDLINE", "ARCHIVE"),
    "DURABLE_REDUCED_AVAILABILITY": ("NEARLINE", "COLDLINE", "ARCHIVE", "MULTI_REGIONAL", "REGIONAL", "STANDARD"),
    "NEARLINE": ("COLDLINE", "ARCHIVE"),
    "COLDLINE": ("ARCHIVE",),
    "ARCHIVE": (),
}
_COLDNESS = ("STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE")
_OF_UPLOADS = ("age", "matchesPrefix", "matchesSuffix")


@dataclass(frozen=True)
class Version:
    """One generation of an object, and how many newer ones there are."""

    record: ObjectRecord
    newer: int

    @property
    def storage_class(self) -> str:
        return str(self.record.fields.get("storageClass", "STANDARD"))

    @property
    def custom_time(self) -> int | None:
        text = self.record.fields.get("customTime")
        return None if text is None else micros(datetime.fromisoformat(str(text)))


@dataclass(frozen=True)
class Rule:
    """One action and its conditions, all of which have to hold."""

    action: str
    storage_class: str
    condition: Json

    def due(self, version: Version, home: BucketRecord) -> int | None:
        """From when on (microseconds; 0: always) it changes this version as it is now; None: never."""
        if self.action == DELETE:
            start = _removable_from(version.record, home)
        elif self.action == SET_CLASS and self.storage_class in _COLDER.get(version.storage_class, ()):
            start = 0
        else:
            return None
        for key, value in self.condition.items():
            begins = _CONDITIONS[key].begins(version, value)
            if begins is None or start is None:
                return None
            start = max(start, begins)
        return start


def parse(lifecycle: Any) -> list[Rule]:
    """The rules of a bucket's `lifecycle`. Raises BadRequest for what the service refuses."""
    rules = lifecycle.get("rule", []) if isinstance(lifecycle, Mapping) else None
    if not isinstance(rules, list) or len(rules) > _MOST_RULES:
        raise errors.invalid(f"Invalid argument: lifecycle.rule is a list of {_MOST_RULES} rules at most.")
    return [_rule(rule) for rule in rules]


def chosen(rules: Sequence[Rule], version: Version, home: BucketRecord, now: int) -> Rule | None:
    """The rule that acts on a version now: deletion goes before a class, the coldest class before others."""
    acting = [rule for rule in rules if (due := rule.due(version, home)) is not None and due <= now]
    deleting = next((rule for rule in acting if rule.action == DELETE), None)
    return deleting or max(acting, key=lambda rule: _coldness(rule.storage_class), default=None)


def _coldness(storage_class: str) -> int:
    return _COLDNESS.index(storage_class) if storage_class in _COLDNESS else 0


def _removable_from(record: ObjectRecord, home: BucketRecord) -> int | None:
    """None while a hold is on it: its removal is an event of its own."""
    if record.fields.get("temporaryHold") or record.fields.get("eventBasedHold"):
        return None
    period = int(home.config.get("retentionPolicy", {}).get("retentionPeriod", 0))
    until = record.created + period * 1_000_000 if period else 0
    retention = record.fields.get("retention")
    return max(until, micros(datetime.fromisoformat(retention["retainUntilTime"]))) if retention else until


def _rule(rule: Any) -> Rule:
    if not isinstance(rule, Mapping):
        raise errors.invalid("Invalid argument: a lifecycle rule has an action and a condition.")
    action, condition = rule.get("action") or {}, rule.get("condition") or {}
    kind, storage_class = action.get("type", ""), action.get("storageClass", "")
    if kind not in (DELETE, SET_CLASS, ABORT):
        raise errors.invalid(f"Invalid argument: lifecycle action '{kind}': Delete, SetStorageClass or {ABORT}.")
    if kind == SET_CLASS and storage_class not in _COLDER:
        raise errors.invalid(f"Invalid argument: lifecycle storage class '{storage_class}'.")
    if not condition:
        raise errors.invalid("Invalid argument: a lifecycle rule needs at least one condition.")
    for key, value in condition.items():
        known = _CONDITIONS.get(key)
        if known is None or not known.is_valid(value) or (kind == ABORT and key not in _OF_UPLOADS):
            raise errors.invalid(f"Invalid argument: lifecycle condition '{key}' of {kind} can't be {value!r}.")
    return Rule(kind, storage_class, dict(condition))


@dataclass(frozen=True)
class _Condition:
    """What a condition may be, and from when on it holds (None: not at all)."""

    is_valid: Callable[[Any], bool]
    begins: Callable[[Version, Any], int | None]


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_date(value: Any) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value) is not None
    except ValueError:
        return False


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(text, str) for text in value)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _if(holds: bool) -> int | None:
    return 0 if holds else None


def _days_after(moment: int | None, days: int) -> int | None:
    return None if moment is None else moment + days * _DAY


def _before(moment: int | None, text: str) -> int | None:
    midnight = micros(datetime.combine(date.fromisoformat(text), time(), UTC))
    return _if(moment is not None and moment < midnight)


_CONDITIONS = {
    "age": _Condition(_is_count, lambda of, days: _days_after(of.record.created, days)),
    "createdBefore": _Condition(_is_date, lambda of, day: _before(of.record.created, day)),
    "customTimeBefore": _Condition(_is_date, lambda of, day: _before(of.custom_time, day)),
    "daysSinceCustomTime": _Condition(_is_count, lambda of, days: _days_after(of.custom_time, days)),
    "daysSinceNoncurrentTime": _Condition(_is_count, lambda of, days: _days_after(of.record.deleted, days)),
    "noncurrentTimeBefore": _Condition(_is_date, lambda of, day: _before(of.record.deleted, day)),
    "isLive": _Condition(_is_flag, lambda of, live: _if(bool(of.record.live) == live)),
    "numNewerVersions": _Condition(_is_count, lambda of, count: _if(of.newer >= count)),
    "matchesStorageClass": _Condition(_is_texts, lambda of, classes: _if(of.storage_class in classes)),
    "matchesPrefix": _Condition(_is_texts, lambda of, texts: _if(of.record.name.startswith(tuple(texts)))),
    "matchesSuffix": _Condition(_is_texts, lambda of, texts: _if(of.record.name.endswith(tuple(texts)))),
}
