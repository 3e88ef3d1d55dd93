from __future__ import annotations

import pytest

from server.bus import Deleted, Stored
from server.nodes.told import TOKEN_BYTES, TOLD_MAX_BYTES, Told, Wanted, channel_for, channel_of, decode, encode
from tests.server.spoken import interim

TOKEN = b"0" * TOKEN_BYTES
CHANNEL = channel_of("a").encode()


@pytest.mark.parametrize("told", [Stored("a", 7), Deleted("a"), interim("a", "seg_1", "größer 日本"), Wanted("a")])
def test_what_is_told_is_what_is_heard(told: Told) -> None:
    data = encode(TOKEN, told)
    assert data is not None
    assert data.startswith(TOKEN)
    assert decode(channel_for(told).encode(), data) == told
    assert decode(channel_for(told).encode() + b"b", data) != told


def test_what_is_too_large_is_neither_told_nor_heard() -> None:
    huge = interim("a", "seg_1", "word " * TOLD_MAX_BYTES)
    assert encode(TOKEN, huge) is None
    assert decode(CHANNEL, TOKEN + b'{"stored_seq": 1}' + b" " * TOLD_MAX_BYTES) is None


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b'{"stored_seq": "many"}', b'{"interim": {}}'])
def test_what_no_node_says_is_nothing(body: bytes) -> None:
    assert decode(CHANNEL, TOKEN + body) is None


def test_an_interim_of_another_transcript_is_not_heard() -> None:
    data = encode(TOKEN, interim("b"))
    assert data is not None
    assert decode(CHANNEL, data) is None
