"""Code in a folder of its own, and what preflight says of it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials

from gcpmlops import Client
from gcpmlops.training import Problem

Found = Callable[..., list[Problem]]


@pytest.fixture(scope="session")
def nowhere() -> Client:
    """A client that reaches nothing: code and arguments are judged without contacting anybody."""
    return Client(project="p", endpoint="http://127.0.0.1:9", credentials=AnonymousCredentials())


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., Path]:
    """Writes files by their paths; returns the folder that they are in."""

    def write(**contents: str) -> Path:
        for name, text in contents.items():
            path = tmp_path / "code" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / "code"

    return write


@pytest.fixture
def found(nowhere: Client, files: Callable[..., Path]) -> Found:
    """The problems of a script."""

    def judge(code: str, **settings: object) -> list[Problem]:
        return nowhere.training.preflight(files(**{"train.py": code}) / "train.py", **settings)

    return judge
