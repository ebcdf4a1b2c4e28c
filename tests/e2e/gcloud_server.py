"""The other end of scripts/gcloud_server.py: gcloud commands without gcloud's start-up, for the many."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

_SCRIPT = Path(__file__).parent / "scripts" / "gcloud_server.py"


class GcloudServer:
    """A gcloud that is loaded already; ends with `close`."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="gcloud-"))
        self._socket = str(self._folder / "s")
        environment = {
            **os.environ,
            "GCLOUD_SERVER_SOCKET": self._socket,
            "CLOUDSDK_PYTHON_ARGS": f'-S -c exec(compile(open("{_SCRIPT}").read(),"gcloud_server","exec"))',
        }
        self._process = subprocess.Popen(["gcloud"], env=environment, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def run(self, arguments: list[str], *, cwd: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """A finished command with its output as text."""
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            request = {"arguments": arguments, "cwd": str(cwd), "environment": environment}
            with socket.socket(socket.AF_UNIX) as conn:
                conn.settimeout(180)
                conn.connect(self._socket)
                socket.send_fds(conn, [json.dumps(request).encode()], [output.fileno(), errors.fileno()])
                conn.sendall(b"\n")
                code = int(conn.recv(16))
            texts: list[Any] = []
            for stream in (output, errors):
                stream.seek(0)
                texts.append(stream.read().decode())
        return subprocess.CompletedProcess(["gcloud", *arguments], code, *texts)

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX) as conn:
            conn.connect(self._socket)
        self._process.wait(20)
        assert self._process.stdout is not None
        self._process.stdout.close()
        shutil.rmtree(self._folder)
