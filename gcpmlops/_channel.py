"""A gRPC channel to `Config.endpoint` that carries the caller's bearer token."""

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import google.auth.jwt
import grpc
from google.auth.credentials import Credentials, Signing

_OPTIONS = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))


class _CallDetails(NamedTuple):
    """grpc gives interceptors no way to change a call's metadata but a new object of these attributes."""

    method: str
    timeout: float | None
    metadata: Any
    credentials: Any
    wait_for_ready: bool | None
    compression: Any


class _Bearer(
    grpc.UnaryUnaryClientInterceptor,  # type: ignore[misc]  # grpc ships no types
    grpc.UnaryStreamClientInterceptor,  # type: ignore[misc]
    grpc.StreamStreamClientInterceptor,  # type: ignore[misc]
):
    """Adds `authorization: Bearer TOKEN`: gRPC sends call credentials over TLS only."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def intercept_unary_unary(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        return continuation(self._with_token(details), request)

    def intercept_unary_stream(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        return continuation(self._with_token(details), request)

    def intercept_stream_stream(self, continuation: Callable[..., Any], details: Any, requests: Any) -> Any:
        return continuation(self._with_token(details), requests)

    def _with_token(self, details: Any) -> _CallDetails:
        headers: dict[str, str] = {}
        self._credentials.before_request(_Refresh(), "POST", f"https://googleapis.com{details.method}", headers)
        metadata = [*(details.metadata or ()), *((key.lower(), value) for key, value in headers.items())]
        return _CallDetails(
            details.method, details.timeout, metadata, details.credentials, details.wait_for_ready, details.compression
        )


class _Refresh:
    """google-auth's HTTP request, made only if a token has to be fetched: importing requests takes 60 ms."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from google.auth.transport.requests import Request

        return Request()(*args, **kwargs)


def endpoint_channel(endpoint: str, credentials: Credentials, *, host: str) -> grpc.Channel:
    """A channel to the endpoint for the service that Google serves at `host`, which is also the :authority."""
    parts = urlsplit(endpoint)
    target = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    options = (*_OPTIONS, ("grpc.default_authority", host), ("grpc.primary_user_agent", "gcpmlops"))
    if parts.scheme == "https":
        channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(), options=options)
    else:
        channel = grpc.insecure_channel(target, options=options)
    return grpc.intercept_channel(channel, _Bearer(_self_signed(credentials, host)))


def _self_signed(credentials: Credentials, host: str) -> Credentials:
    """A service account's key signs its own token, as Google's gRPC clients do: no round trip to the token endpoint.

    Impersonated credentials sign by asking: they have no key.
    """
    if isinstance(credentials, Signing) and hasattr(getattr(credentials, "signer", None), "key_id"):
        audience = f"https://{host}/"
        return google.auth.jwt.Credentials.from_signing_credentials(credentials, audience)  # type: ignore[no-any-return]
    return credentials
