"""What a service is made of: a plain class whose methods are the RPCs, and the context that it works in."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeVar

from gcpmlops.emulator.kernel.access import Access
from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.clock import Clock
from gcpmlops.emulator.kernel.locks import Locks
from gcpmlops.emulator.kernel.operations import Operations
from gcpmlops.emulator.settings import Settings

M = TypeVar("M")
T = TypeVar("T")


class ResourceStore(Protocol):
    """The part of ``state.Store`` that services use."""

    def read(self, fn: Callable[[sqlite3.Connection], T]) -> T: ...
    def write(self, fn: Callable[[sqlite3.Connection], T]) -> T: ...
    def ensure_schema(self, sql: str) -> None: ...
    def collection(self, message_type: type[M]) -> Any: ...


@dataclass(frozen=True)
class Context:
    """Passed by the composition root to every service; nothing is global."""

    store: ResourceStore
    clock: Clock
    operations: Operations
    locks: Locks
    settings: Settings
    agenda: Agenda
    access: Access = field(default_factory=Access)


class Service:
    """A proto service. Methods bear the RPC's name in snake_case, take its request and return its response.

    A method that isn't there answers UNIMPLEMENTED by name. Errors are ``google.api_core.exceptions``. A
    server-streaming method returns an iterator, a client-streaming one takes one. Several classes may share out the
    methods of one proto service.
    """

    proto: ClassVar[str]

    def __init__(self, context: Context) -> None:
        self.context = context
        self.store = context.store
        self.clock = context.clock
        self.operations = context.operations
        self.locks = context.locks
        self.settings = context.settings
        self.agenda = context.agenda
        self.access = context.access
