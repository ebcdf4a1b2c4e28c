"""The resources of TensorboardService: stored with all that hangs on them, in one transaction each."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from importlib import resources
from typing import Any

from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import filters, masks, names, paging, validate
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.services.model_rows import check_etag, etag
from gcpmlops.emulator.services.tensorboard.blobs import BlobData
from gcpmlops.emulator.services.tensorboard.names import BOARD, EXPERIMENT, RUN, SERIES, below, board_of
from gcpmlops.emulator.services.tensorboard.points import Points

_PATTERNS: dict[Any, str] = {
    types.Tensorboard: BOARD,
    types.TensorboardExperiment: EXPERIMENT,
    types.TensorboardRun: RUN,
    types.TensorboardTimeSeries: SERIES,
}
_TITLED = (types.TensorboardRun, types.TensorboardTimeSeries)  # their display names are unique below a parent
_OUTPUT_ONLY = ("name", "create_time", "update_time", "etag", "run_count", "blob_storage_path_prefix", "metadata")
_TIMES = ("etag", "update_time")


class Rows:
    """Tensorboards, experiments, runs and time series, and the points of the latter."""

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._clock = context.clock
        self._store.ensure_schema(resources.files(__package__).joinpath("schema.sql").read_text("utf-8"))
        self._collections: dict[Any, Any] = {kind: self._store.collection(kind) for kind in _PATTERNS}
        self.points = Points(self._store)

    def of(self, kind: Any) -> Any:
        """The collection of one message type."""
        return self._collections[kind]

    def get(self, kind: Any, name: str) -> Any:
        """Raises: InvalidArgument for another form of name, NotFound."""
        names.parse(_PATTERNS[kind], name)
        return self.of(kind).get(name)

    def titled(self, kind: Any, parent: str, title: str) -> Any:
        """The run or time series of that display name below a parent, or None."""
        sql = "SELECT name FROM tensorboard_titles WHERE parent = ? AND title = ?"
        row = self._store.read(lambda conn: conn.execute(sql, (parent, title)).fetchone())
        return None if row is None else self.of(kind).find(row["name"])

    def insert(self, new: Iterable[tuple[str, Any]], *, also: Callable[[], None] | None = None) -> list[Any]:
        """Stores new resources under their names: all of them or none.

        Args:
            new: names and messages, whose output-only fields are set here.
            also: done first, in the same transaction.

        Raises: NotFound for a parent that isn't there, AlreadyExists for a name that is taken, InvalidArgument (as the
            cloud has it) for a display name that is taken.
        """
        made = [self._prepared(name, message) for name, message in new]

        def run(conn: sqlite3.Connection) -> None:
            if also is not None:
                also()
            for message in made:
                self._insert(conn, message)

        self._store.write(run)
        return made

    def update(
        self, given: Any, mask: Any, *, frozen: Sequence[str] = (), also: Callable[[Any], None] | None = None
    ) -> Any:
        """Changes the resource that bears `given.name`; `also` gets it then, in the same transaction.

        Raises: NotFound, Aborted for an etag of an earlier state, InvalidArgument for a field that can't be changed.
        """
        kind = type(given)
        names.parse(_PATTERNS[kind], given.name)

        def change(message: Any) -> None:
            check_etag(given.etag, message.etag, given.name)
            title = message.display_name
            masks.apply(mask, message, given, immutable=[*_OUTPUT_ONLY, *frozen])
            message.update_time = self._clock.now()
            message.etag = etag(message, ignore=_TIMES)
            if kind in _TITLED and message.display_name != title:
                self._store.write(lambda conn: self._retitle(conn, message))
            if also is not None:
                also(message)

        return self.of(kind).update(given.name, change)

    def delete(self, kind: Any, name: str) -> None:
        """Deletes a resource with all below it. Raises: NotFound."""

        def run(conn: sqlite3.Connection) -> None:
            self.of(kind).delete(name)
            for collection in self._collections.values():
                collection.delete_below(name)
            self.points.delete(conn, name)
            where = "name = ? OR (name > ? AND name < ?)"
            conn.execute(f"DELETE FROM tensorboard_titles WHERE {where}", (name, *below(name)))

        self._store.write(run)

    def delete_with_blobs(self, kind: Any, name: str, blobs: BlobData) -> None:
        """Deletes a resource of a tensorboard with all below it, and what lies in the bucket. Raises: NotFound."""
        self.get(kind, name)
        prefix = self.get(types.Tensorboard, board_of(name)).blob_storage_path_prefix
        self.delete(kind, name)
        blobs.delete(prefix, name)

    def page(self, kind: Any, request: Any, *, default: int, maximum: int) -> tuple[list[Any], str]:
        """One page of what lies below `request.parent`. Raises: NotFound for a parent that isn't there."""
        above = _parent_kind(kind)
        if above is not None:
            self.get(above, request.parent)
        rows = self.of(kind)
        if not request.filter and not request.order_by:
            return paging.page(rows.below(request.parent), request, default=default, maximum=maximum)
        found = [item for item in rows.list(request.parent) if filters.matches(request.filter, item)]
        return paging.page(filters.order(found, request.order_by), request, default=default, maximum=maximum)

    def _prepared(self, name: str, message: Any) -> Any:
        made = type(message)(message)
        for field in _OUTPUT_ONLY:
            if field in type(message).meta.fields and field != "blob_storage_path_prefix":
                setattr(made, field, None)
        made.name = name
        made.create_time = made.update_time = self._clock.now()
        made.etag = etag(made, ignore=_TIMES)
        return made

    def _insert(self, conn: sqlite3.Connection, message: Any) -> None:
        kind, parent = type(message), message.name.rsplit("/", 2)[0]
        above = _parent_kind(kind)
        if above is not None:
            self.of(above).get(parent)
        self.of(kind).insert(message.name, message)
        if kind in _TITLED:
            self._check_title(conn, parent, message)
            conn.execute(
                "INSERT INTO tensorboard_titles VALUES (?, ?, ?)", (parent, message.display_name, message.name)
            )
        if kind is types.TensorboardTimeSeries:
            self.points.add_series(conn, message.name)

    def _retitle(self, conn: sqlite3.Connection, message: Any) -> None:
        self._check_title(conn, message.name.rsplit("/", 2)[0], message)
        sql = "UPDATE tensorboard_titles SET title = ? WHERE name = ?"
        conn.execute(sql, (message.display_name, message.name))

    def _check_title(self, conn: sqlite3.Connection, parent: str, message: Any) -> None:
        sql = "SELECT name FROM tensorboard_titles WHERE parent = ? AND title = ?"
        row = conn.execute(sql, (parent, message.display_name)).fetchone()
        if row is not None and row["name"] != message.name:
            kind = type(message).__name__
            raise validate.invalid(
                "display_name", f"{kind} with display name {message.display_name!r} already exists: {row['name']}."
            )


def _parent_kind(kind: Any) -> Any:
    kinds = list(_PATTERNS)
    place = kinds.index(kind)
    return kinds[place - 1] if place else None
