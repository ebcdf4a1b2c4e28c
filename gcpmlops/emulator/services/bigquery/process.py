"""The engine process: started in the background at first use, started again when it died, called over a unix socket."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gcpmlops.emulator.runtimes.process import Exit, Process, Processes, ProcessSpec
from gcpmlops.emulator.runtimes.unix_http import HttpReply, UnixHttp
from gcpmlops.emulator.services.bigquery.errors import BigQueryError, from_engine

log = logging.getLogger(__name__)

READY = "bigquery-engine ready"  # the line that the process prints once it answers
_BOOT_S = 60.0
_GRACE_S = 3.0  # a committed transaction is safe without any
_CALL_S = 6 * 3600.0  # BigQuery's own limit on a query
_PACKAGES = Path(__file__).parents[4]


class BigQueryEngine:
    """`directory` holds the DuckDB file; `socket` is a short path in a private directory. Thread-safe."""

    def __init__(self, directory: Path, socket: Path, processes: Processes) -> None:
        self.directory = directory
        self._http = UnixHttp(socket)
        self._processes = processes
        self._lock = threading.Lock()
        self._process: Process | None = None
        self._ready = threading.Event()  # set when it answers, and when it ended
        self._failure: Exit | None = None
        self._closed = False

    def warm(self) -> None:
        """Start the process and return at once."""
        with self._lock:
            if self._closed or (self._process is not None and self._process.running):
                return
            self._ready.clear()
            self._failure = None
            self._process = self._processes.start(self._spec(), self._line, self._ended)

    def close(self) -> None:
        """End the process; its database is closed properly."""
        with self._lock:
            self._closed, process = True, self._process
        self._http.close()
        if process is not None:
            process.cancel()
            process.wait(30)

    def request(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> HttpReply:
        """One exchange with the engine, started where it does not run. Raises backendError when it dies meanwhile."""
        self._await_ready()
        try:
            return self._http.request(
                method, target, body, {"content-type": "application/json", **(headers or {})}, _CALL_S
            )
        except OSError as error:
            raise BigQueryError(
                "backendError", "The BigQuery engine stopped while it worked on this request"
            ) from error

    def call(self, target: str, message: dict[str, Any]) -> dict[str, Any]:
        """POST a message to one of the engine's own routes. Raises what it reports."""
        reply = self.request("POST", target, json.dumps(message).encode())
        if reply.status >= 400:
            raise from_engine(reply.body)
        answer: dict[str, Any] = json.loads(reply.body)
        return answer

    def _await_ready(self) -> None:
        self.warm()
        if not self._ready.wait(_BOOT_S):
            raise BigQueryError("backendError", f"The BigQuery engine did not start within {_BOOT_S:.0f} s")
        if self._failure is not None:
            last = self._failure.tail[-1] if self._failure.tail else self._failure.describe()
            raise BigQueryError("backendError", f"The BigQuery engine could not start: {last}")
        if self._closed:
            raise BigQueryError("backendError", "The emulator is shutting down")

    def _spec(self) -> ProcessSpec:
        self.directory.mkdir(parents=True, exist_ok=True)
        paths = [str(_PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        argv = [
            sys.executable,
            "-m",
            "gcpmlops.emulator.services.bigquery.engine",
            "--data",
            str(self.directory),
            "--socket",
            str(self._http.path),
        ]
        return ProcessSpec(argv=argv, env=env, cwd=self.directory, grace_s=_GRACE_S)

    def _line(self, stream: str, text: str) -> None:
        if text == READY:
            self._ready.set()
        elif stream == "stderr":
            log.warning("engine: %s", text)

    def _ended(self, result: Exit) -> None:
        if not self._ready.is_set():
            self._failure = result
        if not self._closed:
            log.error("the BigQuery engine ended: %s", result.describe())
        self._ready.set()
