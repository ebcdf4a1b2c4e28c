"""Command line: load the one model, then listen on a unix socket, and on a TCP port where one is asked for."""

from __future__ import annotations

import argparse
import os
import socket
import sys
import traceback
from collections.abc import Sequence

from .app import PredictionApp
from .models import load

GRACE_SECONDS = 30  # in-flight requests may end after SIGTERM
KEEP_ALIVE_SECONDS = 24 * 3600  # the emulator pools its connections


def main(argv: Sequence[str]) -> int:
    """Serve until SIGTERM. Exit code 1, with the traceback on stderr, where the model does not load."""
    options = parser().parse_args(argv)
    try:
        model = load(options.model_dir)
    except Exception:  # noqa: BLE001 - unpickling runs the user's code and raises anything
        traceback.print_exc()
        source = os.environ.get("AIP_STORAGE_URI", options.model_dir)
        sys.stderr.write(f"The model in {source} could not be loaded.\n")
        return 1
    sys.stdout.write(f"Loaded {model.file_name}: {model.kind}\n")
    sys.stdout.flush()
    app = PredictionApp(
        model,
        health_route=os.environ.get("AIP_HEALTH_ROUTE", "/health"),
        predict_route=os.environ.get("AIP_PREDICT_ROUTE", "/predict"),
    )
    listen(app, sockets(options))
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(prog="model_server")
    result.add_argument("--model-dir", required=True, help="folder with the model file")
    result.add_argument("--uds", help="unix socket to listen on")
    result.add_argument("--port", type=int, help="TCP port on 127.0.0.1; 0 takes AIP_HTTP_PORT")
    return result


def sockets(options: argparse.Namespace) -> list[socket.socket]:
    """Bound sockets: the unix one readable by this user only, because its folder is."""
    found = []
    if options.uds:
        found.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        found[-1].bind(options.uds)
    if options.port is not None:
        found.append(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        found[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found[-1].bind(("127.0.0.1", options.port or int(os.environ.get("AIP_HTTP_PORT", "8080"))))
    if not found:
        raise SystemExit("model_server: give --uds, --port or both")
    return found


def listen(app: PredictionApp, bound: list[socket.socket]) -> None:
    """Run uvicorn (with httptools and uvloop where they are installed) on the bound sockets."""
    import uvicorn

    config = uvicorn.Config(
        app,
        access_log=False,
        lifespan="off",
        log_level="warning",
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        ws="none",
    )
    uvicorn.Server(config).run(sockets=bound)
