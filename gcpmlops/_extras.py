"""Packages that only an extra brings, imported when they are needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from gcpmlops.exceptions import MissingExtra


def need(module: str, *, extra: str, purpose: str) -> Any:
    """The imported module. Raises MissingExtra, which says what to install."""
    try:
        return import_module(module)
    except ImportError as exc:
        package = module.partition(".")[0]
        raise MissingExtra(f"{purpose} needs {package}, which is not installed", extra=extra) from exc
