"""Git repositories that triggers name by URL: which commit a branch is at, and the build file in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from typing import Any

from google.api_core import exceptions
from google.cloud.devtools.cloudbuild_v1 import types
from google.protobuf import json_format

_TIMEOUT_S = 120
_URLS = ("https://", "http://", "file://")


@dataclass(frozen=True)
class Commit:
    """A commit, and a file's content in it (None: not asked for)."""

    sha: str
    content: str | None


def fetch(uri: str, revision: str, path: str = "") -> Commit:
    """What a branch, tag or commit of a repository is.

    Raises: InvalidArgument for a URL or revision that is none, FailedPrecondition where git does not answer.
    """
    if not uri.startswith(_URLS) or revision.startswith("-"):
        raise exceptions.InvalidArgument(
            f"repository {uri!r}, revision {revision!r}: expected a URL (https, file) and a ref"
        )
    if shutil.which("git") is None:
        raise exceptions.FailedPrecondition(f"repository {uri}: git is not installed on this machine.")
    with tempfile.TemporaryDirectory(prefix="gcpmlops-git-") as folder:
        _git(folder, uri, "init", "--quiet")
        _git(folder, uri, "fetch", "--quiet", "--depth", "1", "--", uri, revision or "HEAD")
        sha = _git(folder, uri, "rev-parse", "FETCH_HEAD^{commit}").strip()
        content = _git(folder, uri, "show", f"FETCH_HEAD:{path}") if path else None
    return Commit(sha, content)


def _git(folder: str, uri: str, *arguments: str) -> str:
    env = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    command = ["git", "-C", folder, *arguments]
    try:
        done = subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise exceptions.FailedPrecondition(f"repository {uri}: git did not answer within {_TIMEOUT_S} s.") from None
    if done.returncode:
        raise exceptions.FailedPrecondition(f"repository {uri}: {done.stderr.strip() or f'git {arguments[0]} failed'}")
    return done.stdout


def build_of(text: str, path: str) -> types.Build:
    """The build that a file (YAML or JSON) describes. Raises: InvalidArgument."""
    import yaml

    try:
        content: Any = yaml.safe_load(text)
        if not isinstance(content, dict):
            raise ValueError("it is no mapping")
        if "substitutions" in content:
            content["substitutions"] = {key: str(value) for key, value in (content["substitutions"] or {}).items()}
        build: types.Build = types.Build.wrap(json_format.ParseDict(content, types.Build.pb()()))
    except (yaml.YAMLError, json_format.ParseError, ValueError, AttributeError) as error:
        raise exceptions.InvalidArgument(f"build config file {path}: {error}") from None
    return build
