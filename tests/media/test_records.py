from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from media.records import HEADER_BYTES, MARK, RECORD_MAX_BYTES, encode, encode_all
from media.track_file import scan
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
    return [
        (each.start_samples, data[each.begin_bytes + HEADER_BYTES : each.end_bytes]) for each in scan(io.BytesIO(data))
    ]


def test_what_was_encoded_is_found() -> None:
    assert _read(DATA) == PARTS


@given(st.integers(0, len(DATA)))
def test_a_cut_anywhere_leaves_every_record_before_it(cut: int) -> None:
    whole = [
        part for number, part in enumerate(PARTS) if sum(HEADER_BYTES + len(p) for _, p in PARTS[: number + 1]) <= cut
    ]
    assert _read(DATA[:cut]) == whole


def _touched(first: int, last: int) -> list[tuple[int, bytes]]:
    """The records that have a byte from ``first`` to ``last``."""
    touched, end = [], 0
    for part in PARTS:
        start, end = end, end + HEADER_BYTES + len(part[1])
        if start <= last and first < end:
            touched.append(part)
    return touched


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_a_flipped_byte_anywhere_costs_its_record_only(at: int, flip: int) -> None:
    damaged = bytearray(DATA)
    damaged[at] ^= flip
    [lost] = _touched(at, at)
    assert _read(bytes(damaged)) == [part for part in PARTS if part != lost]


@given(st.integers(0, len(DATA) - 1), st.binary(min_size=1, max_size=120))
def test_damage_anywhere_costs_the_records_it_lies_in(at: int, rubbish: bytes) -> None:
    damaged = bytearray(DATA)
    damaged[at : at + len(rubbish)] = rubbish[: len(DATA) - at]
    changed = [place for place, (one, other) in enumerate(zip(DATA, damaged, strict=True)) if one != other]
    lost = _touched(changed[0], changed[-1]) if changed else []
    found = _read(bytes(damaged))
    assert [part for part in PARTS if part in found] == found
    assert [part for part in PARTS if part not in lost] == [part for part in found if part not in lost]


@given(st.integers(0, len(DATA) - 1), st.integers(1, 60))
def test_lost_bytes_cost_the_records_that_they_were_of(at: int, count: int) -> None:
    lost = _touched(at, at + count - 1)
    found = _read(DATA[:at] + DATA[at + count :])
    assert [part for part in found if part not in lost] == [part for part in PARTS if part not in lost]
    assert all(part in PARTS for part in found)


def test_a_mark_within_sound_is_no_record() -> None:
    sound = MARK * 40
    data = encode(0, sound) + encode(80, b"aabb") + encode(90, sound)
    assert _read(data) == [(0, sound), (80, b"aabb"), (90, sound)]
    damaged = bytearray(data)
    damaged[5] ^= 1
    assert _read(bytes(damaged)) == [(80, b"aabb"), (90, sound)]


@given(st.integers(RECORD_MAX_BYTES - 8, RECORD_MAX_BYTES + 8))
def test_the_next_record_is_found_over_a_long_stretch_of_damage(damaged_bytes: int) -> None:
    assert _read(bytes(damaged_bytes) + encode(7, b"aabb")) == [(7, b"aabb")]


@given(st.binary(max_size=400))
def test_rubbish_after_the_last_record_is_never_sound(rubbish: bytes) -> None:
    assert _read(DATA + rubbish) == PARTS


def test_a_damaged_record_in_the_middle_costs_only_itself() -> None:
    damaged = bytearray(DATA)
    damaged[HEADER_BYTES] ^= 1  # the first record's first sample
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
