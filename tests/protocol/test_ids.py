from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import ids

MAKERS = [
    (ids.new_transcript_id, r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
    (ids.new_track_id, r"trk_[0-9a-f]{16}"),
    (ids.new_segment_id, r"seg_[0-9a-f]{16}"),
    (ids.new_session_id, r"ses_[0-9a-f]{16}"),
    (ids.new_request_id, r"req_[0-9a-f]{16}"),
]

KNOWN = "7e8eb0f2-fff6-4618-9642-398fec3207dd"


@pytest.mark.parametrize(("make", "pattern"), MAKERS)
def test_ids_are_as_they_look_and_never_the_same(make: object, pattern: str) -> None:
    assert callable(make)
    made = {make() for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch(pattern, one) for one in made)


def test_our_transcript_ids_are_known() -> None:
    assert ids.is_transcript_id(ids.new_transcript_id())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "../etc/passwd",
        KNOWN.upper().replace("0", "A") + "A",
        uuid.UUID(KNOWN).hex,
        "{" + KNOWN + "}",
        "urn:uuid:" + KNOWN,
        str(uuid.UUID(int=0xABC << 100)).upper(),
        KNOWN + "\n",
    ],
)
def test_other_spellings_are_not(text: str) -> None:
    assert not ids.is_transcript_id(text)


@given(st.text())
def test_anything_is_answered(text: str) -> None:
    assert ids.is_transcript_id(text) in (False, True)
