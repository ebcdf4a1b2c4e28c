"""Which resources Pub/Sub has, for the policies that they bear."""

from __future__ import annotations

from google.pubsub_v1 import types

from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.services.iam import Policies
from gcpmlops.emulator.services.pubsub import names
from gcpmlops.emulator.services.pubsub.broker import Broker


def policies(context: Context, broker: Broker) -> Policies:
    """IAM for topics, subscriptions, snapshots and schemas."""
    schemas = context.store.collection(types.Schema)

    def check(resource: str) -> None:
        kind = resource.split("/")[2] if resource.count("/") == 3 else ""
        found = {
            "topics": lambda: broker.topics.find(resource),
            "subscriptions": lambda: broker.subscriptions.find(resource),
            "snapshots": lambda: broker.snapshots.stored.find(resource),
            "schemas": lambda: schemas.find(f"{resource}@"),
        }.get(kind, lambda: None)()
        if found is None:
            raise names.not_found(resource)

    made = Policies(context, check, permissions="pubsub.")
    broker.on_delete = made.forget
    return made
