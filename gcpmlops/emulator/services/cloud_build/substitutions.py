"""`$PROJECT_ID` and `${_MINE}` in a build, replaced; what is undefined or unused is refused as the cloud does it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from google.api_core import exceptions
from google.cloud.devtools.cloudbuild_v1 import types

from gcpmlops.emulator.services.cloud_build.expansion import expand

OF_EVERY_BUILD = ("PROJECT_ID", "PROJECT_NUMBER", "BUILD_ID", "LOCATION")
# Those that come from a trigger; who submits a build may give them as well.
OVERRIDABLE = (
    "TRIGGER_NAME", "COMMIT_SHA", "REVISION_ID", "SHORT_SHA", "REPO_NAME", "REPO_FULL_NAME", "BRANCH_NAME", "TAG_NAME",
    "REF_NAME", "TRIGGER_BUILD_CONFIG_PATH", "SERVICE_ACCOUNT_EMAIL", "SERVICE_ACCOUNT",
)  # fmt: skip
_OWN_KEY = re.compile(r"_[A-Z0-9_]+")
_START = re.compile(r"\$(?:(\$)|([A-Z_][A-Z0-9_]*)|\{([A-Z_][A-Z0-9_]*))")
_MOST, _LONGEST_KEY, _LONGEST_VALUE = 200, 100, 4000
_MUST_MATCH = types.BuildOptions.SubstitutionOption.MUST_MATCH


def check_keys(given: Mapping[str, str]) -> None:
    """Raises: InvalidArgument for a key that users may not define, or too many or too long ones."""
    for key, value in given.items():
        if not _OWN_KEY.fullmatch(key) and key not in OVERRIDABLE:
            raise exceptions.InvalidArgument(
                f'invalid build: invalid .substitutions field: substitution key "{key}" does not respect format '
                '"^_[A-Z0-9_]+$" and is not an overridable built-in substitutions'
            )
        if len(key) > _LONGEST_KEY or len(value) > _LONGEST_VALUE:
            raise exceptions.InvalidArgument(
                f'invalid build: invalid .substitutions field: "{key}" is too long: a key may have {_LONGEST_KEY} '
                f"characters, a value {_LONGEST_VALUE}."
            )
    if len(given) > _MOST:
        raise exceptions.InvalidArgument(f"invalid build: {len(given)} substitutions, {_MOST} are allowed.")


class Substitutions:
    """The values of one build.

    Args:
        built_in: of this build.
        given: the user's own.
        options: the build's: loose, dynamic.
        loose: whether what does not match is let through whatever the options say, as with a trigger.
    """

    def __init__(
        self, built_in: Mapping[str, str], given: Mapping[str, str], options: types.BuildOptions, *, loose: bool = False
    ) -> None:
        self._values = {**dict.fromkeys(OVERRIDABLE, ""), **built_in, **given}
        self._given = set(given)
        self._dynamic = options.dynamic_substitutions or loose
        self._loose = loose or options.substitution_option != _MUST_MATCH
        self._used: set[str] = set()
        self._wrong: dict[str, None] = {}  # what is wrong, in the order in which it was found
        if self._dynamic:
            self._resolve(given)

    @property
    def values(self) -> Mapping[str, str]:
        """By key, those that refer to others resolved."""
        return dict(self._values)

    def of(self, text: str) -> str:
        """`text` with every substitution made; what has no value is empty, and remembered for `check`."""
        pieces, place = [], 0
        while found := _START.search(text, place):
            pieces.append(text[place : found.start()])
            piece, place = self._replaced(text, found)
            pieces.append(piece)
        return "".join([*pieces, text[place:]])

    def all(self, texts: Iterable[str]) -> list[str]:
        """Each of them."""
        return [self.of(text) for text in texts]

    def check(self, *, automapped: bool) -> None:
        """Raises: InvalidArgument naming what was undefined, and what was given and never used."""
        if not self._loose and not automapped:
            for key in sorted(self._given - self._used - set(OVERRIDABLE)):
                self._wrong[f'key "{key}" in the substitution data is not matched in the template'] = None
        if self._wrong:
            raise exceptions.InvalidArgument(
                f"generic::invalid_argument: invalid value for 'build.substitutions': {';'.join(self._wrong)}"
            )

    def _replaced(self, text: str, found: re.Match[str]) -> tuple[str, int]:
        """What stands in place of a reference, and where the text goes on."""
        if found[1]:
            return "$", found.end()
        if found[2]:
            return self._value(found[2]), found.end()
        close = _closing(text, found.end())
        operation = text[found.end() : close]
        if close == len(text) or (operation and not self._dynamic):
            return found[0], found.end()  # no substitution of ours: a shell's own expansion, say
        value = self._value(found[3], may_be_unset=operation.startswith((":-", ":+")))
        try:
            return expand(value, operation, self.of), close + 1
        except ValueError:
            self._wrong[f'"{text[found.start() : close + 1]}" is not a parameter expansion that is known'] = None
            return "", close + 1

    def _value(self, key: str, *, may_be_unset: bool = False) -> str:
        self._used.add(key)
        if key in self._values:
            return self._values[key]
        if not key.startswith("_"):
            self._wrong[f'key in the template "{key}" is not a valid built-in substitution'] = None
        elif not self._loose and not may_be_unset:
            self._wrong[f'key in the template "{key}" is not matched in the substitution data'] = None
        return ""

    def _resolve(self, given: Mapping[str, str]) -> None:
        """Values that refer to others, each once, after those; a circle is wrong."""
        settled: set[str] = set()

        def settle(key: str, within: tuple[str, ...]) -> None:
            if key in within:
                circle = " -> ".join((*within[within.index(key) :], key))
                self._wrong[f"cycle in evaluating substitutions: {circle}"] = None
            elif key in given and key not in settled:
                for other in sorted(_keys(given[key])):
                    settle(other, (*within, key))
                settled.add(key)
                self._values[key] = self.of(given[key])

        for key in given:
            settle(key, ())


def _keys(text: str) -> set[str]:
    return {found[2] or found[3] for found in _START.finditer(text) if not found[1]}


def _closing(text: str, start: int) -> int:
    """Where the brace that was opened before `start` is closed; the text's length where it is not."""
    depth, place = 1, start
    while place < len(text):
        if text[place] == "\\":
            place += 1
        elif text[place] == "{":
            depth += 1
        elif text[place] == "}":
            depth -= 1
            if not depth:
                return place
        place += 1
    return len(text)


