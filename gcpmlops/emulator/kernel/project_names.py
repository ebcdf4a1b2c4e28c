"""`projects/NUMBER/...` names what `projects/ID/...` names: Google's samples use either, and jobs know the number."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from gcpmlops.emulator.kernel.masks import raw

_MAY_BE = re.compile(rb"projects/\d")
_NUMBERED = re.compile(r"projects/(\d+)(?=/|$)")
# What a user's own program gets to see stays as it was written.
_VERBATIM = {"network", "args", "command", "value", "description", "display_name"}


@dataclass(frozen=True)
class ProjectNames:
    """Turns numbers into ids.

    Attributes:
        number: of the emulator's project.
        id: of the same project.
        others: the id of another project that has a number; empty where none has it.
    """

    number: str
    id: str
    others: Callable[[str], str] = lambda _: ""

    def by_id(self, request: Any) -> Any:
        """The request itself, with the project's id wherever a resource name has its number."""
        message = raw(request)
        if self._rename(message) and _MAY_BE.search(message.SerializePartialToString()):
            self._rename_below(message)
        return request

    def _rename(self, message: Any) -> bool:
        """The message's own strings; tells whether there are messages in it that have more."""
        more = False
        for field, value in message.ListFields():
            if field.type == FieldDescriptor.TYPE_STRING and field.name not in _VERBATIM:
                self._rename_text(message, field, value)
            more = more or _has_own(field)
        return more

    def _rename_below(self, message: Any) -> None:
        for field, value in message.ListFields():
            if _has_own(field):
                for part in value if field.is_repeated else [value]:
                    self._rename(part)
                    self._rename_below(part)

    def _rename_text(self, message: Any, field: Any, value: Any) -> None:
        if field.is_repeated:
            value[:] = [self._renamed(text) for text in value]
        elif (renamed := self._renamed(value)) != value:
            setattr(message, field.name, renamed)

    def _renamed(self, text: str) -> str:
        found = _NUMBERED.match(text)
        project = self._id_of(found[1]) if found is not None else ""
        return f"projects/{project}{text[found.end() :]}" if found is not None and project else text

    def _id_of(self, number: str) -> str:
        return self.id if number == self.number else self.others(number)


def _has_own(field: Any) -> bool:
    """Whether it holds messages that are not maps or of Google's standard types: those hold users' data."""
    kind = field.message_type
    return kind is not None and not kind.GetOptions().map_entry and not kind.full_name.startswith("google.protobuf.")
