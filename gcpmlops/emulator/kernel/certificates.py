"""The emulator's own certificate authority and one leaf certificate per host that a client connects to."""

from __future__ import annotations

import ssl
import threading
from pathlib import Path

import trustme

from gcpmlops.emulator.kernel.auth import write_private


class Certificates:
    """Makes TLS contexts by host name. The CA key stays in ``directory``, readable by its owner only."""

    def __init__(self, directory: Path) -> None:
        self._certificate = directory / "ca.pem"
        self._ca = _load(self._certificate, directory / "ca.key")
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()

    @property
    def path(self) -> Path:
        """The CA's certificate, in PEM."""
        return self._certificate

    def context(self, host: str) -> ssl.SSLContext:
        """A server context for ``host``; ``http/1.1`` goes before ``h2``, so only gRPC-only clients get h2."""
        with self._lock:
            if host not in self._contexts:
                self._contexts[host] = self._make(host)
            return self._contexts[host]

    def _make(self, host: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1", "h2"])
        self._ca.issue_cert(host, key_type=trustme.KeyType.ECDSA).configure_cert(context)
        return context


def _load(certificate: Path, key: Path) -> trustme.CA:
    if certificate.exists() and key.exists():
        return trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())
    ca = trustme.CA(organization_name="gcpmlops local Google Cloud", key_type=trustme.KeyType.ECDSA)
    write_private(key, ca.private_key_pem.bytes().decode())
    write_private(certificate, ca.cert_pem.bytes().decode())
    return ca
