"""All sinks and exclusions: which entries readers see, and a delivery for each sink that sends entries elsewhere."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from google.api_core import exceptions
from google.cloud.logging_v2 import types

from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.services.logging import named, query
from gcpmlops.emulator.services.logging.cursors import Cursors
from gcpmlops.emulator.services.logging.default_sinks import DEFAULT, KEPT, default_sinks
from gcpmlops.emulator.services.logging.delivery import Delivery, Destination
from gcpmlops.emulator.services.logging.destinations import address
from gcpmlops.emulator.services.logging.destinations.address import Address
from gcpmlops.emulator.services.logging.entries import Entries
from gcpmlops.emulator.services.logging.sink_errors import SinkErrors

log = logging.getLogger(__name__)

Make = Callable[[Address, types.LogSink], Destination]


class Sinks:
    """Keeps sinks and exclusions, and what they do.

    Args:
        context: the services' own.
        entries: the log.
        make: a sink's destination.
        errors: where errors of destinations are told.
    """

    def __init__(self, context: Context, entries: Entries, make: Make, errors: SinkErrors) -> None:
        self._context = context
        self._entries = entries
        self._make = make
        self._errors = errors
        self._cursors = Cursors(context.store)
        self._sinks: Any = context.store.collection(types.LogSink)
        self.exclusions: Any = context.store.collection(types.LogExclusion)  # `changed` is to be called after a change
        self._lock = threading.RLock()
        self._deliveries: dict[str, Delivery] = {}
        self._kept: dict[str, Callable[[Any], bool]] = {}
        for parent, sink in named.all_of(context.store, types.LogSink):
            self._resume(f"{parent}/sinks/{sink.name}", sink)
        self._refresh()
        entries.is_routed = lambda: bool(self._deliveries)
        entries.on_receive.append(self._received)

    def list(self, parent: str) -> list[types.LogSink]:
        """A project's sinks, the two that each project has first."""
        stored = {sink.name: sink for sink in self._sinks.list(parent)}
        first = [stored.pop(sink.name, sink) for sink in default_sinks(parent)]
        return first + list(stored.values())

    def get(self, name: str) -> types.LogSink:
        """Raises NotFound."""
        parent, _, key = name.rpartition("/sinks/")
        found: types.LogSink | None = self._sinks.find(name)
        standard = {sink.name: sink for sink in default_sinks(parent)}
        if found is None and key not in standard:
            raise exceptions.NotFound(f"Sink {key} does not exist in {parent}.")
        return found or standard[key]

    def put(self, parent: str, sink: types.LogSink, *, is_new: bool) -> types.LogSink:
        """Makes or replaces one; a new one, and one that was off, begins with the next entry. Raises AlreadyExists."""
        name = f"{parent}/sinks/{sink.name}"
        with self._lock:
            if is_new:
                self._sinks.insert(name, sink, parent=parent)
            else:
                self._sinks.put(name, sink, parent=parent)
            self._restart(name, sink)
            self._refresh()
        return sink

    def delete(self, name: str) -> None:
        """Raises NotFound."""
        with self._lock:
            self._sinks.delete(name)
            self._stop(name)
            self._cursors.remove(name)

    def changed(self) -> None:
        """Exclusions have changed."""
        with self._lock:
            self._refresh()

    def close(self) -> None:
        """Ends the deliveries; files of an hour that isn't over are written."""
        with self._lock:
            deliveries = list(self._deliveries.values())
        for delivery in deliveries:
            delivery.close(flush=True)

    def _resume(self, name: str, sink: types.LogSink) -> None:
        try:
            delivery = self._delivery(name, sink)
        except exceptions.GoogleAPICallError as error:  # made by another version: the emulator starts without it
            log.error("sink %s is at rest: %s", name, error.message)
            return
        if delivery is not None:
            self._deliveries[name] = delivery
            delivery.resume()

    def _restart(self, name: str, sink: types.LogSink) -> None:
        goes_on = name in self._deliveries
        self._stop(name)
        if not goes_on:
            self._entries.before_read()  # what was written before is not its own
            self._cursors.set(name, self._entries.last())
        if (delivery := self._delivery(name, sink)) is not None:
            self._deliveries[name] = delivery
            delivery.resume()
        else:
            self._cursors.remove(name)

    def _stop(self, name: str) -> None:
        if (delivery := self._deliveries.pop(name, None)) is not None:
            delivery.close(flush=False)

    def _delivery(self, name: str, sink: types.LogSink) -> Delivery | None:
        where = address.parse(sink.destination)
        if sink.disabled or where.kind == "logging":
            return None
        return Delivery(
            name,
            self._entries,
            self._cursors,
            self._context.clock,
            self._context.agenda,
            matches=matching(sink),
            destination=self._make(where, sink),
            hourly=where.kind == "storage",
            on_error=partial(self._errors.report, name, sink, where),
            on_success=partial(self._errors.forget, name),
        )

    def _received(self, entries: Sequence[Any]) -> None:
        if self._deliveries:
            parents = {"/".join(entry.log_name.split("/", 2)[:2]) for entry in entries}
            for delivery in list(self._deliveries.values()):
                if delivery.parent in parents:
                    delivery.wake()

    def _refresh(self) -> None:
        """Which entries readers see, project by project."""
        kept: dict[str, list[Callable[[Any], bool]]] = defaultdict(list)
        for parent, sink in named.all_of(self._context.store, types.LogSink):
            if sink.name == DEFAULT:
                kept[parent].append(_nothing if sink.disabled else matching(sink))
        for parent, exclusion in named.all_of(self._context.store, types.LogExclusion):
            if not exclusion.disabled:
                kept[parent].append(partial(_is_not, query.compiled(exclusion.filter)))
        self._kept = {parent: partial(_all, tests) for parent, tests in kept.items()}
        self._entries.keeps = self._keeps if self._kept else None

    def _keeps(self, entry: Any) -> bool:
        test = self._kept.get("/".join(entry.log_name.split("/", 2)[:2]))
        return test is None or entry.log_name.endswith(KEPT) or test(entry)


def matching(sink: types.LogSink) -> Callable[[Any], bool]:
    """Which entries a sink takes. Raises InvalidArgument for a filter that doesn't parse."""
    wanted = query.compiled(sink.filter)
    excluded = [query.compiled(each.filter) for each in sink.exclusions if not each.disabled]
    return lambda entry: wanted(entry) and not any(test(entry) for test in excluded)


def _nothing(_: Any) -> bool:
    return False


def _is_not(test: Callable[[Any], bool], entry: Any) -> bool:
    return not test(entry)


def _all(tests: Sequence[Callable[[Any], bool]], entry: Any) -> bool:
    return all(test(entry) for test in tests)
