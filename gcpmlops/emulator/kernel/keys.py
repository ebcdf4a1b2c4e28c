"""RSA keys of service accounts, as the key files that Google's clients take."""

from __future__ import annotations

import json
import secrets
import threading
from pathlib import Path
from typing import Any

ROOT_URI = "https://www.googleapis.com/robot/v1/metadata/x509"
_BITS = 2048


def make(email: str, *, project: str, client_id: str = "", bits: int = _BITS) -> dict[str, Any]:
    """A key file's content with a new private key."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    private = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "project_id": project,
        "private_key_id": secrets.token_hex(20),
        "private_key": pem.decode(),
        "client_email": email,
        "client_id": client_id or str(secrets.randbelow(10**21)),
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token",
        "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
        "client_x509_cert_url": f"{ROOT_URI}/{email.replace('@', '%40')}",
        "universe_domain": "googleapis.com",
    }


def public_of(key: dict[str, Any]) -> str:
    """The public half in PEM."""
    from cryptography.hazmat.primitives import serialization

    loaded = serialization.load_pem_private_key(key["private_key"].encode(), password=None)
    public = loaded.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return public.decode()


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner may read, whole or not at all."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    part.touch(mode=0o600)
    part.write_text(text, "utf-8")
    part.rename(path)


class SystemKeys:
    """The key of each account that Google would keep to itself: made when first needed, in a private folder.

    Args:
        folder: where they are kept; made when there is one to keep.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._known: dict[str, tuple[dict[str, Any], str]] = {}

    def of(self, email: str, *, project: str = "") -> dict[str, Any]:
        """The account's key file."""
        return self._entry(email, project)[0]

    def public(self, email: str) -> str:
        """The public half of the account's key."""
        return self._entry(email, "")[1]

    def find(self, email: str) -> dict[str, Any] | None:
        """The account's key file, where one was made."""
        return self.of(email) if email in self._known or self._path(email).exists() else None

    def forget(self, email: str) -> None:
        """The account is gone, and its key with it."""
        with self._lock:
            self._known.pop(email, None)
            self._path(email).unlink(missing_ok=True)

    def _entry(self, email: str, project: str) -> tuple[dict[str, Any], str]:
        with self._lock:
            if email not in self._known:
                key = self._load(email, project)
                self._known[email] = (key, public_of(key))
            return self._known[email]

    def _load(self, email: str, project: str) -> dict[str, Any]:
        path = self._path(email)
        if not path.exists():
            self._folder.mkdir(mode=0o700, exist_ok=True)
            own = project or email.partition("@")[2].partition(".")[0]
            write_private(path, json.dumps(make(email, project=own)))
        key: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return key

    def _path(self, email: str) -> Path:
        """Emails hold no slashes once an account has one; what else is asked for gets a name without any."""
        return self._folder / f"{email.replace('/', '_')}.json"
