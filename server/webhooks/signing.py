"""What a webhook's receiver knows a delivery by: headers, and signatures over exactly the bytes that are sent.

``X-Earshot-Signature`` is of ``<timestamp>.<body>``, so that an old delivery cannot be sent again as a new one. The
headers without ``Earshot`` are for receivers that were written for neighbouring systems; theirs are of the body alone.
"""

from __future__ import annotations

import hmac
import secrets

USER_AGENT = "Earshot-Webhook/1.0"
GENERATED_PREFIX = "whs_"
SECRET_BYTES = 32


def new_secret() -> str:
    return GENERATED_PREFIX + secrets.token_hex(SECRET_BYTES)


def signature(secret: str, message: bytes) -> str:
    """HMAC-SHA256 (RFC 2104) in hex. The key is the secret's text as it was shown."""
    return hmac.digest(secret.encode(), message, "sha256").hex()


def headers_of(
    secret: str, body: bytes, *, at_s: int, event: str, event_id: str, delivery_id: str, attempt: int
) -> dict[str, str]:
    """``at_s``: epoch seconds of this attempt. ``event_id`` stays the same however often the event is told,
    ``delivery_id`` for all attempts of one delivery."""
    of_body = signature(secret, body)
    return {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "X-Earshot-Event": event,
        "X-Earshot-Event-Id": event_id,
        "X-Earshot-Delivery-Id": delivery_id,
        "X-Earshot-Attempt": str(attempt),
        "X-Earshot-Timestamp": str(at_s),
        "X-Earshot-Signature": f"v1={signature(secret, str(at_s).encode() + b'.' + body)}",
        "X-Webhook-Event": event,
        "X-Webhook-Signature": f"sha256={of_body}",
        "X-Dembrane-Signature": of_body,
    }