def substitute(build: types.Build, values: Substitutions) -> None:
    """Makes the substitutions in a build, in place. Scripts are left alone: they get variables instead."""
    for step in build.steps:
        for field in ("name", "dir_", "id", "entrypoint"):
            setattr(step, field, values.of(getattr(step, field)))
        for field in ("args", "env", "wait_for"):
            setattr(step, field, values.all(getattr(step, field)))
        for volume in step.volumes:
            volume.path = values.of(volume.path)
    build.images = values.all(build.images)
    build.tags = list(dict.fromkeys(filter(None, values.all(build.tags))))  # a substitution may be empty
    build.logs_bucket = values.of(build.logs_bucket)
    build.service_account = values.of(build.service_account)
    build.options.env = values.all(build.options.env)
    for secret in build.available_secrets.secret_manager:
        secret.version_name = values.of(secret.version_name)
    _strings(types.Artifacts.pb(build.artifacts), values)


def _strings(message: Any, values: Substitutions) -> None:
    """Every string of a message and of those below it."""
    for field, value in message.ListFields():
        if field.type == field.TYPE_STRING:
            if field.is_repeated:
                value[:] = values.all(value)
            else:
                setattr(message, field.name, values.of(value))
        elif field.type == field.TYPE_MESSAGE:
            for part in value if field.is_repeated else [value]:
                _strings(part, values)
