"""What a deployed model costs an hour: an estimate from a dated table, `prices.json`, which a file may change.

The table has list prices without discounts, of a vCPU, a GB of memory and an accelerator, and a factor for each
location (on vCPUs and memory; accelerators differ less between locations). What it does not know is said to be
unknown, never guessed.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gcpmlops import _html
from gcpmlops._jobs import machines
from gcpmlops.exceptions import InvalidArgument

_TABLES = ("families", "memory_gb_per_vcpu", "machines", "accelerators", "locations")
_TEXTS = ("as_of", "currency", "unit", "source")


@dataclass(frozen=True)
class Price:
    """USD an hour of `replicas` machines, and of `max_replicas` at full scale; None where it is unknown."""

    machine_type: str
    per_replica: float | None
    replicas: int = 1
    max_replicas: int = 1
    accelerator_type: str = ""
    accelerator_count: int = 0
    location: str = ""
    as_of: str = ""
    source: str = ""

    @property
    def per_hour(self) -> float | None:
        """While as few replicas as possible run."""
        return None if self.per_replica is None else self.per_replica * self.replicas

    @property
    def max_per_hour(self) -> float | None:
        """While all replicas run."""
        return None if self.per_replica is None else self.per_replica * self.max_replicas

    @property
    def what(self) -> str:
        """1 x n1-standard-4 with 2 x NVIDIA_TESLA_T4."""
        count = str(self.replicas) if self.replicas == self.max_replicas else f"{self.replicas} to {self.max_replicas}"
        gpus = f" with {self.accelerator_count} x {self.accelerator_type}" if self.accelerator_count else ""
        return f"{count} x {self.machine_type or 'an unnamed machine'}{gpus}"

    def __str__(self) -> str:
        if self.per_replica is None:
            return f"unknown price for {self.what} in {self.location} (table of {self.as_of})"
        return f"about {dollars(self.per_hour, self.max_per_hour)} for {self.what} (list prices of {self.as_of})"

    def _repr_html_(self) -> str:
        about = {"per hour": dollars(self.per_hour, self.max_per_hour), "for": self.what, "location": self.location}
        return _html.card("Price", {**about, "as of": self.as_of, "source": self.source})


def dollars(least: float | None, most: float | None = None) -> str:
    """$0.22/hour, or $0.22 to $0.88/hour; "unknown" where there is no figure."""
    if least is None:
        return "unknown"
    high = f" to {_amount(most)}" if most is not None and round(most, 2) > round(least, 2) else ""
    return f"{_amount(least)}{high}/hour"


def _amount(value: float) -> str:
    return f"${value:,.2f}" if value >= 0.1 or value == 0 else f"${value:,.3f}"


def total(prices: Iterable[Price]) -> str:
    """The sum in words: how much, and that something in it is unknown."""
    found = list(prices)
    known = [price for price in found if price.per_hour is not None]
    if not known:
        return "unknown" if found else dollars(0.0)
    text = dollars(sum(p.per_hour or 0 for p in known), sum(p.max_per_hour or 0 for p in known))
    return text if len(known) == len(found) else f"{text} and {len(found) - len(known)} unknown"


class Prices:
    """The package's table with the entries of a file of one's own, where there is one, put over it."""

    def __init__(self, file: str | Path | None = None) -> None:
        self._table = _with(_package_table(), file) if file else _package_table()

    def of(
        self,
        machine_type: str,
        *,
        location: str,
        replicas: int = 1,
        max_replicas: int | None = None,
        accelerator_type: str = "",
        accelerator_count: int = 0,
    ) -> Price:
        """The price of replicas of one machine type with their accelerators."""
        kind, count = accelerator_type, accelerator_count
        if not count and (built_in := machines.built_in(machine_type)):
            kind, count = built_in
        return Price(
            machine_type,
            self._machine(machine_type, kind, count, location),
            replicas,
            max(replicas, max_replicas or replicas),
            kind if count else "",
            count,
            location,
            self._table["as_of"],
            self._table["source"],
        )

    def _machine(self, name: str, accelerator: str, count: int, location: str) -> float | None:
        """One machine with its accelerators. A machine's price of its own has in it what is built in."""
        whole = self._table["machines"].get(name)
        base = self._parts(name) if whole is None else float(whole)
        paid = whole is not None and machines.built_in(name) is not None
        gpus = 0.0 if paid else self._accelerators(accelerator, count)
        # what one's own file says of a machine is paid wherever it is
        factor = 1.0 if name in self._table.get("own", ()) else self._table["locations"].get(location)
        return None if base is None or gpus is None or factor is None else base * factor + gpus

    def _accelerators(self, name: str, count: int) -> float | None:
        each = self._table["accelerators"].get(name) if count else 0.0
        return None if each is None else float(each) * count

    def _parts(self, name: str) -> float | None:
        """Its vCPUs and memory in us-central1."""
        family, _, rest = name.partition("-")
        rates, size = self._table["families"].get(family), self._size(name, family, rest)
        if rates is None or size is None:
            return None
        return float(rates["vcpu"] * size[0] + rates["gb"] * size[1])

    def _size(self, name: str, family: str, rest: str) -> tuple[int, float] | None:
        """(vCPUs, memory in GB): from the table of machines, else from the name."""
        if known := machines.offer().machines.get(name):
            return known.vcpus, known.memory_gb
        kind, _, vcpus = rest.partition("-")
        ratios = self._table["memory_gb_per_vcpu"]
        ratio = ratios.get(f"{family}-{kind}", ratios.get(kind))
        return (int(vcpus), int(vcpus) * ratio) if vcpus.isdigit() and ratio is not None else None


@functools.cache
def _package_table() -> dict[str, Any]:
    from importlib.resources import files

    table: dict[str, Any] = json.loads(files(__package__).joinpath("prices.json").read_text("utf-8"))
    return table


def _with(table: Mapping[str, Any], file: str | Path) -> dict[str, Any]:
    """The table with a file's entries. Raises InvalidArgument."""
    own = _read(Path(file).expanduser())
    merged = {**table, "source": str(file), **{key: str(own[key]) for key in _TEXTS if key in own}}
    for key in _TABLES:
        merged[key] = {**table[key], **own.get(key, {})}
    merged["own"] = frozenset(own.get("machines", {}))
    return merged


def _read(path: Path) -> dict[str, Any]:
    try:
        own = json.loads(path.read_text("utf-8"))
    except OSError as exc:
        raise _wrong(path, exc.strerror or str(exc)) from exc
    except ValueError as exc:
        raise _wrong(path, f"not JSON: {exc}") from exc
    if not isinstance(own, dict):
        raise _wrong(path, "not an object")
    for key, entries in own.items():
        if key not in (*_TABLES, *_TEXTS):
            raise _wrong(path, f"unknown key {key!r}")
        if key in _TABLES:
            _check(path, key, entries)
    return own


def _check(path: Path, key: str, entries: Any) -> None:
    if not isinstance(entries, dict):
        raise _wrong(path, f"{key} is not an object")
    for name, value in entries.items():
        figures = [value.get("vcpu"), value.get("gb")] if key == "families" and isinstance(value, dict) else [value]
        if not all(isinstance(f, (int, float)) and not isinstance(f, bool) and f >= 0 for f in figures):
            raise _wrong(path, f"{key}: {name} is {value!r}")


def _wrong(path: Path, why: str) -> InvalidArgument:
    example = '{"as_of": "2026-01", "machines": {"n1-standard-4": 0.19}, "accelerators": {"NVIDIA_TESLA_T4": 0.35}}'
    return InvalidArgument(f"{path}: {why}", field="prices_file", value=str(path), allowed=example)
