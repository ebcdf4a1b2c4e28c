"""Command line: load the one model, then listen on a unix socket, and on a TCP port where one is asked for."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from .app import Routes
from .listening import Server
from .protocol import Exchange

GRACE_SECONDS = 30.0  # in-flight requests may end after SIGTERM
MAX_BODY_MIB = 512
OFF = ("0", "false", "off", "no")


def main(argv: Sequence[str]) -> int:
    """Serve until SIGTERM. Exit code 1, with the traceback and the reason on stderr, where the model does not load."""
    options = parser().parse_args(argv)
    bound = sockets(options)
    gc.disable()  # while the model's library is imported, which makes no garbage
    try:
        predict, loaded = prediction(options)
    except Exception as error:  # noqa: BLE001 - unpickling runs the user's code and raises anything
        traceback.print_exc()
        source = os.environ.get("AIP_STORAGE_URI", options.model_dir)
        sys.stderr.write(f"The model in {source} could not be loaded. {error}\n")
        return 1
    sys.stdout.write(f"Loaded {loaded}\n")
    sys.stdout.flush()
    gc.freeze()  # it stays: collections while requests are answered leave it out
    gc.enable()
    run(predict, bound, options)
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(prog="model_server")
    result.add_argument("--model-dir", required=True, help="folder with the model file")
    result.add_argument("--uds", help="unix socket to listen on")
    result.add_argument("--port", type=int, help="TCP port on 127.0.0.1; 0 takes AIP_HTTP_PORT")
    result.add_argument("--max-body-mib", type=int, default=MAX_BODY_MIB, help="larger request bodies are refused")
    return result


def prediction(options: argparse.Namespace) -> tuple[Callable[[Any], Callable[[Exchange], None]], str]:
    """What answers the predict route, once there is a loop, and what was loaded, in words."""
    if "HANDLER_MODULE" in os.environ or "PREDICTOR_MODULE" in os.environ:
        from .routines import Routine

        routine = Routine.load(options.model_dir, os.environ)
        return routine.on, routine.kind
    from .app import Prediction
    from .batching import Predictor
    from .models import load

    model = load(options.model_dir)
    join = os.environ.get("GCPMLOPS_MICRO_BATCHING", "").lower() not in OFF
    return lambda loop: Prediction(Predictor(model, loop, join=join)), f"{model.file_name}: {model.kind}"


def sockets(options: argparse.Namespace) -> list[socket.socket]:
    """Bound sockets, not listening yet: the unix one readable by this user only, because its folder is."""
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


def run(
    predict: Callable[[Any], Callable[[Exchange], None]], bound: list[socket.socket], options: argparse.Namespace
) -> None:
    """Answer on the bound sockets until SIGTERM or SIGINT."""
    loop = new_loop()
    asyncio.set_event_loop(loop)
    app = Routes(
        predict(loop),
        health_route=os.environ.get("AIP_HEALTH_ROUTE", "/health"),
        predict_route=os.environ.get("AIP_PREDICT_ROUTE", "/predict"),
    )
    server = Server(app, max_body=options.max_body_mib * 2**20, grace=GRACE_SECONDS)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    drained = loop.run_until_complete(server.run(bound))
    if not drained:
        sys.stdout.flush()
        os._exit(0)  # a thread that still predicts would hold the process up


def new_loop() -> asyncio.AbstractEventLoop:
    """Uvloop's where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
