"""Keys of service accounts: the public halves, as certificates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from google.cloud.iam_admin_v1 import types

from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.kernel.validate import invalid

FOREVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


class UserKeys:
    """By name ``projects/P/serviceAccounts/EMAIL/keys/ID``; ``public_key_data`` holds the certificate."""

    def __init__(self, context: Context) -> None:
        self.rows = context.store.collection(types.ServiceAccountKey)

    def of(self, account: str) -> list[types.ServiceAccountKey]:
        """All keys of an account, by its name."""
        found: list[types.ServiceAccountKey] = self.rows.list(account)
        return found

    def add(self, account: str, key_id: str, certificate: bytes, *, uploaded: bool) -> types.ServiceAccountKey:
        """Keeps a certificate as an account's key."""
        loaded = _loaded(certificate)
        bits = loaded.public_key().key_size
        if bits not in (1024, 2048, 4096):
            raise invalid("public_key_data", f"RSA keys of 1024, 2048 or 4096 bits are allowed, not of {bits}.")
        key = types.ServiceAccountKey(
            name=f"{account}/keys/{key_id}",
            key_algorithm="KEY_ALG_RSA_1024" if bits == 1024 else "KEY_ALG_RSA_2048",
            public_key_data=certificate,
            valid_after_time=loaded.not_valid_before_utc,
            valid_before_time=loaded.not_valid_after_utc if uploaded else FOREVER,
            key_origin="USER_PROVIDED" if uploaded else "GOOGLE_PROVIDED",
            key_type="USER_MANAGED",
        )
        self.rows.insert(key.name, key, parent=account)
        return key

    def system(self, account: str, file: dict[str, Any]) -> types.ServiceAccountKey:
        """The key that Google keeps, of its file; it is not among those that users have."""
        name = f"{account}/keys/{file['private_key_id']}"
        found: types.ServiceAccountKey | None = self.rows.find(name)
        if found is None:
            certificate = certificate_of(file)
            found = types.ServiceAccountKey(
                name=name,
                key_algorithm="KEY_ALG_RSA_2048",
                public_key_data=certificate,
                valid_after_time=_loaded(certificate).not_valid_before_utc,
                valid_before_time=FOREVER,
                key_origin="GOOGLE_PROVIDED",
                key_type="SYSTEM_MANAGED",
            )
            self.rows.put(name, found, parent="")
        return found

    def public(self, name: str) -> str:
        """In PEM. Raises: LookupError for a key that is not there, not valid by now, or disabled."""
        key: types.ServiceAccountKey | None = self.rows.find(name)
        if key is None or not _is_valid(key):
            raise LookupError(name)
        return raw_public(key.public_key_data).decode()

    def valid(self, account: str) -> dict[str, str]:
        """Of all of an account's keys that are valid, in PEM by key id."""
        keys = (key for key in self.of(account) if _is_valid(key))
        return {key.name.rpartition("/")[2]: raw_public(key.public_key_data).decode() for key in keys}

    def forget(self, account: str) -> None:
        """The account is gone."""
        self.rows.delete_below(account)


def _is_valid(key: types.ServiceAccountKey) -> bool:
    return not key.disabled and bool(key.valid_after_time <= datetime.now(UTC) <= key.valid_before_time)


def certificate_of(key: dict[str, Any]) -> bytes:
    """A self-signed certificate of a key file's key, as Google makes one."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import NameOID

    private: Any = serialization.load_pem_private_key(key["private_key"].encode(), password=None)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, str(key["client_id"]))])
    start = datetime.now(UTC) - timedelta(minutes=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(FOREVER)
        .sign(private, hashes.SHA256())
    )
    return bytes(made.public_bytes(serialization.Encoding.PEM))


def raw_public(certificate: bytes) -> bytes:
    """The public key of a certificate, in PEM."""
    from cryptography.hazmat.primitives import serialization

    public = _loaded(certificate).public_key()
    made: bytes = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return made


def _loaded(certificate: bytes) -> Any:
    """Raises: InvalidArgument for what is no certificate of an RSA key."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa

    try:
        loaded = x509.load_pem_x509_certificate(certificate)
    except ValueError as error:
        raise invalid("public_key_data", f"no X.509 certificate in PEM: {error}.") from None
    if not isinstance(loaded.public_key(), rsa.RSAPublicKey):
        raise invalid("public_key_data", "the certificate's key is no RSA key.")
    return loaded
