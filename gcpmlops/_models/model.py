"""The handle on a version of a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gcpmlops import _google, _html
from gcpmlops._handle import Named
from gcpmlops._models.stages import stages_of

if TYPE_CHECKING:
    from gcpmlops._models.evaluations import ModelEvaluation
    from gcpmlops._models.samples import Samples
    from gcpmlops._models.serving_check import ServingCheck
    from gcpmlops.models import Models


@dataclass(frozen=True)
class Model(Named):
    """A version of a model as it was when asked for; `proto` is Google's Model."""

    proto: _google.model.Model
    _models: Models = field(repr=False, compare=False)
    check: ServingCheck | None = field(default=None, repr=False, compare=False)
    """What the serving check before its registration found; None where there was none, or long ago."""

    @property
    def versioned_name(self) -> str:
        """The name with @VERSION: exactly this version."""
        return f"{self.name}@{self.version_id}" if self.version_id else self.name

    @property
    def version_id(self) -> str:
        """1, 2, ..."""
        return str(self.proto.version_id)

    @property
    def aliases(self) -> list[str]:
        """The version's aliases; "default" is one."""
        return list(self.proto.version_aliases)

    @property
    def stages(self) -> list[str]:
        """Which of staging, production and archived it is, and whether champion or challenger."""
        return stages_of(self.aliases)

    @property
    def artifact_uri(self) -> str:
        """The gs:// folder of its files."""
        return str(self.proto.artifact_uri)

    @property
    def image(self) -> str:
        """The container image that serves it."""
        return str(self.proto.container_spec.image_uri)

    @property
    def samples(self) -> Samples | None:
        """The instances that were stored with it; None without any (storage.objects.get)."""
        return self._models.samples(self.versioned_name)

    @property
    def evaluations(self) -> list[ModelEvaluation]:
        """What was imported for it, newest first (ListModelEvaluations)."""
        return self._models.evaluations(self.versioned_name)

    def refresh(self) -> Model:
        """The version as it is now."""
        return self._models.get(self.versioned_name)

    def _repr_html_(self) -> str:
        about = {
            "name": self.versioned_name,
            "aliases": ", ".join(self.aliases),
            "stages": ", ".join(self.stages),
            "files": self.artifact_uri,
            "image": self.image,
            "serving check": self.check,
        }
        return _html.card(self.display_name, about)
