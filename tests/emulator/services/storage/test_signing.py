"""V4 signed URLs as the official client makes them."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.api_core import exceptions
from google.auth import crypt
from google.cloud import storage
from google.oauth2 import service_account

from gcpmlops.emulator.services.storage.signing import SignedUrls

EMAIL = "robot@local-project.iam.gserviceaccount.com"


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def blob(key):
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    signer = crypt.RSASigner.from_string(pem.decode())
    credentials = service_account.Credentials(signer, EMAIL, "http://127.0.0.1/token")
    client = storage.Client(project="local-project", credentials=credentials)
    yield client.bucket("bucket-1").blob("dir/ü b.txt")
    client.close()


@pytest.fixture
def urls(key):
    public = key.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return SignedUrls(pem.decode(), EMAIL)


def scope(url, method="GET", headers=()):
    parts = urlsplit(url)
    return {
        "method": method,
        "raw_path": parts.path.encode(),
        "path": parts.path,
        "query_string": parts.query.encode(),
        "headers": [(b"host", parts.netloc.encode()), *headers],
    }


def test_a_signed_url_names_its_signer(blob, urls):
    url = blob.generate_signed_url(timedelta(minutes=5), version="v4", response_type="text/x")
    assert urls.signer(scope(url)) == EMAIL


def test_headers_and_method_are_signed(blob, urls):
    url = blob.generate_signed_url(timedelta(minutes=5), version="v4", method="PUT", content_type="text/x")
    assert urls.signer(scope(url, "PUT", [(b"content-type", b"text/x")])) == EMAIL
    with pytest.raises(exceptions.Forbidden):
        urls.signer(scope(url, "PUT", [(b"content-type", b"text/y")]))
    with pytest.raises(exceptions.Forbidden):
        urls.signer(scope(url, "DELETE", [(b"content-type", b"text/x")]))


def test_tampering_and_foreign_keys(blob, urls):
    url = blob.generate_signed_url(timedelta(minutes=5), version="v4")
    with pytest.raises(exceptions.Forbidden):
        urls.signer(scope(url.replace("bucket-1", "bucket-2")))
    with pytest.raises(exceptions.Forbidden):
        urls.signer(scope(url[:-4] + "zzzz"))


def test_expiry(blob, key, urls):
    url = blob.generate_signed_url(timedelta(minutes=5), version="v4")
    urls._now = lambda: 4_000_000_000.0
    with pytest.raises(exceptions.BadRequest, match="expired"):
        urls.signer(scope(url))


def test_requests_without_a_signature(urls):
    assert urls.signer(scope("https://storage.googleapis.com/b/o?alt=media")) is None
    with pytest.raises(exceptions.BadRequest):
        urls.signer(scope("https://storage.googleapis.com/b/o?X-Goog-Signature=00"))
