"""`projects/NUMBER/...` names what `projects/ID/...` names: Google's samples use either, and jobs know the number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from gcpmlops.emulator.kernel.masks import raw

_DEEP = 1 << 20  # bytes; in a larger request only the outermost names are looked at
# What a user's own program gets to see stays as it was written.
_VERBATIM = {"network", "args", "command", "value", "description", "display_name"}


@dataclass(frozen=True)
class ProjectNames:
    """Turns numbers into ids.

    Attributes:
        number: of the emulator's project.
        id: of the same project.
    """

    number: str
    id: str

    def by_id(self, request: Any) -> Any:
        """The request itself, with the project's id wherever a resource name has its number."""
        message = raw(request)
        size = message.ByteSize()
        if size > _DEEP or f"projects/{self.number}/".encode() in message.SerializePartialToString():
            self._rename(message, deep=size <= _DEEP)
        return request

    def _rename(self, message: Any, *, deep: bool) -> None:
        for field, value in message.ListFields():
            if field.name in _VERBATIM:
                continue
            if field.type == FieldDescriptor.TYPE_STRING:
                self._rename_text(message, field, value)
            elif deep and field.message_type is not None and not _foreign(field.message_type):
                for part in value if field.is_repeated else [value]:
                    self._rename(part, deep=True)

    def _rename_text(self, message: Any, field: Any, value: Any) -> None:
        if field.is_repeated:
            value[:] = [self._renamed(text) for text in value]
        elif (renamed := self._renamed(value)) != value:
            setattr(message, field.name, renamed)

    def _renamed(self, text: str) -> str:
        prefix = f"projects/{self.number}"
        return f"projects/{self.id}{text[len(prefix) :]}" if text == prefix or text.startswith(f"{prefix}/") else text


def _foreign(kind: Any) -> bool:
    """Maps, and messages of Google's standard types, which hold users' data."""
    return bool(kind.GetOptions().map_entry) or kind.full_name.startswith("google.protobuf.")
