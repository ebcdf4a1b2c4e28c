"""Where code and model files are put on their way to Vertex AI."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gcpmlops.types import GsUri

if TYPE_CHECKING:
    from gcpmlops.clients import Clients
    from gcpmlops.storage import Storage


def new_folder(clients: Clients, kind: str, display_name: str, *, bucket: str | None = None) -> GsUri:
    """The URI of a new folder in the staging bucket, which is not looked at."""
    name = bucket or clients.config.staging_bucket or default_bucket(clients)
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    slug = re.sub(r"[^A-Za-z0-9_-]+", "-", display_name).strip("-") or kind
    return GsUri.parse(name, field="staging_bucket") / f"gcpmlops/{kind}/{slug}-{stamp}"


def folder(clients: Clients, storage: Storage, kind: str, display_name: str, *, bucket: str | None = None) -> GsUri:
    """A new gs:// folder. Without a staging bucket PROJECT-vertex-staging-LOCATION is used, and made if need be."""
    if not (bucket or clients.config.staging_bucket):
        ensure_default(clients, storage)
    return new_folder(clients, kind, display_name, bucket=bucket)


def ensure_default(clients: Clients, storage: Storage) -> None:
    """Make the default staging bucket if need be."""
    name = default_bucket(clients)
    if not storage.exists(f"gs://{name}"):
        storage.ensure_bucket(name)


def default_bucket(clients: Clients) -> str:
    """The staging bucket when none is configured; Google's SDK uses the same name."""
    project = clients.config.require("project").replace(":", "-").replace(".", "-")
    return f"{project}-vertex-staging-{clients.config.location}"
