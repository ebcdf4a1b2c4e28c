"""Python packages that a build has made, uploaded to Artifact Registry as twine does it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from google.api_core import exceptions
from google.cloud.devtools.cloudbuild_v1 import types

from gcpmlops.emulator.services.cloud_build.artifacts import hashes, matching
from gcpmlops.emulator.services.outbound import Outbound, UnreachableError

_TIMEOUT_S = 120.0


class Packages:
    """Uploads distributions of a workspace as a service account."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound

    def upload(
        self, build: types.Build, work: Path, *, account: str, say: Callable[[str], None], now: Callable[[], Any]
    ) -> list[types.UploadedPythonPackage]:
        """Every file that `artifacts.python_packages` names.

        Raises: FailedPrecondition for a path that matches nothing or a repository that refuses a file.
        """
        uploaded = []
        for package in build.artifacts.python_packages:
            for file in [file for path in package.paths for file in matching(work, path)]:
                uri = f"{package.repository.rstrip('/')}/"
                say(f"Uploading {file.name} to {uri}")
                span = types.TimeSpan(start_time=now())
                self._post(uri, file, account)
                span.end_time = now()
                uploaded.append(
                    types.UploadedPythonPackage(uri=f"{uri}{file.name}", file_hashes=hashes(file), push_timing=span)
                )
        return uploaded

    def _post(self, uri: str, file: Path, account: str) -> None:
        content = file.read_bytes()
        boundary = secrets.token_hex(16)
        name, version = _described(file.name)
        fields = {
            ":action": "file_upload",
            "protocol_version": "1",
            "metadata_version": "2.1",
            "name": name,
            "version": version,
            "filetype": "bdist_wheel" if file.suffix == ".whl" else "sdist",
            "sha256_digest": hashlib.sha256(content).hexdigest(),
        }
        headers = {**self._outbound.oauth(account), "Content-Type": f"multipart/form-data; boundary={boundary}"}
        try:
            answer = self._outbound.send(
                "POST", uri, headers=headers, body=_form(boundary, fields, file.name, content), timeout=_TIMEOUT_S
            )
        except UnreachableError as error:
            raise exceptions.FailedPrecondition(f"{uri}: {error}") from None
        if answer.status >= 300:
            reason = answer.body.decode("utf-8", "replace").strip()[:500]
            raise exceptions.FailedPrecondition(f"{uri} refused {file.name} with {answer.status}: {reason}")


def _described(filename: str) -> tuple[str, str]:
    from packaging import utils

    try:
        if filename.endswith(".whl"):
            name, version, _, _ = utils.parse_wheel_filename(filename)
        else:
            name, version = utils.parse_sdist_filename(filename)
    except (utils.InvalidWheelFilename, utils.InvalidSdistFilename) as error:
        raise exceptions.FailedPrecondition(f"artifacts.pythonPackages: {error}") from None
    return str(name), str(version)


def _form(boundary: str, fields: dict[str, str], filename: str, content: bytes) -> bytes:
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="content"; filename="{filename}"\r\n'
    kind = "Content-Type: application/octet-stream\r\n\r\n"
    return b"".join([*parts, f"{head}{kind}".encode(), content, f"\r\n--{boundary}--\r\n".encode()])
