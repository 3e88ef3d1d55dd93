"""A track's file: parts in a row, whatever they are of, and going on with it."""

from __future__ import annotations

import io
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from media.records import encode
from media.track_file import FILL_MAX_SAMPLES, SAMPLES, Piece, Tail, TrackEncoder, scan
from protocol.blocks import Block, silence
from tests.media.opus_sound import opus_blocks, sweep_packets

PACKETS = sweep_packets(1.0)


def pieces_of(data: bytes) -> list[Piece]:
    """All pieces of sound; there must be nothing else."""
    pieces = list(scan(io.BytesIO(data)))
    assert [piece.begin_bytes for piece in pieces] == [0, *(piece.end_bytes for piece in pieces)][: len(pieces)]
    assert not pieces or pieces[-1].end_bytes == len(data)
    return [piece for piece in pieces if piece.length_samples]


def pcm_block(start_samples: int, length_samples: int) -> Block:
    return Block(start_samples, bytes(index % 251 + 1 for index in range(2 * length_samples)))


def test_opus_is_one_ogg_stream_from_the_very_first_sample() -> None:
    data = TrackEncoder(Tail()).encode(opus_blocks(PACKETS, 8_000))
    assert data.startswith(b"OggS")
    pieces = pieces_of(data)
    assert {piece.stream for piece in pieces} == {1}
    assert (pieces[0].start_samples, pieces[-1].end_samples) == (0, 24_000)
    assert all(before.end_samples == after.start_samples for before, after in pairwise(pieces))


def test_a_source_that_changes_its_kind_begins_another_part() -> None:
    first = opus_blocks(PACKETS[:5])
    second = pcm_block(1_600, 123)
    third = opus_blocks(PACKETS[:7], 2_001)
    fourth = pcm_block(third[-1].end_samples, 10)
    pieces = pieces_of(TrackEncoder(Tail()).encode([*first, second, *third, fourth]))
    assert [(piece.stream, piece.start_samples, piece.length_samples) for piece in pieces] == [
        (1, 0, 1_600),
        (SAMPLES, 1_600, 123),
        (2, 2_001, 2_240),
        (SAMPLES, 4_241, 10),
    ]


def test_what_never_came_is_silence_within_the_stream() -> None:
    encoder = TrackEncoder(Tail())
    data = encoder.encode([silence(0, 1_000, ()), *opus_blocks(PACKETS[:3], 1_000), silence(1_960, 2_000, ())])
    data += encoder.encode([silence(2_000, 2_017, ()), *opus_blocks(PACKETS[:2], 5_017)])
    assert encoder.end_samples == 5_657
    pieces = pieces_of(data)
    assert {piece.stream for piece in pieces} == {1}
    assert pieces[-1].end_samples == 5_657
    assert sum(after.start_samples - before.end_samples for before, after in pairwise(pieces)) == 17


def test_a_pause_of_hours_is_a_hole_and_not_filled() -> None:
    late = 16_000 + FILL_MAX_SAMPLES + 1
    data = TrackEncoder(Tail()).encode([*opus_blocks(PACKETS), *opus_blocks(PACKETS, late)])
    assert len(data) < 20_000
    assert next(piece.start_samples for piece in pieces_of(data) if piece.stream == 2) == late
    filled = TrackEncoder(Tail()).encode([*opus_blocks(PACKETS), *opus_blocks(PACKETS, late - 1)])
    assert {piece.stream for piece in pieces_of(filled)} == {1}
    assert len(filled) < 500_000


def test_a_packet_that_is_mostly_padding_is_kept_as_samples() -> None:
    padded = Block(0, bytes(80), (b"\xe0" + bytes(400),))
    mismatched = Block(40, bytes(82), (PACKETS[0],))
    assert {piece.stream for piece in pieces_of(TrackEncoder(Tail()).encode([padded, mismatched]))} == {SAMPLES}


@given(st.data())
def test_whole_and_piecewise_agree_over_every_change(data: st.DataObject) -> None:
    """Whatever comes, in however many writes, with a new writer in between: each block lies where it belongs."""
    blocks: list[Block] = []
    at = 0
    for kind in data.draw(st.lists(st.sampled_from(["opus", "pcm", "silent", "hole"]), max_size=12)):
        length = data.draw(st.integers(1, 700))
        if kind == "hole":
            at += length
            continue
        if kind == "opus":
            made = opus_blocks(PACKETS[: length % 4 + 1], at)
        else:
            made = [pcm_block(at, length) if kind == "pcm" else silence(at, at + length, ())]
        blocks += made
        at = made[-1].end_samples
    cuts = sorted(data.draw(st.lists(st.integers(0, len(blocks)), max_size=4)))
    tail, found = Tail(), b""
    for start, end in pairwise([0, *cuts, len(blocks)]):
        found += TrackEncoder(tail).encode(blocks[start:end])
        for piece in pieces_of(found)[-1:]:
            streams = max(each.stream for each in pieces_of(found))
            tail = Tail(len(found), piece.end_samples, piece.stream, piece.number + 1, streams)
    covered = [(piece.start_samples, piece.end_samples, piece.stream) for piece in pieces_of(found)]
    for block in blocks:
        if block.packets != ():
            within = [each for each in covered if each[0] < block.end_samples and block.start_samples < each[1]]
            assert {stream != SAMPLES for _, _, stream in within} == {block.packets is not None}
            lengths = [min(end, block.end_samples) - max(start, block.start_samples) for start, end, _ in within]
            assert sum(lengths) == block.length_samples
    if blocks:
        assert 0 <= blocks[-1].end_samples - max((end for _, end, _ in covered), default=0) < 40


@given(st.integers(0, 3_000), st.binary(min_size=1, max_size=300))
def test_damage_costs_the_pieces_it_lies_in(at: int, rubbish: bytes) -> None:
    encoder = TrackEncoder(Tail())
    blocks = opus_blocks(PACKETS)
    good = b"".join(encoder.encode(blocks[start : start + 5]) for start in range(0, 50, 5)) + encode(16_000, b"abcd")
    damaged = good[:at] + rubbish + good[at + len(rubbish) :]
    untouched = [
        (piece.start_samples, piece.end_samples)
        for piece in pieces_of(good)
        if piece.end_bytes <= at or piece.begin_bytes >= at + len(rubbish)
    ]
    found = [(piece.start_samples, piece.end_samples) for piece in scan(io.BytesIO(damaged)) if piece.length_samples]
    assert set(untouched) <= set(found)
    assert set(found) <= {(piece.start_samples, piece.end_samples) for piece in pieces_of(good)}
