"""Signatures are those that a receiver of its own making finds."""

from __future__ import annotations

import hashlib

from server.webhooks.signing import headers_of, new_secret, signature

BLOCK_BYTES = 64


def hmac_by_hand(key: bytes, message: bytes) -> str:
    """RFC 2104, written out."""
    key = hashlib.sha256(key).digest() if len(key) > BLOCK_BYTES else key
    key = key.ljust(BLOCK_BYTES, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key) + message).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in key) + inner).hexdigest()


def test_a_known_one() -> None:
    # RFC 4231, 4.3.
    wanted = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert signature("Jefe", b"what do ya want for nothing?") == wanted


def test_headers_are_signed_over_the_exact_bytes() -> None:
    secret, body = new_secret(), '{"name": "Zoë",  "x": 1}'.encode()
    assert len(secret) > 64  # longer than a block: hashed first
    headers = headers_of(
        secret, body, at_s=1_700_000_000, event="report.generated", event_id="evt_1", delivery_id="dlv_1", attempt=2
    )
    assert headers["X-Earshot-Signature"] == "v1=" + hmac_by_hand(secret.encode(), b"1700000000." + body)
    assert headers["X-Webhook-Signature"] == "sha256=" + hmac_by_hand(secret.encode(), body)
    assert headers["X-Dembrane-Signature"] == hmac_by_hand(secret.encode(), body)
    assert (headers["X-Earshot-Event"], headers["X-Webhook-Event"]) == ("report.generated", "report.generated")
    assert (headers["X-Earshot-Event-Id"], headers["X-Earshot-Delivery-Id"]) == ("evt_1", "dlv_1")
    assert (headers["X-Earshot-Timestamp"], headers["X-Earshot-Attempt"]) == ("1700000000", "2")


def test_secrets_are_not_repeated() -> None:
    assert len({new_secret() for _ in range(100)}) == 100
