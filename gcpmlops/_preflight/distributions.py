"""Which distribution a module comes from, what it brings along, and what Google's prebuilt images have.

The table is `distributions.json`: `imports` (module, or dotted prefix of a namespace: distribution), `brings`
(distribution: what it depends on, directly or not, whatever the version), `often_brought` and `images`. Sources: the
projects' own metadata, and https://cloud.google.com/vertex-ai/docs/training/pre-built-containers; only what every
version of a framework's images has is in it, and what some have is `perhaps`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_IMAGE = re.compile(
    r"(?:[a-z0-9-]+-docker\.pkg\.dev/vertex-ai(?:-restricted)?|(?:[a-z]+\.)?gcr\.io/cloud-aiplatform)/training/"
    r"(scikit-learn|sklearn|xgboost|pytorch|tf2?)-(?:cpu|gpu|xla|tpu)\.[\w.-]+(?:[:@].*)?"
)
_PYTHON = re.compile(r"(?:docker\.io/)?(?:library/)?python(?::[\w.-]+)?")
_NAMES = {"scikit-learn": "sklearn", "tf2": "tf"}
_ALWAYS = frozenset({"pip", "setuptools", "wheel"})
_AFFIXES = re.compile(r"^(?:python|py)-|-(?:python|cpu|gpu|headless|nightly|binary|cu\d+|cuda\w+|slim|skinny)$")


@functools.cache
def _table() -> dict[str, Any]:
    import json
    from importlib.resources import files

    table: dict[str, Any] = json.loads(files(__package__).joinpath("distributions.json").read_text("utf-8"))
    return table


def canonical(name: str) -> str:
    """A distribution's name as PyPI compares them."""
    return re.sub(r"[-_.]+", "-", name).lower()


def of_module(module: str) -> str | None:
    """The distribution that a dotted module comes from; None for one that the table does not know."""
    imports: Mapping[str, str] = _table()["imports"]
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        if found := imports.get(".".join(parts[:length])):
            return found
    if module.startswith("google.cloud.") and len(parts) > 2:
        return "google-cloud-" + re.sub(r"_v\d\w*$", "", parts[2]).replace("_", "-")
    return None


def is_often_brought(distribution: str) -> bool:
    """Whether people import it because something else brings it along: beside unknown requirements it may be there."""
    return distribution in _table()["often_brought"]


@dataclass(frozen=True)
class Available:
    """What a job's environment has: `surely` and `perhaps` distributions, and `unknown` requirements.

    An unknown requirement may bring anything along; `given` are all that were asked for.
    """

    surely: frozenset[str]
    perhaps: frozenset[str]
    given: frozenset[str]
    unknown: frozenset[str]

    def has(self, distribution: str, module: str) -> bool:
        """Whether a module of that distribution can be imported, or may be."""
        names = {canonical(distribution), canonical(module.partition(".")[0])}
        if names & (self.surely | self.perhaps | self.given):
            return True
        bare = {_bare(name) for name in names}
        return bool(bare & {_bare(name) for name in self.given | self.surely})

    def unaccounted(self, modules: set[str]) -> frozenset[str]:
        """Unknown requirements that no module of the code is named like: what they have is a guess."""
        named = {_bare(canonical(module.partition(".")[0])) for module in modules}
        return frozenset(name for name in self.unknown if _bare(name) not in named)


def available(image: str, requirements: Sequence[str]) -> Available | None:
    """What an image with further requirements has; None for an image that is none of the known ones."""
    framework = _framework(image)
    if framework is None:
        return None
    contents = _table()["images"][framework]
    given = {canonical(name): extras for name, extras in map(_split, requirements)}
    surely, unknown = set(_ALWAYS), set()
    for name in [*contents["brings"], *given]:
        brought = _brings(name)
        surely |= {name, *(brought or ())}
        if brought is None or given.get(name):  # what an extra brings along is not in the table
            unknown.add(name)
    return Available(frozenset(surely), frozenset(contents["perhaps"]), frozenset(given), frozenset(unknown))


def _framework(image: str) -> str | None:
    if _PYTHON.fullmatch(image):
        return "python"
    found = _IMAGE.fullmatch(image)
    return _NAMES.get(found[1], found[1]) if found else None


def _brings(name: str) -> list[str] | None:
    """All that a distribution depends on; None where neither the table nor this Python knows it."""
    if name in _table()["brings"]:
        found: list[str] = _table()["brings"][name]
        return found
    return _installed(name, frozenset())


def _installed(name: str, seen: frozenset[str]) -> list[str] | None:
    """As this Python's own packages say it."""
    from importlib import metadata

    try:
        needs = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return None
    direct = {canonical(_split(need)[0]) for need in needs if "extra ==" not in need} - seen
    deeper = (_installed(each, seen | direct | {name}) or [] for each in direct)
    return sorted(direct.union(*deeper))


def _split(requirement: str) -> tuple[str, str]:
    """The name and the extras of a requirement."""
    found = re.match(r"\s*([A-Za-z0-9][\w.-]*)\s*(\[[^\]]*\])?", requirement)
    return (found[1], (found[2] or "").strip("[] ")) if found else (requirement, "")


def _bare(name: str) -> str:
    before = ""
    while before != name:
        before, name = name, _AFFIXES.sub("", name)
    return name.replace("-", "")
