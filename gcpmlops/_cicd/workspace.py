"""What a delivery's steps leave for one another: .gcpmlops/delivery.json beside the definition."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gcpmlops.exceptions import InvalidArgument

FILE = Path(".gcpmlops") / "delivery.json"
PASSED, FAILED, REFUSED, RUNNING = "PASSED", "FAILED", "REFUSED", "RUNNING"


@dataclass(frozen=True)
class Event:
    """Something that a step said: kind is DATA, TRAINED, EVALUATED, CANARY, ...; OUTPUT is a command's line."""

    step: str
    kind: str
    text: str

    def __str__(self) -> str:
        return self.text if self.kind == "OUTPUT" else f"{self.kind}  {self.text}"


class Workspace:
    """The file, and who is told what happens.

    Attributes:
        folder: gs:// folder of what is too large for the file.
        record: what is in it: id, name, stamp (of definition and code), started, steps, facts.
    """

    def __init__(self, path: Path, *, on_event: Callable[[Event], None]) -> None:
        self._path = path
        self._on_event = on_event
        self.folder = ""
        self.step = ""
        self.record: dict[str, Any] = self._read() or {"steps": {}, "facts": {}}

    def now(self) -> datetime:
        """This machine's time."""
        return datetime.now(UTC)

    def say(self, kind: str, text: str, *, run: str = "", **facts: Any) -> Event:
        """Tells it; facts stay with the step."""
        event = Event(self.step, kind, text)
        if kind != "OUTPUT":
            step = self.record["steps"].setdefault(self.step, {})
            step.setdefault("events", []).append({"kind": kind, "text": text, **facts})
        self._on_event(event)
        return event

    def put(self, what: str, record: Mapping[str, Any]) -> None:
        """A run's record is this file's."""
        self.save()

    def save(self) -> None:
        """Whole or not at all."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        (self._path.parent / ".gitignore").write_text("*\n", "utf-8")  # it is no part of the source
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(self.record, indent=1, default=str) + "\n", "utf-8")
        new.replace(self._path)

    def _read(self) -> dict[str, Any] | None:
        try:
            found = json.loads(self._path.read_text("utf-8"))
        except FileNotFoundError:
            return None
        except ValueError:
            found = None
        if not isinstance(found, dict) or not all(isinstance(found.get(key), dict) for key in ("steps", "facts")):
            raise InvalidArgument(
                f"{self._path} is not what a delivery's steps write", field="workspace", value=str(self._path),
                allowed="the file as it was", next_step=f"Remove it, and begin again: rm {self._path}",
            )  # fmt: skip
        return found
