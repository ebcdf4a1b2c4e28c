"""What handles on resources have in common: their names."""

from __future__ import annotations

from typing import Any


class Resource:
    """Reads the name off `proto`, Google's message, which the subclass declares."""

    proto: Any

    @property
    def name(self) -> str:
        """The full resource name: projects/PROJECT/locations/LOCATION/COLLECTION/ID, without a version."""
        return str(self.proto.name).partition("@")[0]

    @property
    def id(self) -> str:
        """The last part of the name."""
        return self.name.rpartition("/")[2]


class Named(Resource):
    """With a name for people, as Vertex AI's and Cloud Monitoring's resources have."""

    @property
    def display_name(self) -> str:
        """The name that people gave it."""
        return str(self.proto.display_name)
