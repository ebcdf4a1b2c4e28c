"""storage.notifications.*."""

from __future__ import annotations

from gcpmlops.emulator.services.storage.call import Call, Reply
from gcpmlops.emulator.services.storage.notifications import Notification
from gcpmlops.emulator.services.storage.records import Json


def list_(call: Call) -> Reply:
    """storage.notifications.list."""
    found = call.engine.notifications.list(call.path["bucket"])
    body: Json = {"kind": "storage#notifications"}
    if found:
        body["items"] = [_resource(call, one) for one in found]
    return call.reply(body)


def insert(call: Call) -> Reply:
    """storage.notifications.insert."""
    return call.reply(_resource(call, call.engine.notifications.insert(call.path["bucket"], call.json())))


def get(call: Call) -> Reply:
    """storage.notifications.get."""
    return call.reply(_resource(call, call.engine.notifications.get(call.path["bucket"], call.path["notification"])))


def delete(call: Call) -> Reply:
    """storage.notifications.delete."""
    call.engine.notifications.delete(call.path["bucket"], call.path["notification"])
    return Reply(204)


def _resource(call: Call, made: Notification) -> Json:
    number = str(made.id)
    return {
        "kind": "storage#notification",
        "id": number,
        "selfLink": f"{call.base}/storage/v1/b/{made.bucket}/notificationConfigs/{number}",
        "etag": number,
        **made.config,
    }
