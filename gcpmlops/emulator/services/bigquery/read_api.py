"""The BigQuery Storage Read API, in Arrow: what ``to_dataframe()`` uses with google-cloud-bigquery-storage."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

from google.api_core import exceptions
from google.cloud.bigquery_storage_v1 import types

from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.runtimes.unix_http import HttpReply
from gcpmlops.emulator.services.bigquery.errors import BigQueryError, from_engine
from gcpmlops.emulator.services.bigquery.process import BigQueryEngine

_TABLE = re.compile(r"projects/([^/]+)/datasets/([^/]+)/tables/([^/]+)")
_STREAM = re.compile(r"projects/[^/]+/locations/[^/]+/sessions/(read-[0-9a-f]{32})/streams/(\d+)-(\d+)")
_BATCH_ROWS = 20_000  # the engine's


class BigQueryRead(Service):
    """A session is a frozen copy of the rows in the engine; stream FIRST-END reads the batches in between."""

    proto = "google.cloud.bigquery.storage.v1.BigQueryRead"

    def __init__(self, context: Context, engine: BigQueryEngine) -> None:
        super().__init__(context)
        self._engine = engine

    def create_read_session(self, request: types.CreateReadSessionRequest) -> types.ReadSession:
        """Raises MethodNotImplemented for AVRO, NotFound for a missing table, InvalidArgument for a bad filter."""
        wanted = request.read_session
        if wanted.data_format == types.DataFormat.AVRO:
            raise exceptions.MethodNotImplemented(
                "BigQueryRead.CreateReadSession: data_format AVRO is not implemented, use ARROW"
            )
        named = _TABLE.fullmatch(wanted.table)
        if named is None:
            raise exceptions.InvalidArgument(
                f"read_session.table: {wanted.table!r} is not projects/P/datasets/D/tables/T"
            )
        options = wanted.read_options
        opened = self._call(
            {
                "project": named[1],
                "dataset": named[2],
                "table": named[3].split("$")[0],
                "selected": list(options.selected_fields),
                "restriction": options.row_restriction,
            }
        )
        session = types.ReadSession(wanted)
        session.name = f"{request.parent}/locations/us/sessions/{opened['key']}"
        session.data_format = types.DataFormat(types.DataFormat.ARROW)
        session.arrow_schema = types.ArrowSchema(serialized_schema=base64.b64decode(opened["schema"]))
        session.estimated_row_count = opened["rows"]
        session.estimated_total_bytes_scanned = opened["bytes"]
        session.streams = [
            types.ReadStream(name=f"{session.name}/streams/{first}-{end}")
            for first, end in _shares(opened["batches"], request.max_stream_count or 1)
        ]
        return session

    def read_rows(self, request: types.ReadRowsRequest) -> Iterator[types.ReadRowsResponse]:
        """The rows of a stream, from `offset` on."""
        named = _STREAM.fullmatch(request.read_stream)
        if named is None:
            raise exceptions.NotFound(f"Not found: stream {request.read_stream}")
        first, end = int(named[2]), int(named[3])
        skipped = request.offset // _BATCH_ROWS
        if request.offset % _BATCH_ROWS:
            raise exceptions.MethodNotImplemented("BigQueryRead.ReadRows: an offset inside a batch is not implemented")
        return self._rows(named[1], first + skipped, end)

    def _rows(self, key: str, first: int, end: int) -> Iterator[types.ReadRowsResponse]:
        """The first response of a stream carries the schema."""
        for index in range(first, end):
            response = self._batch(key, index)
            if index == first:
                schema = self._get(f"/engine/sessions/{key}/schema").body
                response.arrow_schema = types.ArrowSchema(serialized_schema=schema)
            yield response

    def _get(self, target: str) -> HttpReply:
        reply = self._engine.request("GET", target)
        if reply.status >= 400:
            raise _google(from_engine(reply.body))
        return reply

    def _batch(self, key: str, index: int) -> types.ReadRowsResponse:
        reply = self._get(f"/engine/sessions/{key}/{index}")
        rows = int(reply.headers["x-rows"])
        return types.ReadRowsResponse(
            row_count=rows,
            arrow_record_batch=types.ArrowRecordBatch(serialized_record_batch=reply.body, row_count=rows),
        )

    def _call(self, message: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._engine.call("/engine/sessions", message)
        except BigQueryError as error:
            raise _google(error) from error


def _shares(batches: int, streams: int) -> list[tuple[int, int]]:
    """`batches` cut into at most `streams` ranges; none where there is nothing to read."""
    count = min(batches, max(streams, 1))
    return [(batches * index // count, batches * (index + 1) // count) for index in range(count)]


def _google(error: BigQueryError) -> exceptions.GoogleAPICallError:
    code, _ = error.to_json()
    found: exceptions.GoogleAPICallError = exceptions.from_http_status(code, error.message)
    return found
