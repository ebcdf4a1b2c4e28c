"""``python -m gcpmlops.emulator.prepare IMAGE...``: makes environments of images before a job needs them."""

from __future__ import annotations

import logging
import signal
import sys
import tempfile
from pathlib import Path

from google.api_core import exceptions

from gcpmlops.emulator.runtimes import images
from gcpmlops.emulator.runtimes.environment import Environments
from gcpmlops.emulator.runtimes.process import Processes


def prepare(uris: list[str]) -> None:
    """Makes what is missing; those that are complete cost nothing.

    Raises: InvalidArgument for an image that can't run here, FailedPrecondition where the installation fails.
    """
    with tempfile.TemporaryDirectory(prefix="gcpmlops-prepare-") as scratch:
        processes = Processes(Path(scratch))
        try:
            environments = Environments(processes)
            for uri in uris:
                _make(environments, uri)
        finally:
            processes.close()


def _make(environments: Environments, uri: str) -> None:
    try:
        image = images.parse(uri)
    except LookupError as error:
        raise exceptions.InvalidArgument(str(error)) from error
    if image is None:
        raise exceptions.InvalidArgument(f"{uri}: only the prebuilt Vertex AI images and python:3.N have environments.")
    if image.serving:
        from gcpmlops.emulator.runtimes.servers import pythons

        pythons(environments)(uri)
    else:
        environments.ensure(image)


def main(argv: list[str]) -> int:
    """The exit code is 1 where an environment can't be made."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # tidily, as with Ctrl-C
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        prepare(argv)
    except exceptions.GoogleAPICallError as error:
        print(error.message, file=sys.stderr)  # noqa: T201 - the one line that the user reads
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
