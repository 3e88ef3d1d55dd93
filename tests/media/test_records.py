from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from media.records import RECORD_MAX_BYTES, encode, encode_all, scan
from protocol.blocks import Block


def _file() -> tuple[bytes, list[tuple[int, bytes]]]:
    """A small file and what it holds: records of 4 to 24 samples with a hole now and then."""
    parts: list[tuple[int, bytes]] = []
    at = 5
    for number in range(8):
        pcm = bytes((number * 37 + offset * 11 + 1) % 251 for offset in range(2 * (4 + number * 3)))
        parts.append((at, pcm))
        at += len(pcm) // 2 + (3 if number % 3 == 2 else 0)
    return b"".join(encode(start, pcm) for start, pcm in parts), parts


DATA, PARTS = _file()


def _read(data: bytes) -> list[tuple[int, bytes]]:
    return [(record.start_samples, data[record.offset_bytes : record.end_bytes]) for record in scan(io.BytesIO(data))]


def test_what_was_encoded_is_found() -> None:
    assert _read(DATA) == PARTS


@given(st.integers(0, len(DATA)))
def test_a_cut_anywhere_leaves_every_record_before_it(cut: int) -> None:
    whole = [part for number, part in enumerate(PARTS) if sum(16 + len(p) for _, p in PARTS[: number + 1]) <= cut]
    assert _read(DATA[:cut]) == whole


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_a_flipped_byte_costs_at_most_what_follows_and_never_gives_wrong_sound(at: int, flip: int) -> None:
    damaged = bytearray(DATA)
    damaged[at] ^= flip
    found = _read(bytes(damaged))
    end = 0
    for number, part in enumerate(PARTS):
        end += 16 + len(part[1])
        if end > at:
            break
        assert found[number] == part
    assert all(part in PARTS for part in found)
    assert len(found) < len(PARTS)


@given(st.binary(max_size=400))
def test_rubbish_after_the_last_record_is_never_sound(rubbish: bytes) -> None:
    assert _read(DATA + rubbish) == PARTS


def test_a_damaged_record_in_the_middle_costs_only_itself() -> None:
    damaged = bytearray(DATA)
    damaged[16] ^= 1  # the first record's first sample
    assert _read(bytes(damaged)) == PARTS[1:]


def test_zeros_of_a_lost_write_are_no_record() -> None:
    assert _read(DATA + bytes(4096)) == PARTS


def test_an_overlapping_record_is_no_record() -> None:
    assert _read(encode(0, bytes(20)) + encode(9, bytes(4))) == [(0, bytes(20))]


def test_blocks_that_touch_share_a_record_and_long_ones_are_split() -> None:
    blocks = [Block(0, b"aabb"), Block(2, b"cc"), Block(10, bytes(RECORD_MAX_BYTES + 2))]
    data = b"".join(encode_all(blocks))
    assert _read(data) == [
        (0, b"aabbcc"),
        (10, bytes(RECORD_MAX_BYTES)),
        (10 + RECORD_MAX_BYTES // 2, bytes(2)),
    ]
    assert list(encode_all([])) == []
