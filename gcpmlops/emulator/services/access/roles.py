"""What a role gives: Google's predefined ones, and a project's own, made by IAM's CreateRole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache

from gcpmlops.emulator.kernel import contract
from gcpmlops.emulator.services.access.exceptions import FURTHER
from gcpmlops.emulator.services.access.methods import permission_of
from gcpmlops.emulator.services.access.predefined import PREDEFINED


@dataclass(frozen=True)
class Role:
    """A predefined role.

    Attributes:
        name: roles/NAME.
        title: for people.
        permissions: those of the emulated services.
    """

    name: str
    title: str
    permissions: frozenset[str]


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether a role of these patterns gives the permission; what is taken away counts more."""
    return _any(name, patterns, taken=False) and not _any(name, patterns, taken=True)


def _any(name: str, patterns: tuple[str, ...], *, taken: bool) -> bool:
    chosen = (pattern.removeprefix("-") for pattern in patterns if pattern.startswith("-") == taken)
    return any(pattern == name or ("*" in pattern and fnmatchcase(name, pattern)) for pattern in chosen)


@cache
def gives(role: str, permission: str) -> bool:
    """Whether a predefined role (roles/NAME) gives it; a role that is not known gives nothing."""
    found = PREDEFINED.get(role.removeprefix("roles/"))
    return found is not None and matches(permission, found[1])


class _Roles(Mapping[str, Role]):
    """By name, roles/NAME; the list of all permissions is made when first asked for."""

    def __getitem__(self, name: str) -> Role:
        title, patterns = PREDEFINED[name.removeprefix("roles/")]
        return Role(name, title, frozenset(each for each in permissions() if matches(each, patterns)))

    def __iter__(self) -> Iterator[str]:
        return (f"roles/{name}" for name in PREDEFINED)

    def __len__(self) -> int:
        return len(PREDEFINED)


ROLES: Mapping[str, Role] = _Roles()


@cache
def permissions() -> tuple[str, ...]:
    """Every permission that the emulated services ask for, sorted."""
    return tuple(sorted({*FURTHER, *_asked()}))


def _asked() -> Iterator[str]:
    from gcpmlops.emulator.services.catalog.packages import PACKAGES  # the catalog makes the enforcer, which needs this

    for host, package, _ in PACKAGES.values():
        service = host.partition(".")[0]
        for folder in contract.services(package):
            found = contract.load(package, folder)
            for method in found.methods.values():
                try:
                    name = permission_of(service, f"{found.proto}.{method.name}")
                except LookupError:
                    continue  # not built: it answers UNIMPLEMENTED before anybody asks
                if name:
                    yield name
