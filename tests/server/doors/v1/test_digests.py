from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import BadInput
from server.doors.v1.digests import promised_sha256

DIGEST = hashlib.sha256(b"sound")
PLAIN = DIGEST.hexdigest()
STRUCTURED = f"sha-256=:{base64.b64encode(DIGEST.digest()).decode()}:"


@pytest.mark.parametrize(
    ("headers", "promised"),
    [
        ({}, None),
        ({"x-sha256": PLAIN}, PLAIN),
        ({"x-sha256": f" {PLAIN.upper()} "}, PLAIN),
        ({"content-digest": STRUCTURED}, PLAIN),
        ({"content-digest": f"md5=:AAAA:, {STRUCTURED}"}, PLAIN),
        ({"content-digest": "sha-512=:AAAA:"}, None),
        ({"content-digest": STRUCTURED, "x-sha256": PLAIN}, PLAIN),
    ],
)
def test_what_is_promised(headers: dict[str, str], promised: str | None) -> None:
    assert promised_sha256(headers) == promised


@pytest.mark.parametrize(
    "headers",
    [
        {"x-sha256": ""},
        {"x-sha256": PLAIN[:-1]},
        {"x-sha256": "٣" * 64},
        {"content-digest": "sha-256"},
        {"content-digest": f"sha-256={PLAIN}"},
        {"content-digest": "sha-256=:AAAA:"},
        {"content-digest": "sha-256=:" + "=" * 44 + ":"},
        {"content-digest": STRUCTURED, "x-sha256": "0" * 64},
    ],
)
def test_what_cannot_be_compared_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(BadInput):
        promised_sha256(headers)


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_text_is_a_digest_or_none_or_refused(plain: str, structured: str) -> None:
    for headers in ({"x-sha256": plain}, {"content-digest": structured}, {"content-digest": "sha-256" + structured}):
        try:
            promised = promised_sha256(headers)
        except BadInput:
            continue
        assert promised is None or len(promised) == 64
