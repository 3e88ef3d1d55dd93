"""Signatures as others make them are taken, and nothing else is."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from protocol.errors import Forbidden
from server.bots import signatures
from server.bots.signatures import Verifier, headers_of, key_of, new_secret, signature

# The example of Svix's documentation of how webhooks are verified by hand.
SVIX_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SVIX_ID, SVIX_AT = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
SVIX_BODY = b'{"test": 2432232314}'
SVIX_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

SECRET, AT = new_secret(), 1_700_000_000


def refused(verifier: Verifier, headers: dict[str, str], body: bytes = b"") -> str:
    with pytest.raises(Forbidden) as error:
        verifier.verify(SECRET, headers, body)
    assert SECRET not in error.value.message
    return str(error.value.details["reason"])


def test_what_others_sign() -> None:
    assert signature(SVIX_SECRET, SVIX_ID, SVIX_AT, SVIX_BODY) == SVIX_SIGNATURE
    headers = {"svix-id": SVIX_ID, "svix-timestamp": str(SVIX_AT), "svix-signature": f"v1,AAAA {SVIX_SIGNATURE} v2,x"}
    Verifier(lambda: SVIX_AT).verify(SVIX_SECRET, headers, SVIX_BODY)


def test_ours_is_what_the_standard_says() -> None:
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = base64.b64encode(hmac.new(key, b"m1.1700000000.", hashlib.sha256).digest()).decode()
    assert headers_of(SECRET, "m1", AT, b"") == {
        "webhook-id": "m1",
        "webhook-timestamp": "1700000000",
        "webhook-signature": f"v1,{signed}",
    }


def test_what_is_refused() -> None:
    now = float(AT)
    verifier = Verifier(lambda: now)
    good = headers_of(SECRET, "m1", AT, b"")
    for name in good:
        assert refused(verifier, {key: value for key, value in good.items() if key != name}) == "missing"
    assert refused(verifier, good, b"other") == "forged"
    assert refused(verifier, headers_of(new_secret(), "m1", AT, b"")) == "forged"
    for wrong in (
        {"webhook-id": "m2"},
        {"webhook-id": "m" * 300},
        *({"webhook-timestamp": text} for text in ("", "-1", "1e9", "٣", "9" * 40, str(AT + 1))),
        *({"webhook-signature": text} for text in ("", "v1,", "é", good["webhook-signature"][3:], "v1, " * 100)),
    ):
        assert refused(verifier, good | wrong) == "forged", wrong
    verifier.verify(SECRET, good, b"")
    for moved_s in (-301.0, 301.0):
        now = AT + moved_s
        assert refused(verifier, headers_of(SECRET, "m3", AT, b"")) == "old"
    now = AT + 299.0
    verifier.verify(SECRET, headers_of(SECRET, "m3", AT, b""), b"")


def test_nothing_is_taken_twice_while_it_is_not_old(monkeypatch: pytest.MonkeyPatch) -> None:
    now = float(AT)
    verifier = Verifier(lambda: now)
    verifier.verify(SECRET, headers_of(SECRET, "m1", AT, b""), b"")
    now += 200
    assert refused(verifier, headers_of(SECRET, "m1", AT, b"")) == "repeated"
    assert refused(verifier, headers_of(SECRET, "m1", AT + 200, b"")) == "repeated"
    other = new_secret()
    verifier.verify(other, headers_of(other, "m1", AT, b""), b"")
    now += 700
    verifier.verify(SECRET, headers_of(SECRET, "m1", AT + 900, b""), b"")
    monkeypatch.setattr(signatures, "SEEN_MAX", 3)
    for number in range(10):
        verifier.verify(SECRET, headers_of(SECRET, f"n{number}", AT + 900, b""), b"")


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_?", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAA", "whsec_é"])
def test_what_is_no_secret(text: str) -> None:
    with pytest.raises(ValueError, match="a signing secret is"):
        key_of(text)
