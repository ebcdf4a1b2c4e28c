"""ifGenerationMatch and its three siblings: 412 when they fail, 304 for a read with a NotMatch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Protocol

from gcpmlops.emulator.services.storage import errors


class Versioned(Protocol):
    """An object or a bucket."""

    @property
    def generation(self) -> int: ...
    @property
    def metageneration(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Preconditions:
    """What must hold of the live object (or bucket); None asks nothing. Generation 0 means "none exists"."""

    generation_match: int | None = None
    generation_not_match: int | None = None
    metageneration_match: int | None = None
    metageneration_not_match: int | None = None

    def check(self, found: Versioned | None, *, reading: bool = False) -> None:
        """Raises PreconditionFailed, or NotModified for a read whose NotMatch matched."""
        generation = found.generation if found else 0
        metageneration = found.metageneration if found else None
        if self.generation_match is not None and self.generation_match != generation:
            raise errors.condition_not_met()
        if self.metageneration_match is not None and self.metageneration_match != metageneration:
            raise errors.condition_not_met()
        same = self.generation_not_match == generation or (
            metageneration is not None and self.metageneration_not_match == metageneration
        )
        if same:
            raise errors.not_modified() if reading else errors.condition_not_met()

    def __bool__(self) -> bool:
        return self != NONE

    def to_json(self) -> dict[str, int | None]:
        return asdict(self)


NONE = Preconditions()


def from_query(params: Mapping[str, str], prefix: str = "if") -> Preconditions:
    """From query parameters; ``ifSource`` is the prefix for a copy's source."""
    names = ("GenerationMatch", "GenerationNotMatch", "MetagenerationMatch", "MetagenerationNotMatch")
    if not any(prefix + name in params for name in names):
        return NONE
    return Preconditions(*(number(params, prefix + name) for name in names))


def from_headers(headers: Mapping[str, str]) -> Preconditions:
    """From the XML API's ``x-goog-if-*`` headers."""
    names = ("generation-match", "generation-not-match", "metageneration-match", "metageneration-not-match")
    return Preconditions(*(number(headers, "x-goog-if-" + name) for name in names))


def number(params: Mapping[str, str], name: str) -> int | None:
    """An int64 parameter, or None. Raises BadRequest for anything else."""
    text = params.get(name)
    if text is None or text == "":
        return None
    try:
        return int(text)
    except ValueError:
        raise errors.invalid(f"Invalid value for {name}: '{text}' is not an integer.") from None
