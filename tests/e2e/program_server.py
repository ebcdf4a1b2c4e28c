"""The other end of scripts/program_server.py: commands without the start-up of their programs, for the many."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

_SCRIPT = Path(__file__).parent / "scripts" / "program_server.py"
_MODULES = "google.cloud.aiplatform google.cloud.bigquery google.cloud.storage pandas pyarrow pytest"
_FORKED = """#!{python} -IS
import json, os, socket, sys
request = {{"program": "gcloud", "arguments": sys.argv[1:], "cwd": os.getcwd(), "environment": dict(os.environ)}}
with socket.socket(socket.AF_UNIX) as conn:
    conn.connect("{address}")
    socket.send_fds(conn, [json.dumps(request).encode()], [1, 2])
    conn.sendall(b"\\n")
    sys.exit(int(conn.recv(16)))
"""
Finished = subprocess.CompletedProcess[str]


class ProgramServer:
    """A program that is loaded already; ends with `close`."""

    def __init__(self, command: list[str], **environment: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="program-"))
        self.address = str(self._folder / "s")
        environment = {**os.environ, **environment, "PROGRAM_SERVER_SOCKET": self.address}
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        ready, _, self.python = self._process.stdout.readline().strip().partition(" ")
        assert ready == "ready"

    def run(self, program: str, arguments: list[str], **request: Any) -> Finished:
        """A finished command with its output as text. `cwd`, `environment`; `tools`: servers of what it starts."""
        request = {"program": program, "arguments": arguments, **request}
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            with socket.socket(socket.AF_UNIX) as conn:
                conn.settimeout(180)
                conn.connect(self.address)
                socket.send_fds(conn, [json.dumps(request).encode()], [output.fileno(), errors.fileno()])
                conn.sendall(b"\n")
                code = int(conn.recv(16))
            texts: list[Any] = []
            for stream in (output, errors):
                stream.seek(0)
                texts.append(stream.read().decode())
        return subprocess.CompletedProcess([program, *arguments], code, *texts)

    def close(self) -> None:
        """It ends with its standard input: with the tests' process, too, whatever ended that."""
        self._process.communicate(timeout=20)
        shutil.rmtree(self._folder)


class Programs:
    """Each is loaded when first asked for: gcloud, the second halves of bq and gsutil, the SDK."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)

    @cached_property
    def _gcloud(self) -> ProgramServer:
        code = f'exec(compile(open("{_SCRIPT}").read(),"program_server","exec"))'
        return ProgramServer(["gcloud"], CLOUDSDK_PYTHON_ARGS=f"-S -c {code}")

    @cached_property
    def _bq(self) -> ProgramServer:
        return ProgramServer([self._gcloud.python, "-S", str(_SCRIPT), self._bq_path])

    @cached_property
    def _gsutil(self) -> ProgramServer:
        """It reads its configuration while it is loaded, so that it has to have the commands' environment then."""
        commands = (Path(self._gsutil_path).parent / "gslib" / "commands").glob("[a-z]*.py")
        modules = " ".join(["gslib.command_runner", *(f"gslib.commands.{path.stem}" for path in commands)])
        line = [self._gcloud.python, "-S", str(_SCRIPT), self._gsutil_path]
        return ProgramServer(line, **self._environment, PROGRAM_SERVER_MODULES=modules)

    @cached_property
    def _platform(self) -> Path:
        found = shutil.which("gcloud")
        assert found
        return Path(found).resolve().parents[1] / "platform"

    @property
    def _bq_path(self) -> str:
        return str(self._platform / "bq" / "bq.py")

    @property
    def _gsutil_path(self) -> str:
        return str(self._platform / "gsutil" / "gsutil")

    @cached_property
    def _sdk(self) -> ProgramServer:
        return ProgramServer([sys.executable, str(_SCRIPT)], **self._environment, PROGRAM_SERVER_MODULES=_MODULES)

    def tool(self, name: str, arguments: list[str], *, cwd: Path) -> Finished:
        """A command of gcloud, bq or gsutil."""
        request: dict[str, Any] = {"cwd": str(cwd), "environment": self._environment}
        if name == "bq":
            given = self._environment | {"PATH": self.path}
            request |= {"environment": given, "tools": {self._bq_path: self._bq.address}}
        elif name == "gsutil":
            request["tools"] = {self._gsutil_path: self._gsutil.address}
        return self._gcloud.run(name, arguments, **request)

    @property
    def path(self) -> str:
        """PATH with a gcloud that is loaded already."""
        return f"{self._folder}{os.pathsep}{self._environment['PATH']}"

    @cached_property
    def _folder(self) -> str:
        """With a gcloud for bq, which asks it three times for each of its own commands."""
        folder = Path(self._gcloud.address).parent
        (folder / "gcloud").write_text(_FORKED.format(python=self._gcloud.python, address=self._gcloud.address))
        (folder / "gcloud").chmod(0o700)
        return str(folder)

    def script(self, path: Path, arguments: list[str], *, cwd: Path) -> Finished:
        """A Python program that uses the SDK."""
        return self._sdk.run(str(path), arguments, cwd=str(cwd), environment=self._environment)

    def close(self) -> None:
        for server in list(vars(self).values()):
            if isinstance(server, ProgramServer):
                server.close()
