"""What `submit` and `run` are told: a typed dict for callers, the same as a frozen dataclass inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

from gcpmlops._jobs.settings import DEFAULT_MACHINE
from gcpmlops._serving import ServerSettings
from gcpmlops.types import Labels


class BatchSettings(TypedDict, total=False):
    """Keyword arguments of `BatchPredictions.submit`, which describes them."""

    destination: str | None
    instances_format: str | None
    predictions_format: str | None
    display_name: str | None
    parameters: Mapping[str, Any] | None
    instance_type: str | None
    key_field: str | None
    included_fields: Sequence[str]
    excluded_fields: Sequence[str]
    machine_type: str
    accelerator_type: str | None
    accelerator_count: int
    replicas: int
    batch_size: int | None
    explain: bool
    labels: Labels | None
    service_account: str | None
    staging_bucket: str | None
    server: ServerSettings
    dry_run: bool


@dataclass(frozen=True)
class BatchRequest:
    """The settings with their defaults."""

    destination: str | None = None
    instances_format: str | None = None
    predictions_format: str | None = None
    display_name: str | None = None
    parameters: Mapping[str, Any] | None = None
    instance_type: str | None = None
    key_field: str | None = None
    included_fields: Sequence[str] = field(default=())
    excluded_fields: Sequence[str] = field(default=())
    machine_type: str = DEFAULT_MACHINE
    accelerator_type: str | None = None
    accelerator_count: int = 0
    replicas: int = 1
    batch_size: int | None = None
    explain: bool = False
    labels: Labels | None = None
    service_account: str | None = None
    staging_bucket: str | None = None
    server: ServerSettings = field(default_factory=ServerSettings)
    dry_run: bool = False
