"""What Vertex AI training offers: machine types, and the accelerators that go with them. The table is `machines.json`.

Sources, read as of the table's date: Vertex AI "Configure compute resources for custom training"
(https://cloud.google.com/vertex-ai/docs/training/configure-compute: families, GPUs per N1 machine), Compute Engine's
machine resource pages (vCPUs, memory), and the enum AcceleratorType of the API. Families that Vertex AI offers in some
locations only, or to some projects, are in it too: the service has the last word. Newer types than the table's pass
with `check_machine=False`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gcpmlops.exceptions import InvalidArgument

_ESCAPE = "Is it newer than gcpmlops' table? check_machine=False (--no-check-machine) sends it as it is."


@dataclass(frozen=True)
class Machine:
    """A machine type; memory in GB. `accelerator_type` and `accelerator_count` are built in, where there are any."""

    name: str
    family: str
    vcpus: int
    memory_gb: float
    accelerator_type: str = ""
    accelerator_count: int = 0


@dataclass(frozen=True)
class Accelerator:
    """An accelerator type, the machine families that take it, how many of it, and the memory of one in GB."""

    name: str
    families: tuple[str, ...]
    counts: tuple[int, ...]
    memory_gb: int
    max_vcpus: Mapping[str, int] = field(default_factory=dict)
    """Where machines of its family have up to so many vCPUs for that count."""
    machine: str = ""
    """The one machine type that takes it, where it is only one of the family's."""

    def counts_for(self, machine: Machine) -> tuple[int, ...]:
        """The numbers of it that the machine may have; empty where it takes none."""
        if machine.family not in self.families or (self.machine and self.machine != machine.name):
            return ()
        if machine.accelerator_type:
            return (machine.accelerator_count,) if machine.accelerator_type == self.name else ()
        return tuple(n for n in self.counts if machine.vcpus <= self.max_vcpus.get(str(n), machine.vcpus))


@dataclass(frozen=True)
class Offer:
    """The whole table and its date."""

    as_of: str
    machines: Mapping[str, Machine]
    accelerators: Mapping[str, Accelerator]


@functools.cache
def offer() -> Offer:
    """The table, read once."""
    import json
    from importlib.resources import files

    table = json.loads(files(__package__).joinpath("machines.json").read_text("utf-8"))
    machines = [Machine(**row) for row in table["machines"]]
    accelerators = [_accelerator(row) for row in table["accelerators"]]
    return Offer(table["as_of"], {m.name: m for m in machines}, {a.name: a for a in accelerators})


def _accelerator(row: dict[str, Any]) -> Accelerator:
    return Accelerator(**{**row, "families": tuple(row["families"]), "counts": tuple(row["counts"])})


def accelerator(name: str) -> Accelerator:
    """By name, in the API's form or gcloud's. Raises InvalidArgument with the nearest names."""
    found: Accelerator = _named(name, offer().accelerators, "accelerator_type")
    return found


def check(
    machine_type: str, accelerator_type: str | None, accelerator_count: int, *, field: str = ""
) -> tuple[str, str | None, int]:
    """The three in the API's spelling. Raises InvalidArgument for what Vertex AI training does not offer.

    `field` is put before the field's name.
    """
    machine = _named(machine_type, offer().machines, f"{field}machine_type")
    if accelerator_type is None:
        if accelerator_count:
            raise InvalidArgument(
                f"{accelerator_count} accelerators of which type?",
                field=f"{field}accelerator_type",
                allowed=_fitting(machine),
            )
        return machine.name, None, 0
    accelerator = _named(accelerator_type, offer().accelerators, f"{field}accelerator_type")
    counts = accelerator.counts_for(machine)
    if not counts:
        raise InvalidArgument(
            f"{machine.name} does not take {accelerator.name}",
            field=f"{field}accelerator_type",
            value=accelerator_type,
            allowed=_fitting(machine),
            next_step=f"{machine.name} takes {_fitting(machine)}; {accelerator.name} goes with {_hosts(accelerator)}.",
        )
    if accelerator_count not in counts:
        raise InvalidArgument(
            f"{machine.name} does not take {accelerator_count} x {accelerator.name}",
            field=f"{field}accelerator_count",
            value=accelerator_count,
            allowed=", ".join(map(str, counts)),
        )
    return machine.name, accelerator.name, accelerator_count


def count_for(machine_type: str, accelerator_count: int) -> int:
    """The number of accelerators meant: as given, else what the machine type has built in, else 1."""
    known = offer().machines.get(machine_type)
    return accelerator_count or (known.accelerator_count if known else 0) or 1


def built_in(machine_type: str) -> tuple[str, int] | None:
    """The accelerator that comes with a machine type, which Vertex AI wants named all the same."""
    known = offer().machines.get(machine_type)
    return (known.accelerator_type, known.accelerator_count) if known and known.accelerator_type else None


def near(name: str, names: Iterable[str], *, count: int = 3) -> list[str]:
    """The nearest names, whatever their case and separators."""
    import difflib

    plain = {_plain(each): each for each in names}
    return [plain[each] for each in difflib.get_close_matches(_plain(name), plain, n=count, cutoff=0.5)]


def _named(name: str, table: Mapping[str, Any], field: str) -> Any:
    key = name.lower() if field.endswith("machine_type") else name.upper().replace("-", "_")
    if key in table:
        return table[key]
    close = near(name, table)
    said = f"Did you mean {' or '.join(close)}? " if close else ""
    raise InvalidArgument(
        f"{field}: Vertex AI training has no {name!r} (as of {offer().as_of})",
        field=field,
        value=name,
        allowed=", ".join(close or sorted(table)[:12]),
        next_step=f"{said}All: `gcpmlops training machines`. {_ESCAPE}",
    )


def _fitting(machine: Machine) -> str:
    """What the machine takes, in words."""
    found = [
        f"{' or '.join(map(str, counts))} x {accelerator.name}"
        for accelerator in offer().accelerators.values()
        if (counts := accelerator.counts_for(machine))
    ]
    return ", ".join(found) or "no accelerator"


def _hosts(accelerator: Accelerator) -> str:
    fitting = [m.name for m in offer().machines.values() if accelerator.counts_for(m)]
    return ", ".join(fitting[:4]) + (", ..." if len(fitting) > 4 else "")


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace("nvidia", "").replace("tesla", "")
