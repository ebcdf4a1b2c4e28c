"""``python -m gcpmlops.emulator``: one emulator in this process. ``gcpmlops emulator start`` is its friendly form."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from gcpmlops.emulator import app
from gcpmlops.emulator.server import Running, StartError
from gcpmlops.emulator.settings import Settings, local_images, smtp_address


def arguments() -> argparse.ArgumentParser:
    """The options; ``gcpmlops emulator start`` passes its own on."""
    parser = argparse.ArgumentParser(prog="python -m gcpmlops.emulator", description=__doc__)
    defaults = Settings(Path())
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--host", default=defaults.host)
    parser.add_argument("--port", type=int, default=defaults.port)
    parser.add_argument("--project", default=defaults.project)
    parser.add_argument("--location", default=defaults.location)
    parser.add_argument("--max-jobs", type=int, default=defaults.max_jobs)
    parser.add_argument("--max-body-bytes", type=int, default=defaults.max_body_bytes)
    parser.add_argument("--offline", action="store_true")
    parser.add_argument("--ephemeral", action="store_true", help="remove the data directory at the end")
    parser.add_argument("--image", action="append", default=[], metavar="URI=COMMAND", help="command for an image")
    parser.add_argument("--smtp", default="", metavar="HOST:PORT", help="server for mail")
    parser.add_argument("--enforce-iam", action="store_true", help="refuse what the caller's roles don't give")
    parser.add_argument("--no-enable-all", action="store_true", help="APIs have to be enabled before they are used")
    parser.add_argument("--ready-fd", type=int, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--tie-fd", type=int, default=None, help=argparse.SUPPRESS)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Runs until SIGTERM or SIGINT; the exit code is 1 when it can't start."""
    options = arguments().parse_args(argv)
    # the search models' many small matrices: threads would only wait for each other, and for the trials
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # until the loop runs: tidily, too
    for number in (signal.SIGTERM, signal.SIGHUP):  # until the loop takes over: what was made so far goes
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    if options.tie_fd is not None:
        threading.Thread(target=_end_with_starter, args=(options.tie_fd,), name="tie", daemon=True).start()
    try:
        images, smtp = local_images(Path.cwd(), options.image), smtp_address(options.smtp)
    except ValueError as error:  # of gcpmlops.toml, or of an option that is not as it should be
        return _refuse(options.ready_fd, str(error))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for every call of a schedule or a subscription
    settings = Settings(
        data_dir=(options.data_dir or app.data_directory(options.project)).expanduser().resolve(),
        host=options.host,
        port=options.port,
        project=options.project,
        location=options.location,
        max_jobs=options.max_jobs,
        offline=options.offline,
        ephemeral=options.ephemeral,
        max_body_bytes=options.max_body_bytes,
        images=images,
        smtp=smtp,
        enforce_iam=options.enforce_iam,
        enable_all=not options.no_enable_all,
    )
    try:
        app.run(settings, on_ready=lambda state: _ready(options.ready_fd, state))
    except StartError as error:
        return _refuse(options.ready_fd, str(error))
    return 0


def _refuse(ready_fd: int | None, text: str) -> int:
    _tell(ready_fd, f"error {text}")
    print(f"gcpmlops emulator: {text}", file=sys.stderr)  # noqa: T201 - the one line that the user reads
    return 1


def _end_with_starter(tie_fd: int) -> None:
    """The starter holds the other end of this pipe: at its end, whatever its cause, this emulator ends too."""
    os.set_inheritable(tie_fd, False)
    while os.read(tie_fd, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _ready(ready_fd: int | None, state: Running) -> None:
    if ready_fd is None:
        print(f"Local Google Cloud for {state.project} at {state.endpoint} (Ctrl-C ends it)", file=sys.stderr)  # noqa: T201
    _tell(ready_fd, "ready")


def _tell(ready_fd: int | None, text: str) -> None:
    if ready_fd is not None:
        os.write(ready_fd, f"{text}\n".encode())
        os.close(ready_fd)


if __name__ == "__main__":
    sys.exit(main())
