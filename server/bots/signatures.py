"""Signatures of what is sent between meeting bots and us, as Svix makes them and Standard Webhooks describes them.

Three headers: an id, the time, and an HMAC-SHA256 (RFC 2104) of ``<id>.<time>.<body>`` in base64; that a connection is
opened is signed with an empty body. The secret is ``whsec_`` and the key in base64.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

from protocol.errors import Forbidden

PREFIX = "whsec_"
KEY_BYTES = 32
KEY_MIN_BYTES, KEY_MAX_BYTES = 16, 64
TOLERANCE_S = 300.0
ID_MAX_CHARS = 256
SIGNATURES_MAX = 16  # of one message: of several secrets, while one takes the place of another
SEEN_MAX = 100_000
_NAMES = ("webhook", "svix")  # what the headers begin with


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def key_of(secret: str) -> bytes:
    """Raises ``ValueError`` for what is no secret, which says nothing of it."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX).encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not KEY_MIN_BYTES <= len(key) <= KEY_MAX_BYTES:
        raise ValueError(f"a signing secret is {PREFIX} and {KEY_MIN_BYTES} to {KEY_MAX_BYTES} bytes in base64")
    return key


def signature(secret: str, id_: str, at_s: int, body: bytes) -> str:
    message = f"{id_}.{at_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key_of(secret), message, hashlib.sha256)).decode()


def headers_of(secret: str, id_: str, at_s: int, body: bytes) -> dict[str, str]:
    """``id_`` stays the same however often a message is sent."""
    signed = signature(secret, id_, at_s, body)
    return {"webhook-id": id_, "webhook-timestamp": str(at_s), "webhook-signature": signed}


class Verifier:
    """Knows what it let in, so that nobody sends it again. ``clock`` gives epoch seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._seen: OrderedDict[bytes, float] = OrderedDict()  # until when each is remembered

    def verify(self, secret: str, headers: Mapping[str, str], body: bytes) -> None:
        """Raises ``Forbidden``; ``details.reason`` is ``missing``, ``forged``, ``old`` or ``repeated``."""
        found = next((found for name in _NAMES if (found := _of(headers, name)) is not None), None)
        if found is None:
            raise _refused(
                "missing", "this bot signs that it connects: webhook-id, -timestamp and -signature are missing"
            )
        id_, told_at, signatures = found
        is_time = told_at.isascii() and told_at.isdigit() and len(told_at) <= 12
        expected = signature(secret, id_, int(told_at), body).encode() if is_time and len(id_) <= ID_MAX_CHARS else b""
        given = signatures.split(" ")[:SIGNATURES_MAX]
        # All of them, so that how long it takes says nothing.
        fits = [hmac.compare_digest(expected, each.encode("utf-8", "replace")) for each in given]
        if not expected or not any(fits):
            raise _refused("forged", "the signature is not of this bot's secret")
        now = self._clock()
        if abs(now - int(told_at)) > TOLERANCE_S:
            raise _refused("old", f"it was signed more than {TOLERANCE_S:g} s ago, or is yet to be: see to the clock")
        self._note(hashlib.sha256(f"{secret}\n{id_}".encode()).digest(), now)

    def _note(self, known: bytes, now: float) -> None:
        while self._seen and (next(iter(self._seen.values())) < now or len(self._seen) >= SEEN_MAX):
            self._seen.popitem(last=False)
        if known in self._seen:
            raise _refused("repeated", "this was sent before: each connection has a webhook-id of its own")
        self._seen[known] = now + 2 * TOLERANCE_S


def _of(headers: Mapping[str, str], name: str) -> tuple[str, str, str] | None:
    found = [headers.get(f"{name}-{part}") for part in ("id", "timestamp", "signature")]
    id_, told_at, signatures = found
    return None if id_ is None or told_at is None or signatures is None else (id_, told_at, signatures)


def _refused(reason: str, message: str) -> Forbidden:
    return Forbidden(message, details={"reason": reason})
