"""Notifications as mail: through an SMTP server, or into a folder of .eml files."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Mapping
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from html import escape
from pathlib import Path
from typing import Any

from gcpmlops.emulator.kernel.clock import Clock

_SENDER = "Google Cloud Alerting <alerting-noreply@google.com>"
_UNFOLDED = policy.default.clone(max_line_length=998)  # the longest line that mail may have
_TIMEOUT_S = 15.0
_STATES = {"open": "ALERT", "closed": "RESOLVED"}
_LONGEST = 255  # characters of a subject


class Mail:
    """Sends mail.

    Args:
        smtp: `host:port` of a server; empty: mail becomes files.
        outbox: where.
        clock: dates it.
    """

    def __init__(self, smtp: str, outbox: Path, clock: Clock) -> None:
        self._smtp = smtp
        self._outbox = outbox
        self._clock = clock

    def send(self, to: str, subject: str, text: str, html: str = "") -> None:
        """Raises OSError (of which SMTP's errors are) where it could not be sent."""
        message = EmailMessage(_UNFOLDED)
        message["From"], message["To"] = _SENDER, to
        message["Subject"] = " ".join(subject.split())[:_LONGEST]
        message["Date"] = format_datetime(self._clock.now())
        message["Message-ID"] = make_msgid(domain="alerting.google.com")
        message.set_content(text)
        if html:
            message.add_alternative(html, subtype="html")
        if self._smtp:
            host, _, port = self._smtp.rpartition(":")
            with smtplib.SMTP(host, int(port), timeout=_TIMEOUT_S) as server:
                server.send_message(message)
        else:
            self._keep(message)

    def _keep(self, message: EmailMessage) -> None:
        self._outbox.mkdir(mode=0o700, parents=True, exist_ok=True)
        unique = re.sub(r"\W", "", message["Message-ID"].split("@")[0])
        name = f"{self._clock.now():%Y%m%dT%H%M%S}-{unique}.eml"
        hidden = self._outbox / f".{name}"
        hidden.write_bytes(message.as_bytes())
        hidden.rename(self._outbox / name)


def composed(payload: Mapping[str, Any]) -> tuple[str, str, str]:
    """Subject, text and HTML of a notification."""
    incident = payload["incident"]
    documentation = incident.get("documentation", {})
    return _subject(incident, documentation), _text(incident, documentation), _html(incident, documentation)


def _subject(incident: Mapping[str, Any], documentation: Mapping[str, Any]) -> str:
    about = documentation.get("subject") or (
        f"{incident['condition_name'] or incident['policy_name']} on {incident['resource_name']}"
    )
    return f"[{_STATES[incident['state']]} - {incident['severity']}] {about}"


def _rows(incident: Mapping[str, Any]) -> list[tuple[str, str]]:
    labels = {**incident["resource"]["labels"], **incident["metric"]["labels"]}
    rows = [
        ("State", incident["state"]),
        ("Severity", incident["severity"]),
        ("Project", incident["scoping_project_id"]),
        ("Policy", incident["policy_name"]),
        ("Condition", incident["condition_name"]),
        ("Metric", incident["metric"]["type"]),
        ("Threshold", incident["threshold_value"]),
        ("Observed", incident["observed_value"]),
        ("Start time", _moment(incident["started_at"])),
        ("End time", _moment(incident["ended_at"])),
        *sorted(labels.items()),
    ]
    return [(name, value) for name, value in rows if value]


def _text(incident: Mapping[str, Any], documentation: Mapping[str, Any]) -> str:
    lines = [incident["summary"], "", *(f"{name}: {value}" for name, value in _rows(incident))]
    if documentation.get("content"):
        lines += ["", "Policy documentation", "", documentation["content"]]
    lines += ["", *(f"{link['displayName']}: {link['url']}" for link in documentation.get("links", []))]
    return "\n".join([*lines, f"View incident: {incident['url']}", ""])


def _html(incident: Mapping[str, Any], documentation: Mapping[str, Any]) -> str:
    links = [*documentation.get("links", []), {"displayName": "View incident", "url": incident["url"]}]
    cells = "".join(
        f"<tr><th align=left>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in _rows(incident)
    )
    return (
        f"<p>{escape(incident['summary'])}</p><table>{cells}</table>"
        + (
            f"<h3>Policy documentation</h3>{_markdown(documentation['content'])}"
            if documentation.get("content")
            else ""
        )
        + "".join(f'<p><a href="{escape(link["url"])}">{escape(link["displayName"])}</a></p>' for link in links)
    )


def _markdown(text: str) -> str:
    from markdown_it import MarkdownIt

    rendered: str = MarkdownIt("commonmark", {"html": False}).render(text)
    return rendered


def _moment(seconds: int | None) -> str:
    return "" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
