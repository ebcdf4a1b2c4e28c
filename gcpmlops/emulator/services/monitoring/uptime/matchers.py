"""What an answer's content is compared with."""

from __future__ import annotations

import json
import re
from typing import Any

from google.cloud import monitoring_v3

from gcpmlops.emulator.kernel import validate

Option = monitoring_v3.UptimeCheckConfig.ContentMatcher.ContentMatcherOption
_MOST = 1024  # characters to look for
_BYTES = 4 << 20  # of the answer that are looked at
_NEGATIVE = (Option.NOT_CONTAINS_STRING, Option.NOT_MATCHES_REGEX, Option.NOT_MATCHES_JSON_PATH)
_PATHS = (Option.MATCHES_JSON_PATH, Option.NOT_MATCHES_JSON_PATH)
_PATTERNS = (Option.MATCHES_REGEX, Option.NOT_MATCHES_REGEX)
_STEP = re.compile(r"\.(?P<name>[A-Za-z_][\w-]*)|\[(?P<index>\d+)\]|\['(?P<quoted>[^']*)'\]")
_REGEX = 2  # JsonPathMatcherOption.REGEX_MATCH


def check(matcher: Any, field: str) -> None:
    """A `ContentMatcher` (protobuf). Raises InvalidArgument."""
    if not 1 <= len(matcher.content) <= _MOST:
        raise validate.invalid(f"{field}.content", f"1 to {_MOST} characters are required.")
    is_pattern = matcher.matcher in _PATTERNS or matcher.json_path_matcher.json_matcher == _REGEX
    if is_pattern:
        try:
            re.compile(matcher.content)
        except re.error as error:
            raise validate.invalid(f"{field}.content", f"it is no regular expression: {error}.") from None
    if matcher.matcher in _PATHS:
        _steps(matcher.json_path_matcher.json_path, f"{field}.json_path_matcher.json_path")


def matches(matcher: Any, body: bytes) -> bool:
    """Whether an answer is as the matcher wants it."""
    text = body[:_BYTES].decode("utf-8", "replace")
    if matcher.matcher in _PATHS:
        found = _in_json(matcher, text)
    elif matcher.matcher in _PATTERNS:
        found = re.search(matcher.content, text) is not None
    else:
        found = matcher.content in text
    return found != (matcher.matcher in _NEGATIVE)


def _in_json(matcher: Any, text: str) -> bool:
    """Whether the value at the path is as wanted; false where there is none."""
    try:
        value = json.loads(text)
        for step in _steps(matcher.json_path_matcher.json_path, "json_path"):
            value = value[step]
    except (ValueError, LookupError, TypeError):
        return False
    shown = value if isinstance(value, str) else json.dumps(value)
    if matcher.json_path_matcher.json_matcher == _REGEX:
        return re.search(matcher.content, shown) is not None
    return bool(shown == matcher.content or json.dumps(value) == matcher.content)


def _steps(path: str, field: str) -> list[str | int]:
    """Of `$.name[0]['other name']`. Raises InvalidArgument for another form."""
    found: list[str | int] = []
    at = 1
    while path.startswith("$") and at < len(path) and (match := _STEP.match(path, at)):
        found.append(int(match["index"]) if match["index"] else match["name"] or match["quoted"] or "")
        at = match.end()
    if not path.startswith("$") or at < len(path):
        raise validate.invalid(field, f"{path!r}: expected a path like $.name[0]['other name'].")
    return found
