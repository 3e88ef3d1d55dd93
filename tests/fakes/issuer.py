"""An issuer of tokens on a real port of the loopback: its discovery document, its keys, and tokens that it signs."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

SECRET = "a secret of the tests, longer than 32 bytes"
AUDIENCE = "earshot"


@functools.cache
def rsa_key(number: int = 0) -> rsa.RSAPrivateKey:
    """Made once: it takes a while."""
    return rsa.generate_private_key(65537, 2048)


@functools.cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pem_of(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def claims(sub: str = "anna", **more: Any) -> dict[str, Any]:
    """Good for an hour; None leaves a claim out."""
    full = {"sub": sub, "exp": time.time() + 3600, **more}
    return {name: value for name, value in full.items() if value is not None}


def token(sub: str = "anna", **more: Any) -> str:
    """Signed with ``SECRET``."""
    return jwt.encode(claims(sub, **more), SECRET, algorithm="HS256")


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def by_hand(head: Any, body: dict[str, Any] | bytes, signature: bytes = b"") -> str:
    """A token of these very parts, whatever a library thinks of them."""
    parts = (json.dumps(head).encode(), body if isinstance(body, bytes) else json.dumps(body).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


class Issuer:
    """``jwks`` is what it publishes, ``asked`` the paths that were asked for. ``answer`` replaces every answer."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[str] = []
        self.was_asked = asyncio.Event()
        self.jwks: list[dict[str, Any]] = [
            {**RSAAlgorithm.to_jwk(rsa_key().public_key(), as_dict=True), "kid": "rsa-1", "use": "sig"},
            {**ECAlgorithm.to_jwk(ec_key().public_key(), as_dict=True), "kid": "ec-1", "alg": "ES256"},
        ]
        self.named: str | None = None  # in place of its own name
        self.answer: bytes | None = None
        self.silent = False

    @property
    def fetches(self) -> int:
        return self.asked.count("/keys")

    def token(self, sub: Any = "anna", *, kid: str | None = "rsa-1", key: Any = None, **more: Any) -> str:
        signer = key if key is not None else ec_key() if kid == "ec-1" else rsa_key()
        algorithm = "ES256" if isinstance(signer, ec.EllipticCurvePrivateKey) else "RS256"
        body = claims(sub, **{"iss": self.url, "aud": AUDIENCE, **more})
        return jwt.encode(body, signer, algorithm=algorithm, headers={"kid": kid} if kid else None)

    @contextlib.asynccontextmanager
    async def served(self, port: int = 0) -> AsyncIterator[Issuer]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ")[1].decode()
            self.asked.append(path)
            self.was_asked.set()
            if self.silent:
                await reader.read()
            else:
                writer.write(self.answer if self.answer is not None else self._answer(path))
                await writer.drain()
        writer.close()

    def _answer(self, path: str) -> bytes:
        if path == "/keys":
            return response({"keys": self.jwks})
        if path == "/.well-known/openid-configuration":
            return response({"issuer": self.named or self.url, "jwks_uri": f"{self.url}/keys"})
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def response(document: Any, *more: str) -> bytes:
    data = json.dumps(document).encode()
    head = ("HTTP/1.1 200 OK", "Content-Type: application/json", f"Content-Length: {len(data)}", "Connection: close")
    return "\r\n".join((*head, *more, "", "")).encode() + data
