"""What one revision of a function is started from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PORT = "8080"  # what Cloud Run tells a container; here the instance listens on a unix socket
# Google's own framework, on a socket instead of a port. The interpreter's first path is the source folder, as there.
LAUNCHER = """
import sys
from functions_framework import create_app
from functions_framework._http import create_server
target, signature, path = sys.argv[1:]
sys.argv[:] = ["functions-framework"]
create_server(create_app(target, "main.py", signature), False).run("unix", path)
"""


@dataclass(frozen=True)
class FunctionSpec:
    """One revision.

    Attributes:
        service: the Cloud Run service, K_SERVICE.
        target: the entry point in main.py.
        signature: ``http`` or ``cloudevent``.
        timeout: seconds that one request may take.
        concurrency: requests that one instance works on at a time.
        start_seconds: how long an instance may take until it listens.
        account: the service account that it runs as.
    """

    service: str
    revision: str
    python: Path
    source: Path
    target: str
    signature: str = "http"
    env: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 60.0
    concurrency: int = 1
    minimum: int = 0
    maximum: int = 100
    start_seconds: float = 240.0
    account: str = ""

    @property
    def threads(self) -> int:
        """Functions-framework's own default, or what the concurrency needs."""
        return max(4 * (os.cpu_count() or 1), min(self.concurrency, 1000))

    def variables(self) -> dict[str, str]:
        """What Cloud Run and Cloud Functions set, and the user's own."""
        return {
            "PYTHONUNBUFFERED": "TRUE",
            "THREADS": str(self.threads),
            **self.env,
            "PORT": PORT,
            "K_SERVICE": self.service,
            "K_REVISION": self.revision,
            "K_CONFIGURATION": self.service,
            "FUNCTION_TARGET": self.target,
            "FUNCTION_SIGNATURE_TYPE": self.signature,
        }
