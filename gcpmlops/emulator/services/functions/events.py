"""Pushed Pub/Sub messages as CloudEvents over HTTP (binary mode), as Eventarc delivers them.

Eventarc's subscriptions push to the service's URL with a parameter that says what the message is: an event itself (its
attributes are the CloudEvent's), or the message of a topic that a user listens to.
"""

from __future__ import annotations

import base64
import binascii
from urllib.parse import quote, unquote

import orjson
from google.api_core import exceptions

PARAMETER = "__GCP_CloudEventsMode"
PUBLISHED = "google.cloud.pubsub.topic.v1.messagePublished"
_TOPIC = "CUSTOM_PUBSUB_"
_BINDING = "CE_PUBSUB_BINDING"
Headers = list[tuple[bytes, bytes]]


def topic_query(topic: str) -> str:
    """The query of a push endpoint for the messages of a topic (``projects/P/topics/T``)."""
    return f"?{PARAMETER}={_TOPIC}{quote(topic, safe='')}"


def event_query() -> str:
    """The query of a push endpoint for messages that are events themselves."""
    return f"?{PARAMETER}={_BINDING}"


def is_event(query: bytes) -> bool:
    """Whether a request comes from such a subscription."""
    return PARAMETER.encode() in query


def rewritten(query: bytes, body: bytes) -> tuple[Headers, bytes]:
    """The event's headers and body.

    Raises: InvalidArgument for a body that is no pushed message.
    """
    mode = next(part.partition(b"=")[2] for part in query.split(b"&") if part.startswith(PARAMETER.encode()))
    try:
        message = orjson.loads(body)["message"]
        if unquote(mode.decode("latin-1")) == _BINDING:
            return _bound(message)
        return _published(unquote(mode.decode("latin-1")).removeprefix(_TOPIC), message), body
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise exceptions.InvalidArgument(f"The body is no pushed Pub/Sub message: {error!r}") from None


def _published(topic: str, message: dict[str, str]) -> Headers:
    return _encoded(
        {
            "ce-id": str(message["messageId"]),
            "ce-source": f"//pubsub.googleapis.com/{topic}",
            "ce-specversion": "1.0",
            "ce-type": PUBLISHED,
            "ce-time": str(message.get("publishTime", "")),
            "content-type": "application/json",
        }
    )


def _bound(message: dict[str, object]) -> tuple[Headers, bytes]:
    attributes = message.get("attributes") or {}
    if not isinstance(attributes, dict):
        raise TypeError("attributes are no object")
    headers = {key: str(value) for key, value in attributes.items() if key.startswith("ce-") or key == "content-type"}
    return _encoded(headers), base64.b64decode(str(message.get("data", "")))


def _encoded(headers: dict[str, str]) -> Headers:
    return [(name.lower().encode(), _value(value)) for name, value in headers.items()]


def _value(text: str) -> bytes:
    """Percent-encoded where HTTP can't hold it, as the CloudEvents binding says."""
    return quote(text, safe=" !#$&'()*+,/:;=?@[]^`{|}~<>\\-._").encode("ascii")
