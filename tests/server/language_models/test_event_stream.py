"""Events out of bytes, however they are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import LanguageModelFailed
from server.language_models.event_stream import EventStream

WIRE = (
    ': hello\n\ndata: {"a": 1}\r\n\r\nevent: x\nid: 7\ndata: one\ndata:two\n\n\n'
    + "\ndata: größer\n\nretry: 1\n\ndata: lost"
)
EVENTS = ['{"a": 1}', "one\ntwo", "größer"]


@given(st.lists(st.integers(0, 200), max_size=20))
def test_the_same_whole_and_in_pieces(cuts: list[int]) -> None:
    wire = WIRE.encode()
    marks = sorted({0, len(wire), *(cut % len(wire) for cut in cuts)})
    stream = EventStream()
    found = [each for at, end in pairwise(marks) for each in stream.feed(wire[at:end])]
    assert found == EVENTS


def test_byte_by_byte() -> None:
    stream = EventStream()
    assert [each for byte in WIRE.encode() for each in stream.feed(bytes([byte]))] == EVENTS


@given(st.binary(max_size=300))
def test_anything_at_all_is_read_or_is_too_long(data: bytes) -> None:
    stream = EventStream(event_max_bytes=100)
    try:
        assert all(isinstance(each, str) for each in stream.feed(data))
    except LanguageModelFailed:
        assert len(data) > 100


@pytest.mark.parametrize("endless", [b"data: ", b"data: x\n", b"x"])
def test_one_without_an_end_is_given_up(endless: bytes) -> None:
    stream = EventStream(event_max_bytes=1000)
    with pytest.raises(LanguageModelFailed, match="more than"):
        stream.feed(endless * 2000)
    stream = EventStream(event_max_bytes=1000)
    with pytest.raises(LanguageModelFailed, match="more than"):
        list(map(stream.feed, [endless] * 2000))
