"""``python -m gcpmlops.emulator.check_serving``: does a model server start, answer, predict the samples, and how fast.

Prints one JSON object: ``ok``, ``stage`` (where it stopped: environment, start, health, predict), ``error``,
``log_tail``, ``boot_seconds`` (from the start of the process to health), ``predict_seconds`` (``median`` and ``max`` of
requests with all samples), ``memory_mib`` (resident, after predicting) and ``predictions``. The exit code is 0 where
all is well.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from google.api_core import exceptions

from gcpmlops.emulator.runtimes.environment import Environments
from gcpmlops.emulator.runtimes.process import Processes
from gcpmlops.emulator.runtimes.server import ModelServer, ServerSpec
from gcpmlops.emulator.runtimes.server_spec import NeverReadyError
from gcpmlops.emulator.runtimes.servers import Servers, pythons
from gcpmlops.emulator.settings import local_images
from gcpmlops.emulator.variables import client_variables

SAMPLES = "samples.json"
TAIL_LINES = 20
JSON = {"content-type": "application/json"}


@dataclass
class Report:
    """What is printed."""

    ok: bool = False
    stage: str = "environment"
    error: str = ""
    log_tail: list[str] = field(default_factory=list)
    boot_seconds: float = 0.0
    predict_seconds: dict[str, float] = field(default_factory=dict)
    memory_mib: float = 0.0
    predictions: list[Any] = field(default_factory=list)


def arguments() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m gcpmlops.emulator.check_serving", description=__doc__)
    parser.add_argument("--model-dir", type=Path, required=True, help="folder with the model's files")
    parser.add_argument("--image", required=True, help="serving container image URI")
    parser.add_argument("--samples", type=Path, help=f"a prediction request as JSON; default {SAMPLES} in the folder")
    parser.add_argument("--artifact-uri", default="", help="AIP_STORAGE_URI; default the folder")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="variable of the container")
    parser.add_argument("--command", action="append", default=[], help="one word of the container's command")
    parser.add_argument("--arg", action="append", default=[], help="one argument of the container")
    parser.add_argument(
        "--image-command", action="append", default=[], metavar="URI=COMMAND", help="as --image of start"
    )
    parser.add_argument("--health-route", default="/health")
    parser.add_argument("--predict-route", default="/predict")
    parser.add_argument("--ready-seconds", type=float, default=300.0, help="how long it may take to answer health")
    parser.add_argument("--predict-seconds", type=float, default=60.0, help="how long one prediction may take")
    parser.add_argument("--repeat", type=int, default=5, help="how often the samples are sent")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Checks, and prints the report."""
    options = arguments().parse_args(argv)
    report, lines = Report(), deque[str](maxlen=TAIL_LINES)
    try:
        check(options, report, lines)
        report.ok = True
    except NeverReadyError as error:
        report.stage, report.error = "health", str(error.message)
    except exceptions.GoogleAPICallError as error:
        report.error = str(error.message)
    except (OSError, ValueError) as error:
        report.error = f"{type(error).__name__}: {error}"
    report.log_tail = list(lines)
    print(json.dumps(asdict(report), allow_nan=False))  # noqa: T201 - the program's output
    return 0 if report.ok else 1


def check(options: argparse.Namespace, report: Report, lines: deque[str]) -> None:
    """Fills the report as far as it gets. Raises what went wrong at ``report.stage``."""
    body = samples(options.samples, options.model_dir)
    with servers(local_images(Path.cwd(), options.image_command)) as found:
        spec = spec_of(options)
        found.programs.prepare(spec)
        report.stage = "start"
        begun = time.monotonic()
        server = found.start(spec, lambda _, text: lines.append(text))
        server.wait_ready()
        report.boot_seconds = round(time.monotonic() - begun, 3)
        report.stage = "predict"
        predict(server, body, options, report)
        report.memory_mib = round(server.memory_bytes / 2**20, 1)


@contextmanager
def servers(images: dict[str, str]) -> Iterator[Servers]:
    """Model servers that end with this program."""
    names = client_variables(Path(), port=0, project="", base={})
    env = {name: os.environ[name] for name in names if name in os.environ}
    with tempfile.TemporaryDirectory(prefix="gcpmlops-check-") as scratch:
        processes = Processes(Path(scratch, "processes"))
        try:
            environments = Environments(processes)
            found = Servers(
                Path(scratch), processes, pythons(environments), env, environments=environments, images=images
            )
            try:
                yield found
            finally:
                found.close()
        finally:
            processes.close()


def spec_of(options: argparse.Namespace) -> ServerSpec:
    """What to start."""
    variables = (pair.partition("=") for pair in options.env)
    return ServerSpec(
        name=options.artifact_uri or str(options.model_dir),
        image=options.image,
        model_dir=options.model_dir.resolve(),
        artifact_uri=options.artifact_uri or str(options.model_dir.resolve()),
        health_route=options.health_route,
        predict_route=options.predict_route,
        env={"AIP_MODE": "PREDICTION", **{name: value for name, _, value in variables}},
        command=options.command,
        args=options.arg,
        ready_seconds=options.ready_seconds,
    )


def samples(path: Path | None, model_dir: Path) -> bytes | None:
    """The request to send; None where there are no samples. Raises OSError, ValueError."""
    chosen = path or model_dir / SAMPLES
    if path is None and not chosen.exists():
        return None
    found = json.loads(chosen.read_text("utf-8"))
    return json.dumps({"instances": found} if isinstance(found, list) else found).encode()


def predict(server: ModelServer, body: bytes | None, options: argparse.Namespace, report: Report) -> None:
    """Sends the samples again and again. Raises InvalidArgument, InternalServerError, DeadlineExceeded."""
    if body is None:
        return
    seconds = []
    for _ in range(max(1, options.repeat)):
        begun = time.monotonic()
        reply = server.request("POST", options.predict_route, body, JSON, options.predict_seconds)
        seconds.append(time.monotonic() - begun)
        report.predictions = predictions_of(reply.status, reply.body)
    report.predict_seconds = {"median": round(statistics.median(seconds), 6), "max": round(max(seconds), 6)}


def predictions_of(status: int, body: bytes) -> list[Any]:
    """The predictions in a reply."""
    text = body[:2000].decode(errors="replace")
    if status != 200:
        raise exceptions.from_http_status(status, f"The server answered the samples with {status}: {text}")
    try:
        predictions = json.loads(body)["predictions"]
    except (ValueError, TypeError, KeyError) as error:
        raise exceptions.InternalServerError(f"The server's answer has no predictions in JSON: {text}") from error
    if not isinstance(predictions, list):
        raise exceptions.InternalServerError(f"The server's answer has no list of predictions: {text}")
    return predictions


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # tidily: the server ends too
    sys.exit(main())
