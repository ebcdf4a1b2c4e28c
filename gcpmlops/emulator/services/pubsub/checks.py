"""What topics, subscriptions and messages must be."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from google.api_core import exceptions

from gcpmlops.emulator.kernel import validate
from gcpmlops.emulator.services.pubsub import filters, names

_MAX_BYTES = 10_000_000  # of a publish request
_MINUTE, _DAY = 60, 86_400


def topic(resource: Any) -> None:
    """Raises: InvalidArgument; MethodNotImplemented for what has no counterpart here."""
    names.check("topics", resource.name)
    validate.labels(resource.labels)
    if resource.HasField("message_retention_duration"):
        _between("message_retention_duration", resource.message_retention_duration, 10 * _MINUTE, 31 * _DAY)
    _not_built(resource, "Topic", "ingestion_data_source_settings", "message_transforms")


def subscription(resource: Any) -> None:
    """Raises: InvalidArgument; MethodNotImplemented for what has no counterpart here."""
    names.check("subscriptions", resource.name)
    validate.labels(resource.labels)
    filters.compiled(resource.filter)
    if not 10 <= resource.ack_deadline_seconds <= 600:
        raise validate.invalid("ack_deadline_seconds", f"{resource.ack_deadline_seconds}: 10 to 600 are allowed.")
    _between("message_retention_duration", resource.message_retention_duration, 10 * _MINUTE, 31 * _DAY)
    _expiration(resource)
    _dead_letters(resource.dead_letter_policy)
    _retries(resource.retry_policy)
    push_config(resource.push_config)
    if resource.enable_exactly_once_delivery and resource.push_config.push_endpoint:
        raise validate.invalid("enable_exactly_once_delivery", "not supported by push subscriptions.")
    kinds = ("bigquery_config", "cloud_storage_config", "bigtable_config", "message_transforms")
    _not_built(resource, "Subscription", *kinds)


def push_config(config: Any) -> None:
    """Raises: InvalidArgument for an endpoint that is no URL."""
    endpoint = config.push_endpoint
    if not endpoint:
        return
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise exceptions.InvalidArgument(
            f"Invalid push endpoint given (endpoint={endpoint}): expected https://HOST/PATH (http:// locally)."
        )
    if config.HasField("oidc_token") and "@" not in config.oidc_token.service_account_email:
        raise validate.invalid("push_config.oidc_token.service_account_email", "a service account's email is needed.")


def messages(request: Any) -> None:
    """Raises: InvalidArgument."""
    count, size = len(request.messages), request.ByteSize()
    if not 1 <= count <= names.MAX_MESSAGES:
        raise exceptions.InvalidArgument(f"messages: {count} of them; a request holds 1 to {names.MAX_MESSAGES}.")
    if size > _MAX_BYTES:
        raise exceptions.InvalidArgument(f"Request payload size exceeds the limit: {_MAX_BYTES} bytes ({size}).")
    for index, message in enumerate(request.messages):
        if not message.data and not message.attributes:
            raise exceptions.InvalidArgument(
                f"Message {index} is empty: a message holds data, or at least one attribute."
            )
        if message.attributes:
            _attributes(message.attributes, index)
        if len(message.ordering_key.encode()) > 1024:
            raise exceptions.InvalidArgument(f"messages[{index}].ordering_key: more than 1024 bytes.")


def _attributes(attributes: Any, index: int) -> None:
    if len(attributes) > 100:
        raise exceptions.InvalidArgument(f"messages[{index}].attributes: {len(attributes)}, 100 are allowed.")
    for key, value in attributes.items():
        if not key or len(key.encode()) > 256 or (key.startswith("goog") and not key.startswith("googclient_")):
            raise exceptions.InvalidArgument(
                f"messages[{index}].attributes: key {key!r} is not allowed (1 to 256 bytes, not starting with goog)."
            )
        if len(value.encode()) > 1024:
            raise exceptions.InvalidArgument(f"messages[{index}].attributes.{key}: more than 1024 bytes.")


def _between(field: str, duration: Any, least: int, most: int) -> None:
    seconds = duration.ToTimedelta().total_seconds()
    if not least <= seconds <= most:
        raise validate.invalid(field, f"{seconds:g}s: {least}s to {most}s are allowed.")


def _expiration(resource: Any) -> None:
    ttl = resource.expiration_policy.ttl
    if not resource.expiration_policy.HasField("ttl"):
        return
    if ttl.ToTimedelta().total_seconds() < _DAY:
        raise validate.invalid("expiration_policy.ttl", f"{ttl.ToJsonString()}: at least a day.")
    if ttl.ToTimedelta() < resource.message_retention_duration.ToTimedelta():
        raise validate.invalid("expiration_policy.ttl", "must not be less than message_retention_duration.")


def _dead_letters(policy: Any) -> None:
    if policy.max_delivery_attempts and not 5 <= policy.max_delivery_attempts <= 100:
        attempts = policy.max_delivery_attempts
        raise validate.invalid("dead_letter_policy.max_delivery_attempts", f"{attempts}: 5 to 100 are allowed.")
    if policy.dead_letter_topic:
        names.check("topics", policy.dead_letter_topic)


def _retries(policy: Any) -> None:
    for field in ("minimum_backoff", "maximum_backoff"):
        if policy.HasField(field):
            _between(f"retry_policy.{field}", getattr(policy, field), 0, 600)
    both = policy.HasField("minimum_backoff") and policy.HasField("maximum_backoff")
    if both and policy.minimum_backoff.ToTimedelta() > policy.maximum_backoff.ToTimedelta():
        raise validate.invalid("retry_policy.minimum_backoff", "is greater than maximum_backoff.")


def _not_built(resource: Any, kind: str, *fields: str) -> None:
    for field, _ in resource.ListFields():
        if field.name in fields:
            raise exceptions.MethodNotImplemented(f"{kind}.{field.name} is not built in this emulator.")
