"""The features that explanation metadata declares: what of an instance can have its baseline's value instead."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import validate, values

Path = tuple[int | str, ...]
Encoding = types.ExplanationMetadata.InputMetadata.Encoding
_NAMED = (Encoding.BAG_OF_FEATURES, Encoding.BAG_OF_FEATURES_SPARSE, Encoding.INDICATOR)
_BUILT: tuple[Any, ...] = (Encoding.ENCODING_UNSPECIFIED, Encoding.IDENTITY, *_NAMED)


@dataclass(frozen=True)
class Feature:
    """One declared input.

    Attributes:
        group: inputs of one group are one feature; empty for a feature of its own.
        baselines: what stands for its absence; none: zeros.
        size: how many elements it has; None where any number will do.
    """

    name: str
    group: str
    baselines: tuple[Any, ...]
    size: int | None

    @classmethod
    def read(cls, name: str, given: Any) -> Feature:
        """Of an InputMetadata. Raises MethodNotImplemented for an encoding, InvalidArgument for a missing mapping."""
        if given.encoding not in _BUILT:
            encoding = Encoding(given.encoding).name
            raise exceptions.MethodNotImplemented(
                f"The encoding {encoding} of the feature {name!r} is not built: it needs a TensorFlow container's "
                f"encoded tensor. Built are {', '.join(kind.name for kind in _BUILT[1:])}."
            )
        size = len(given.index_feature_mapping) or None
        if given.encoding in _NAMED and size is None:
            encoding = Encoding(given.encoding).name
            raise validate.invalid(f"inputs.{name}.index_feature_mapping", f"required by the encoding {encoding}.")
        return cls(name, given.group_name, tuple(map(values.to_plain, given.input_baselines)), size)

    def baseline(self, number: int, value: Any) -> Any:
        """The baseline of that number for a value. Raises InvalidArgument where their shapes differ."""
        if self.size is not None and (not isinstance(value, list) or len(value) != self.size):
            raise validate.invalid(
                "instances", f"the feature {self.name!r} must be a list of {self.size} values, one for each name."
            )
        if not self.baselines:
            return zeros(value)
        return shaped(self.baselines[number % len(self.baselines)], value, self.name)


@dataclass(frozen=True)
class Player:
    """Places in an instance that change together, and where their share of the output stands."""

    places: tuple[Path, ...]
    key: Path


@dataclass(frozen=True)
class Frame:
    """An instance beside its baseline (as JSON), with the players that make one of the other."""

    instance: Any
    baseline: bytes
    players: tuple[Player, ...]
    outline: Mapping[str, Any]

    def row(self, coalition: int) -> Any:
        """The instance where only these players have its values, and the others the baseline's."""
        made = [orjson.loads(self.baseline)]
        for number, player in enumerate(self.players):
            if coalition >> number & 1:
                for place in player.places:
                    put(made, (0, *place), at(self.instance, place))
        return made[0]

    def attributions(self, shares: Sequence[float]) -> dict[str, Any]:
        """By feature, in the shape of its value; 0 where the instance has the baseline's value."""
        made: dict[str, Any] = orjson.loads(orjson.dumps(self.outline))
        for share, player in zip(shares, self.players, strict=True):
            put(made, player.key, share)
        return made


class Features:
    """All declared inputs of a model.

    Raises: MethodNotImplemented, InvalidArgument as `Feature.read`; InvalidArgument where features have different
        numbers of baselines.
    """

    def __init__(self, inputs: Mapping[str, Any]) -> None:
        self._features = [Feature.read(name, given) for name, given in sorted(inputs.items())]
        counts = {len(feature.baselines) for feature in self._features} - {0, 1}
        if len(counts) > 1:
            raise validate.invalid("inputs", f"features have {sorted(counts)} baselines: give each as many, or one.")
        self._baseline_count = max(counts, default=1)

    def frames(self, instance: Any) -> list[Frame]:
        """One for each baseline. Raises InvalidArgument for an instance that lacks a feature."""
        found = [(feature, self._place(feature, instance)) for feature in self._features]
        return [self._frame(instance, found, number) for number in range(self._baseline_count)]

    def _place(self, feature: Feature, instance: Any) -> Path:
        """Where the feature stands: under its name, or it is the whole instance."""
        if isinstance(instance, dict):
            if feature.name not in instance:
                raise validate.invalid("instances", f"the feature {feature.name!r} of the metadata is missing.")
            return (feature.name,)
        if len(self._features) > 1:
            names = ", ".join(feature.name for feature in self._features)
            raise validate.invalid(
                "instances", f"each must be an object with the features {names}; one feature alone needs no name."
            )
        return ()

    def _frame(self, instance: Any, features: Sequence[tuple[Feature, Path]], number: int) -> Frame:
        baseline = [orjson.loads(orjson.dumps(instance))]
        players: list[Player] = []
        outline: dict[str, Any] = {}
        groups: dict[str, list[Path]] = defaultdict(list)
        for feature, root in features:
            value = at(instance, root)
            absent = feature.baseline(number, value)
            put(baseline, (0, *root), absent)
            places = [place for place in leaves(value) if at(value, place) != at(absent, place)]
            if feature.group:
                groups[feature.group] += [(*root, *place) for place in places]
            else:
                outline[feature.name] = zeros(value, 0.0)
                players += [Player(((*root, *place),), (feature.name, *place)) for place in places]
        for group, paths in groups.items():
            outline[group] = 0.0
            players += [Player(tuple(paths), (group,))] if paths else []
        return Frame(instance, orjson.dumps(baseline[0]), tuple(players), outline)


def zeros(value: Any, scalar: Any = None) -> Any:
    """The same shape, with nothing in it: 0, false, an empty text; or `scalar` everywhere."""
    if isinstance(value, list):
        return [zeros(item, scalar) for item in value]
    if isinstance(value, dict):
        return {key: zeros(item, scalar) for key, item in value.items()}
    return scalar if scalar is not None or value is None else type(value)()


def shaped(baseline: Any, value: Any, name: str) -> Any:
    """A baseline in the shape of a value; a scalar stands for each element. Raises InvalidArgument."""
    if isinstance(value, list) and not isinstance(baseline, (list, dict)):
        return [shaped(baseline, item, name) for item in value]
    if isinstance(value, list) and isinstance(baseline, list) and len(value) == len(baseline):
        return [shaped(absent, item, name) for absent, item in zip(baseline, value, strict=True)]
    if isinstance(value, dict) and isinstance(baseline, dict) and value.keys() == baseline.keys():
        return {key: shaped(baseline[key], item, name) for key, item in value.items()}
    if isinstance(value, (list, dict)) or isinstance(baseline, (list, dict)):
        raise validate.invalid("instances", f"the feature {name!r} has another shape than its baseline.")
    return baseline


def leaves(value: Any, root: Path = ()) -> Iterator[Path]:
    """The places of all scalars."""
    if isinstance(value, (list, dict)):
        for key, item in enumerate(value) if isinstance(value, list) else value.items():
            yield from leaves(item, (*root, key))
    else:
        yield root


def at(value: Any, path: Path) -> Any:
    """What stands at a place."""
    for key in path:
        value = value[key]
    return value


def put(value: Any, path: Path, item: Any) -> None:
    """Change what stands at a place."""
    *above, last = path
    at(value, tuple(above))[last] = item
