"""Tokens as attackers make them, against a served node whose issuer is a real one on the loopback."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.fakes.issuer import AUDIENCE, Issuer, bearer, by_hand, claims, ec_key, pem_of, rsa_key
from tests.fakes.running_app import running_app


def hs256(key: bytes, head: dict[str, Any], body: dict[str, Any]) -> str:
    """Signed by hand: libraries refuse to take a public key for a secret."""
    unsigned = by_hand(head, body).rpartition(".")[0]
    signature = hmac.digest(key, unsigned.encode(), hashlib.sha256)
    return unsigned + "." + by_hand({}, {}, signature).rpartition(".")[2]


def attacks(issuer: Issuer) -> dict[str, str]:
    now = time.time()
    good = claims(iss=issuer.url, aud=AUDIENCE)
    sound = issuer.token()
    head, body, signature = sound.split(".")
    public = pem_of(rsa_key().public_key())
    stranger = rsa_key(1)
    private = stranger.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    own_jwk = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(stranger.public_key())), "kid": "rsa-1"}

    def signed(head: dict[str, Any], key: Any = stranger) -> str:
        return jwt.encode(good, key, algorithm="RS256", headers={"kid": "rsa-1", **head})

    return {
        "alg none": by_hand({"alg": "none", "typ": "JWT"}, good),
        "alg None in other letters": by_hand({"alg": "nOnE", "kid": "rsa-1"}, good),
        "alg none with the true signature": by_hand({"alg": "none", "kid": "rsa-1"}, good) + signature,
        "no alg": by_hand({"kid": "rsa-1"}, good, b"x"),
        "alg is a list": by_hand({"alg": ["RS256"], "kid": "rsa-1"}, good, b"x"),
        "signature left out": f"{head}.{body}.",
        "signature of another": f"{head}.{body}.{issuer.token('bert').rpartition('.')[2]}",
        "claims of another": f"{head}.{issuer.token('bert').split('.')[1]}.{signature}",
        "public RSA key as HMAC secret": hs256(public, {"alg": "HS256", "kid": "rsa-1"}, good),
        "public key as one line": hs256(public.strip(), {"alg": "HS256"}, good),
        "public EC key as HMAC secret": hs256(pem_of(ec_key().public_key()), {"alg": "HS256", "kid": "ec-1"}, good),
        "empty HMAC secret": hs256(b"", {"alg": "HS256"}, good),
        "RSA key under the name of the EC key": issuer.token(kid="ec-1", key=rsa_key()),
        "EC key under the name of the RSA key": issuer.token(kid="rsa-1", key=ec_key()),
        "RS512 with the right key": jwt.encode(good, rsa_key(), algorithm="RS512", headers={"kid": "rsa-1"}),
        "PS256 with the right key": jwt.encode(good, rsa_key(), algorithm="PS256", headers={"kid": "rsa-1"}),
        "a key of one's own": signed({}),
        "a key of one's own in the head": signed({"jwk": own_jwk}),
        "a key of one's own by address": signed({"jku": "http://127.0.0.1:9/keys", "x5u": "http://127.0.0.1:9/x"}),
        "a private key in the head": signed({"jwk": {"pem": private.decode()}}),
        "unknown kid": issuer.token(kid="nobody's"),
        "kid that is a path": issuer.token(kid="../../dev/null"),
        "kid that is a query": issuer.token(kid="' OR 1=1 --"),
        "kid too long": issuer.token(kid="k" * 2000),
        "kid is a number": by_hand({"alg": "RS256", "kid": 7}, good, b"x"),
        "unknown critical header": signed({"crit": ["exp2"], "exp2": 1}, rsa_key()),
        "expired": issuer.token(exp=now - 120),
        "expired long ago": issuer.token(exp=0),
        "not yet valid": issuer.token(nbf=now + 600),
        "issued in the future": issuer.token(iat=now + 600),
        "no exp": issuer.token(exp=None),
        "exp is text": issuer.token(exp="tomorrow"),
        "exp is a list": issuer.token(exp=[now + 100]),
        "no sub": issuer.token(None),
        "empty sub": issuer.token(""),
        "sub is a number": issuer.token(7),
        "sub with a line end": issuer.token("anna\nadmin"),
        "sub with NUL": issuer.token("anna\0"),
        "sub too long": issuer.token("a" * 300),
        "wrong audience": issuer.token(aud="another"),
        "no audience": issuer.token(aud=None),
        "wrong issuer": issuer.token(iss="https://evil.example"),
        "issuer with a slash more": issuer.token(iss=issuer.url + "/"),
        "no issuer": issuer.token(iss=None),
        "oversized": issuer.token(padding="x" * 9000),
        "five parts (JWE)": "a.b.c.d.e",
        "two parts": f"{head}.{body}",
        "garbage": "garbage",
        "dots": "..",
        "not base64": "%%%.%%%.%%%",
        "head is a list": by_hand([], good, b"x"),
        "head is deep": _raw(b"[" * 4000),
        "claims are a list": jwt.api_jws.encode(b"[]", rsa_key(), algorithm="RS256", headers={"kid": "rsa-1"}),
        "claims are deep": jwt.api_jws.encode(b"[" * 4000, rsa_key(), algorithm="RS256", headers={"kid": "rsa-1"}),
        "claims are not JSON": jwt.api_jws.encode(b"\xff", rsa_key(), algorithm="RS256", headers={"kid": "rsa-1"}),
        "exp is endless": jwt.api_jws.encode(
            b'{"sub": "anna", "exp": 1e999}', rsa_key(), algorithm="RS256", headers={"kid": "rsa-1"}
        ),
    }


def _raw(head: bytes) -> str:
    return by_hand({}, head).split(".")[1] + ".e30.eA"


async def test_every_attack_is_refused_with_the_typed_error(tmp_path: Path) -> None:
    async with (
        Issuer().served() as issuer,
        running_app(
            tmp_path,
            auth_mode="oidc",
            auth_issuer=issuer.url,
            auth_audience=(AUDIENCE,),
            public_mode=True,
            failed_sign_ins_per_minute=1000,
        ) as node,
    ):
        for kid in ("rsa-1", "ec-1"):
            answer = await node.http.get("/v1/me", headers=bearer(issuer.token(kid=kid)))
            assert (answer.status_code, answer.json()["id"]) == (200, "anna")
        for name, text in attacks(issuer).items():
            answer = await node.http.get("/v1/me", headers=bearer(text))
            # Nor is anybody who shows a bad token taken for nobody, who may do something in public mode.
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "NOT_AUTHORISED"), name
            assert answer.headers["www-authenticate"].startswith("Bearer"), name
            assert text[:40] not in answer.text, name
        assert (await node.http.get("/v1/me")).json()["id"] is None
        assert issuer.fetches == 1  # whatever names strangers give to keys

        # It is down: who is known goes on.
        issuer.answer = b""
        assert (await node.http.get("/v1/me", headers=bearer(issuer.token()))).status_code == 200
        path = f"/v1/transcripts_websocket/{await node.new_transcript()}"
        async with node.socket(path, subprotocols=["bearer", attacks(issuer)["alg none"]]) as socket:
            assert (await socket.closed())[0] == 4001
