from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.blocks import Block, seconds, silence


def test_length_and_end() -> None:
    block = Block(100, bytes(64))
    assert (block.length_samples, block.end_samples) == (32, 132)


@pytest.mark.parametrize(("start_samples", "pcm"), [(-1, b""), (0, b"\0"), (5, bytes(3))])
def test_what_is_no_block(start_samples: int, pcm: bytes) -> None:
    with pytest.raises(ValueError, match="no block"):
        Block(start_samples, pcm)


@given(start=st.integers(0, 1000), length=st.integers(0, 50), position=st.integers(0, 1100))
def test_after_is_the_part_at_or_after(start: int, length: int, position: int) -> None:
    pcm = bytes(range(2 * length))
    rest = Block(start, pcm).after(position)
    kept = [index for index in range(start, start + length) if index >= position]
    if rest is None:
        assert not kept
        assert position > start
        return
    assert rest.length_samples == len(kept)
    assert rest.start_samples == max(start, position)
    assert rest.pcm == pcm[2 * (length - len(kept)) :]


def test_half_a_packet_is_none() -> None:
    block = Block(10, b"aabbcc", (b"packet",))
    assert block.after(10) is block
    assert block.after(11) == Block(11, b"bbcc", None)
    assert Block(10, b"aabbcc", ()).after(11) == Block(11, b"bbcc", ())
    assert Block(10, b"aabbcc").after(11) == Block(11, b"bbcc")


def test_moved_and_silenced_it_stays_what_it_came_as() -> None:
    block = Block(10, b"aabb", (b"packet",))
    assert block.moved(5) == Block(15, b"aabb", (b"packet",))
    assert block.silenced() == Block(10, bytes(4), ())
    assert Block(10, b"aabb").silenced() == Block(10, bytes(4), None)


def test_silence_is_zeros_of_the_right_length() -> None:
    assert silence(10, 14) == Block(10, bytes(8))


def test_seconds() -> None:
    assert seconds(24_000) == 1.5
