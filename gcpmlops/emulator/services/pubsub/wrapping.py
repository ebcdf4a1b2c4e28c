"""What a pushed message looks like: Pub/Sub's JSON around it, or its bytes alone."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

_AGENT = {
    "user-agent": "APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)",
    "from": "noreply@google.com",
    "accept": "application/json",
}
_JSON = _AGENT | {"content-type": "application/json"}


@dataclass(frozen=True)
class Content:
    """A request's headers and body."""

    headers: dict[str, str]
    body: bytes


def content(subscription: Any, message: Any, attempt: int) -> Content:
    """The call that delivers a message.

    Args:
        subscription: `Subscription`, with its push configuration.
        message: `PubsubMessage`.
        attempt: which delivery of the message it is; 0: not told.
    """
    config = subscription.push_config
    if config.WhichOneof("wrapper") == "no_wrapper":
        return _bare(subscription.name, message, config.no_wrapper.write_metadata)
    return Content(_JSON, json.dumps(_wrapped(subscription.name, message, attempt)).encode())


def _wrapped(subscription: str, message: Any, attempt: int) -> dict[str, Any]:
    time = message.publish_time.ToJsonString()
    inner: dict[str, Any] = {"messageId": message.message_id, "message_id": message.message_id}
    inner |= {"publishTime": time, "publish_time": time}
    if message.data:
        inner["data"] = base64.b64encode(message.data).decode()
    if message.attributes:
        inner["attributes"] = dict(message.attributes)
    if message.ordering_key:
        inner["orderingKey"] = message.ordering_key
    body: dict[str, Any] = {"message": inner, "subscription": subscription}
    return body | {"deliveryAttempt": attempt} if attempt else body


def _bare(subscription: str, message: Any, write_metadata: bool) -> Content:
    if not write_metadata:
        return Content(dict(_AGENT), message.data)
    told = {
        "x-goog-pubsub-subscription-name": subscription,
        "x-goog-pubsub-message-id": message.message_id,
        "x-goog-pubsub-publish-time": message.publish_time.ToJsonString(),
        **({"x-goog-pubsub-ordering-key": message.ordering_key} if message.ordering_key else {}),
        **message.attributes,
    }
    return Content(_AGENT | {key: value for key, value in told.items() if _is_header(key, value)}, message.data)


def _is_header(key: str, value: str) -> bool:
    """HTTP takes neither every key nor every value; those that it doesn't are left out."""
    return key.isascii() and key.replace("-", "").replace("_", "").isalnum() and value.isascii() and value.isprintable()
