"""Steps as they happen, with a spinner and colours on a terminal; and what each one did, for the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text


@dataclass
class Step:
    """One step: what it is, the official API behind it, what came of it, and how long it took."""

    title: str
    api: str
    resource: str = ""
    note: str = ""
    seconds: float = 0.0
    training_seconds: float = 0.0
    """Of them the user's own training code."""


class Story:
    """Tells on the console what is going on."""

    def __init__(self, console: Console | None = None) -> None:
        # a file or a pipe has no width: nothing is folded there
        self.console = console or Console(highlight=False, width=None if sys.stdout.isatty() else 200)
        self.steps: list[Step] = []
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began

    @contextmanager
    def step(self, title: str, *, api: str = "", resource: str = "") -> Iterator[Step]:
        """A step; the block says what came of it in `.resource` and `.note`."""
        step = Step(title, api, resource)
        began = time.monotonic()
        try:
            with self._running(title):
                yield step
        except BaseException:
            self._line("✗", "red", f"{title} failed")
            raise
        finally:
            step.seconds = time.monotonic() - began
        self.steps.append(step)
        self._line("✓", "green", title, step.note, f"{step.seconds:.1f} s")

    def detail(self, text: str) -> None:
        """A line of what the step itself has to say: a job's log."""
        self.console.print(Text(f"    │ {text}", style="dim"))

    def _line(self, mark: str, style: str, title: str, *rest: str) -> None:
        text = Text.assemble((mark, style), " ", title)
        for part in filter(None, rest):
            text.append(f"  {part}", style="dim")
        self.console.print(text)

    @contextmanager
    def _running(self, title: str) -> Iterator[None]:
        if not self.console.is_terminal:
            self.console.print(f"… {title}")
            yield
            return
        with self.console.status(f"{title} …"):
            yield
