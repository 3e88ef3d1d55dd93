"""Which tokens make a principal, of each kind of key, and what is read from them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from protocol.errors import NotAuthorised
from server.accounts.principal import EVERYTHING, OWN_THINGS
from server.accounts.signing_keys import read_jwks, read_pem, shared_secret
from server.accounts.tokens import OneKey, Tokens
from tests.fakes.issuer import SECRET, Issuer, claims, ec_key, pem_of, rsa_key, token


def checker(keys: OneKey | None = None, **options: Any) -> Tokens:
    defaults: dict[str, Any] = {
        "issuer": None,
        "audiences": (),
        "leeway_s": 30.0,
        "max_bytes": 4096,
        "admin_claim": "scope",
        "admin_value": "admin",
    }
    return Tokens(keys or OneKey(shared_secret(SECRET)), **(defaults | options))


async def test_a_token_names_its_user_and_ends_with_it() -> None:
    ends_at = time.time() + 100
    principal = await checker().identify(token("anna", exp=ends_at, name="Anna Berg"))
    assert (principal.id, principal.name, principal.trusted, principal.host) == ("anna", "Anna Berg", True, False)
    assert principal.scopes == OWN_THINGS
    assert principal.expires_at == pytest.approx(ends_at + 30, abs=1)


@pytest.mark.parametrize(
    ("claim", "value", "is_admin"),
    [
        ("scope", {"scope": "openid admin"}, True),
        ("scope", {"scope": "openid administrator"}, False),
        ("scope", {"scope": True}, False),
        ("scope", {}, False),
        ("groups", {"groups": ["staff", "admin"]}, True),
        ("groups", {"groups": {"admin": True}}, False),
        ("realm_access.roles", {"realm_access": {"roles": ["admin"]}}, True),
        ("realm_access.roles", {"realm_access": ["admin"]}, False),
        ("https://id.example/roles", {"https://id.example/roles": ["admin"]}, True),
    ],
)
async def test_the_configured_claim_makes_an_admin(claim: str, value: dict[str, Any], is_admin: bool) -> None:
    principal = await checker(admin_claim=claim).identify(token(**value))
    assert principal.is_admin is is_admin
    assert principal.host is is_admin
    assert (principal.scopes == EVERYTHING) is is_admin


@pytest.mark.parametrize("kind", ["RS256", "ES256"])
async def test_a_key_file_decides_the_algorithm(tmp_path: Path, kind: str) -> None:
    signer, other = (rsa_key(), ec_key()) if kind == "RS256" else (ec_key(), rsa_key())
    path = tmp_path / "issuer.pem"
    path.write_bytes(pem_of(signer.public_key()))
    tokens = checker(OneKey(read_pem(path)))
    good = jwt.encode(claims(), signer, algorithm=kind, headers={"kid": "whatever"})
    assert (await tokens.identify(good)).id == "anna"
    wrong = jwt.encode(claims(), other, algorithm="ES256" if kind == "RS256" else "RS256")
    for bad in (wrong, token()):
        with pytest.raises(NotAuthorised):
            await tokens.identify(bad)


def test_a_key_file_that_is_none_is_told(tmp_path: Path) -> None:
    small = rsa.generate_private_key(65537, 1024).public_key()
    for text, why in ((b"-----BEGIN", "no public key"), (b"", "no public key"), (pem_of(small), "RSA key of 2048")):
        path = tmp_path / "key.pem"
        path.write_bytes(text)
        with pytest.raises(ValueError, match=why):
            read_pem(path)


def test_of_published_keys_only_those_that_sign_as_we_check_are_taken() -> None:
    good, curve = Issuer().jwks
    bad: list[dict[str, Any]] = [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"},
        {**good, "use": "enc"},
        {**good, "alg": "RS512"},
        {**good, "alg": "HS256"},
        {**good, "n": "AQAB"},
        {**good, "n": 7},
        {**good, "d": "AQAB"},
        {**good, "kid": 7},
        {**good, "kid": "x" * 500},
        {**curve, "crv": "P-384"},
        {"kty": "OKP"},
        {},
    ]
    found = read_jwks(json.dumps({"keys": [*bad, good, curve, "noise"]}).encode())
    assert [(key.kid, key.algorithm) for key in found] == [("rsa-1", "RS256"), ("ec-1", "ES256")]
    for text in (b"", b"[]", b"{}", b'{"keys": 1}', b"[" * 100_000, json.dumps({"keys": [good] * 65}).encode()):
        with pytest.raises(ValueError, match="it "):
            read_jwks(text)


async def test_audience_and_issuer_are_asked_for_where_they_are_configured() -> None:
    strict = checker(issuer="https://id.example", audiences=("earshot", "api"))
    assert (await strict.identify(token(iss="https://id.example", aud=["x", "api"]))).id == "anna"
    for wrong in (
        {"aud": "earshot"},
        {"iss": "https://id.example"},
        {"iss": "https://id.example/", "aud": "earshot"},
        {"iss": "https://id.example", "aud": "earshot2"},
        {"iss": "https://id.example", "aud": None},
        {"iss": "https://id.example", "aud": 7},
    ):
        with pytest.raises(NotAuthorised):
            await strict.identify(token(**wrong))
    with pytest.raises(NotAuthorised, match="audience"):  # meant for somebody, and nobody said that it is us
        await checker().identify(token(aud="somebody"))


async def test_leeway_bears_clocks_that_are_wrong_and_no_more() -> None:
    now = time.time()
    for claim, seconds in (("exp", -20), ("nbf", 20), ("iat", 20)):
        assert (await checker().identify(at(claim, now + seconds))).id == "anna"
    for claim, seconds in (("exp", -40), ("nbf", 40), ("iat", 40)):
        with pytest.raises(NotAuthorised):
            await checker().identify(at(claim, now + seconds))


def at(claim: str, epoch_s: float) -> str:
    times: dict[str, Any] = {claim: epoch_s}
    return token("anna", **times)
