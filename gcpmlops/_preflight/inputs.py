"""gs:// inputs in arguments and variables that are not there: one list call for each."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gcpmlops._jobs.machines import near
from gcpmlops._preflight.problems import Problem
from gcpmlops.exceptions import InvalidArgument, NotFound, PermissionDenied, Unauthenticated, translated
from gcpmlops.types import GsUri

if TYPE_CHECKING:
    from gcpmlops.clients import Clients

_URI = re.compile(r"(?<![\w/])(?:gs://|/gcs/)[^\s,;'\"\[\]]+")
_PROSE = re.compile(r"[\n()]")  # a program or a sentence, which may mention anything
_UNFINISHED = re.compile(r"[{}$%<>]")  # to be filled in by the program
_PATTERN = re.compile(r"[*?]")
_MAX_NAMES = 1000
# words of an option's name: what is written, what may be either, what is read
_OUTPUT = re.compile(
    r"out(?:puts?|dir|file)?|dest(?:ination)?|sink|sav(?:ed?|ing)|write|export(?:s|ed)?|results?|artifacts?|tmp|temp|scratch|"
    r"checkpoint(?:s|ing)?|ckpts?|log(?:s|dir|ging)?|tb|tensorboard|staging|metrics?|reports?|predictions|profiler?|"
    r"summar(?:y|ies)|upload|backup"
)
_EITHER = re.compile(
    r"models?|modeldir|jobs?|jobdir|runs?|work(?:dir|ing)?|cache|history|target|trained|new|root|base|bucket|path|dir|"
    r"directory|folder|prefix|ur[il]|location|storage"
)
_INPUT = re.compile(
    r"in(?:puts?)?|sources?|src|data(?:sets?)?|train(?:ing)?|test(?:ing)?|val(?:id|idation)?|eval|pretrained|init|load|read|"
    r"csv|parquet|images|labels|features|examples|corpus|text|vocab|config|files?"
)


@dataclass(frozen=True)
class Mention:
    """A gs:// URI, and the argument or variable that it stands in; `name` is empty for a bare word."""

    uri: str
    name: str
    where: str

    @property
    def may_be_output(self) -> bool:
        """Whether the name says so, or nothing."""
        spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", self.name).lower()
        words = [word for word in re.split(r"[^a-z]+", spaced) if word]
        if not words or any(map(_OUTPUT.fullmatch, words)):
            return True
        return any(map(_EITHER.fullmatch, words)) and not any(map(_INPUT.fullmatch, words))


def mentions(
    args: Sequence[str], env: Mapping[str, str], *, pool: str = "", names: Mapping[str, str] | None = None
) -> Iterator[Mention]:
    """All gs:// (or /gcs/) URIs in a program's arguments and variables; `names` of words without an option."""
    option = ""
    for word in args:
        name, equals, value = word.partition("=")
        if word.startswith("-") and not equals:
            option = word.lstrip("-")
            continue
        named = name.lstrip("-") if equals and word.startswith("-") else option
        text = value if equals and word.startswith("-") else word
        for uri in _uris(text):
            shown = f"--{named}" if named else f"argument {word!r}"
            yield Mention(_gs(uri), named or (names or {}).get(word, ""), f"{pool}{shown}")
        option = ""
    for name, value in env.items():
        for uri in _uris(str(value)):
            yield Mention(_gs(uri), name, f"{pool}env {name}")


def check(found: Sequence[Mention], clients: Clients) -> Iterator[Problem]:
    """Problems with URIs: a bucket that is missing always is one, an object where its name does not say output."""
    seen: set[str] = set()
    for mention in found:
        if mention.uri in seen:
            continue
        seen.add(mention.uri)
        problem = _problem(mention, clients)
        if problem is not None:
            yield problem


def _uris(text: str) -> list[str]:
    return [] if _PROSE.search(text) else _URI.findall(text)


def _gs(uri: str) -> str:
    return re.sub(r"^/gcs/", "gs://", uri)


def _problem(mention: Mention, clients: Clients) -> Problem | None:
    bucket, _, name = mention.uri.removeprefix("gs://").partition("/")
    if _UNFINISHED.search(bucket):
        return None
    try:
        GsUri.parse(bucket)
    except InvalidArgument as exc:
        return Problem("input", f"{mention.uri}: {exc.message}", mention.where, f"{exc.next_step}.")
    fixed = _PATTERN.split(_UNFINISHED.split(name)[0])[0]
    names = _listed(clients, bucket, fixed, _MAX_NAMES if fixed != name else 2)
    if names is None:
        fix = f"Correct it, or make it: `gcpmlops storage create-bucket {bucket}`."
        return Problem("input", f"there is no bucket gs://{bucket} ({mention.uri})", mention.where, fix)
    if mention.may_be_output or not name or _matches(name, fixed, names):
        return None
    return Problem("input", f"there is nothing at {mention.uri}", mention.where, _advice(clients, bucket, name))


def _listed(clients: Clients, bucket: str, prefix: str, count: int) -> list[str] | None:
    """Names with that prefix; None without the bucket; the prefix itself where they may not be listed."""
    settings: dict[str, Any] = {"fields": "items(name)", "timeout": clients.config.timeout, "retry": clients.retry}
    try:
        with translated(f"gs://{bucket}"):
            blobs = clients.storage.list_blobs(bucket, prefix=prefix, max_results=count, **settings)
            return [blob.name for blob in blobs]
    except NotFound:
        return None
    except (PermissionDenied, Unauthenticated):
        return [prefix]


def _matches(name: str, fixed: str, names: Sequence[str]) -> bool:
    """Whether it is an object, a folder, or a pattern or prefix of some."""
    if _UNFINISHED.search(name):
        return bool(names)
    if _PATTERN.search(name):
        return any(fnmatch.fnmatchcase(each, name) or fnmatch.fnmatchcase(each, f"{name}/*") for each in names)
    if not name[-1:].isalnum():
        return bool(names)
    return any(each == fixed or each.startswith(f"{fixed}/") for each in names)


def _advice(clients: Clients, bucket: str, name: str) -> str:
    """The nearest name in the same folder."""
    folder = name.rstrip("/").rpartition("/")[0]
    names = _listed(clients, bucket, f"{folder}/" if folder else "", 200) or []
    close = near(name, names, count=1)
    said = f"Did you mean gs://{bucket}/{close[0]}? " if close else ""
    return f"{said}If the job writes it, say so in the option's name (--output...)."
