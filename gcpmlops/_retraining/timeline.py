"""Everything that happened in a retraining, in the order of time."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

SEVERITIES = {
    "FAILED": "ERROR", "LOOK_FAILED": "ERROR", "DATA_ALERT": "ERROR",
    "ROLLED_BACK": "WARNING", "GATES_FAILED": "WARNING", "RESUMED": "WARNING", "REFUSED": "NOTICE",
}  # fmt: skip
_GOOD, _BAD, _WAIT, _PLAIN = "#137333", "#b3261e", "#8a5a00", "#3c4043"
_COLORS = {
    "PROMOTED": _GOOD, "GATES_PASSED": _GOOD, "CASE_APPROVED": _GOOD,
    "INCIDENT_CLOSED": _GOOD, "FAILED": _BAD, "LOOK_FAILED": _BAD, "DATA_ALERT": _BAD, "ROLLED_BACK": _BAD,
    "GATES_FAILED": _BAD, "INCIDENT_OPENED": _BAD, "PAUSED": _WAIT, "RESUMED": _WAIT,
    "REFUSED": _WAIT, "CASE_OPENED": _WAIT, "CASE_SNOOZED": _WAIT, "CASE_DECLINED": _WAIT,
}  # fmt: skip

_DOT = "position:absolute;left:-6px;top:.55em;width:10px;height:10px;border-radius:5px;"
_TIME = "flex:none;width:5.4rem;color:#5f6368;font-variant-numeric:tabular-nums"
_TRACK = "position:relative;border-left:2px solid #dadce0;padding:.15rem 0 .15rem 1rem"


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    Attributes:
        kind: SET_UP, PAUSED, UNPAUSED, DELETED; TRIGGERED, REFUSED, DATA_ALERT, LOOK_FAILED, CASE_OPENED,
            CASE_APPROVED, CASE_DECLINED, CASE_SNOOZED; of a run DATA, TRAINING, TRAINED, REGISTERED, EVALUATED,
            GATES_PASSED, GATES_FAILED, CANARY, PROMOTED, ROLLED_BACK, WAITING, RESUMED, FAILED, ENDED; of incidents
            INCIDENT_OPENED, INCIDENT_CLOSED.
        run: the run's id; empty for what belongs to none.
        who: the caller.
        facts: figures and names, as JSON has them.
    """

    at: datetime
    kind: str
    text: str
    run: str = ""
    who: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def severity(self) -> str:
        """Of its log entry."""
        return SEVERITIES.get(self.kind, "INFO")

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**vars(self), "at": self.at.isoformat(), "facts": dict(self.facts)}

    @classmethod
    def from_json(cls, content: bytes) -> Event:
        """The other way."""
        given = json.loads(content)
        return cls(**{**given, "at": datetime.fromisoformat(given["at"])})

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S}  {self.kind:<15} {self.text}"


class Timeline(list[Event]):
    """Events, the oldest first."""

    def __str__(self) -> str:
        return "\n".join(map(str, self))

    def _repr_html_(self) -> str:
        return "".join(_lines(self))

    def page(self, title: str) -> str:
        """A whole HTML page, without anything from elsewhere."""
        style = (
            "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2.5rem auto;padding:0 1.5rem;color:#202124}"
            "h1{font-size:1.5rem;font-weight:600;margin:0 0 1.5rem}"
        )
        head = f"<meta charset=utf-8><title>{html.escape(title)}</title><style>{style}</style>"
        return f"<!doctype html><html lang=en>{head}<h1>{html.escape(title)}</h1>{self._repr_html_()}</html>"


def _lines(events: Iterable[Event]) -> Iterable[str]:
    """A line of time at the left, a dot an event; a new day and a new run are seen at first sight."""
    day, run = "", ""
    for event in events:
        if (today := f"{event.at:%A, %d %B %Y}") != day:
            day = today
            yield f'<div style="margin:1.4rem 0 .4rem;font-weight:600">{day}</div>'
        if event.run != run:
            run = event.run
            title = f"run {run}, {event.who}" if run else ""
            yield f'<div style="margin:.3rem 0 .2rem 6.2rem;color:#5f6368;font-size:85%">{html.escape(title)}</div>'
        yield _line(event)


def _line(event: Event) -> str:
    color = _COLORS.get(event.kind, _PLAIN)
    dot = f"<span style='{_DOT}background:{color}'></span>"
    who = f" <span style='color:#5f6368'>by {html.escape(event.who)}</span>" if event.who and not event.run else ""
    return (
        f"<div style='display:flex'><span style='{_TIME}'>{event.at:%H:%M:%S}</span><div style='{_TRACK}'>"
        f"{dot}<b style='color:{color};font-weight:600'>{event.kind.replace('_', ' ').lower()}</b> "
        f"{html.escape(event.text)}{who}</div></div>"
    )
