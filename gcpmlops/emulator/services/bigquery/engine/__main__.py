"""``python -m gcpmlops.emulator.services.bigquery.engine --data DIR --socket PATH``: serve until SIGTERM."""

from __future__ import annotations

import argparse
import gc
import importlib.abc
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import uvicorn
from bqemulator.config import LogFormat, LogLevel
from bqemulator.observability.logging_ import configure_logging
from duckdb_extensions import import_extension


class Announced(uvicorn.Server):
    """Says on stdout when it answers, since its parent waits for that line; then warms up for the first job."""

    def __init__(self, config: uvicorn.Config, warm: Callable[[], None]) -> None:
        super().__init__(config)
        self._warm = warm

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        threading.Thread(target=self._warm, name="warm", daemon=True).start()
        sys.stdout.write("bigquery-engine ready\n")
        sys.stdout.flush()


class WithoutPandas(importlib.abc.MetaPathFinder):
    """DuckDB and Arrow would load it at the first parameter and the first array: half a second for nothing."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raises ModuleNotFoundError for pandas."""
        if name == "pandas":
            raise ModuleNotFoundError("The BigQuery engine does without pandas.", name=name)


def main() -> None:
    """Parse the command line and serve."""
    gc.disable()  # while hundreds of modules are imported, which all stay
    parser = argparse.ArgumentParser(prog="bigquery-engine")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--socket", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.data.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    import_extension("spatial")  # from its wheel; DuckDB would download it otherwise
    configure_logging(level=LogLevel.ERROR, fmt=LogFormat.JSON)  # before the imports below, which log
    sys.meta_path.insert(0, WithoutPandas())
    from gcpmlops.emulator.services.bigquery.engine.app import EngineApp

    engine = EngineApp(arguments.data)
    gc.freeze()  # what is there now stays: later collections leave it out
    gc.enable()
    arguments.socket.unlink(missing_ok=True)
    os.umask(0o077)
    config = uvicorn.Config(
        engine.build(),
        uds=str(arguments.socket),
        log_level="warning",
        access_log=False,
        lifespan="off",
        http="httptools",
        timeout_keep_alive=600,
    )
    try:
        Announced(config, engine.warm).run()
    finally:
        engine.core.close()


if __name__ == "__main__":
    main()
