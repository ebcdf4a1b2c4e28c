"""Tokens: ours and the self-signed ones are good; anything else is refused with the next step."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from google.api_core import exceptions
from google.auth import crypt, jwt

from gcpmlops.emulator.kernel.auth import Authenticator, load_key, load_secret


@pytest.fixture(scope="module")
def authenticator(tmp_path_factory: pytest.TempPathFactory) -> Authenticator:
    folder = tmp_path_factory.mktemp("keys")
    key, public = load_key(folder / "key.json", project="some-project")
    return Authenticator(key, public, load_secret(folder / "secret"))


def _assertion(authenticator: Authenticator, **claims: object) -> str:
    signer = crypt.RSASigner.from_service_account_info(authenticator._key)
    now = int(time.time())
    body = {"iss": authenticator.email, "sub": authenticator.email, "iat": now, "exp": now + 600, "aud": "x"} | claims
    return jwt.encode(signer, body).decode()


def test_an_own_token_tells_its_owner(authenticator: Authenticator) -> None:
    caller = authenticator.caller(f"Bearer {authenticator.access_token(authenticator.email)}")
    assert caller.email == authenticator.email
    assert caller.project == "some-project"


def test_a_self_signed_jwt_is_accepted(authenticator: Authenticator) -> None:
    assert authenticator.caller(f"Bearer {_assertion(authenticator)}").email == authenticator.email


def test_the_token_endpoint_exchanges_an_assertion(authenticator: Authenticator) -> None:
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    reply = authenticator.exchange({"grant_type": grant, "assertion": _assertion(authenticator)})
    assert authenticator.caller(f"Bearer {reply['access_token']}").email == authenticator.email
    assert reply["id_token"].count(".") == 2


@pytest.mark.parametrize("header", [None, "", "Basic abc", "Bearer ", "Bearer nonsense", "Bearer ya29.local.e30.00"])
def test_anything_else_is_refused(authenticator: Authenticator, header: str | None) -> None:
    with pytest.raises(exceptions.Unauthenticated, match="gcpmlops emulator"):
        authenticator.caller(header)


def test_old_and_foreign_tokens_are_refused(authenticator: Authenticator, tmp_path: Path) -> None:
    old = authenticator.access_token(authenticator.email, lifetime=-1)
    with pytest.raises(exceptions.Unauthenticated, match="expired"):
        authenticator.caller(f"Bearer {old}")
    key, public = load_key(tmp_path / "key.json", project="other-project")
    stranger = Authenticator(key, public, load_secret(tmp_path / "secret"))
    for token in (stranger.access_token(stranger.email), _assertion(stranger, iss=authenticator.email)):
        with pytest.raises(exceptions.Unauthenticated):
            authenticator.caller(f"Bearer {token}")


def test_keys_are_private_and_stay(tmp_path: Path) -> None:
    first, _ = load_key(tmp_path / "key.json", project="some-project")
    again, _ = load_key(tmp_path / "key.json", project="some-project")
    assert first == again
    assert (tmp_path / "key.json").stat().st_mode & 0o777 == 0o600
