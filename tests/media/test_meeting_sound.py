"""Pieces of a participant's sound find their place, whatever their sender's clock and network do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.meeting_sound import (
    AHEAD_SAMPLES,
    FUTURE_SAMPLES,
    HELD_SAMPLES,
    LATE_SAMPLES,
    REPLAYED_SAMPLES,
    MeetingSound,
)
from protocol.blocks import SAMPLE_RATE_HZ, Block
from protocol.errors import AudioFormatError

PIECE = SAMPLE_RATE_HZ // 10
TOLERANCE = SAMPLE_RATE_HZ // 25


def tone(number: int, length: int = PIECE) -> bytes:
    """Known again: samples that no other piece has."""
    return (np.arange(length) % 50 + 1 + 60 * number).astype("<i2").tobytes()


def sound(rate_hz: int = SAMPLE_RATE_HZ, length_samples: int = 0) -> MeetingSound:
    return MeetingSound(rate_hz, tolerance_samples=TOLERANCE, length_samples=length_samples)


def laid(blocks: list[Block]) -> dict[int, bytes]:
    """Joined where they touch: where each stretch begins, and its sound. Blocks must come in order."""
    stretches: dict[int, bytes] = {}
    start = end = -1
    for block in blocks:
        assert block.start_samples >= end
        if block.start_samples != end:
            start, stretches[block.start_samples] = block.start_samples, b""
        stretches[start] += block.pcm
        end = block.end_samples
    return stretches


def all_of(place: MeetingSound, pieces: list[tuple[int, bytes]], now_samples: int | None = None) -> dict[int, bytes]:
    blocks = [block for start, pcm in pieces for block in place.feed(start, pcm, now_samples=now_samples)]
    return laid([*blocks, *place.flush()])


def test_sound_is_given_at_once_where_nothing_is_missing() -> None:
    place = sound()
    for number in range(3):
        [block] = place.feed(number * PIECE, tone(number))
        assert block == Block(number * PIECE, tone(number))


def test_a_muted_microphone_leaves_a_pause() -> None:
    later = 10 * 60 * SAMPLE_RATE_HZ
    pieces = [(0, tone(0)), *((later + at * PIECE, tone(1 + at)) for at in range(4))]
    assert all_of(sound(), pieces) == {0: tone(0), later: b"".join(tone(1 + at) for at in range(4))}


def test_after_a_pause_little_is_held_back() -> None:
    place = sound()
    place.feed(0, tone(0))
    held = HELD_SAMPLES // PIECE
    given = [len(place.feed(100 * PIECE + at * PIECE, tone(1 + at))) for at in range(held + 2)]
    assert given == [0] * (held - 1) + [held, 1, 1]


def test_clocks_that_jitter_cut_nothing() -> None:
    offsets = [0, 600, -600, 300, -50, 640]
    pieces = [(5 * PIECE + at * PIECE + offset, tone(at)) for at, offset in enumerate(offsets)]
    assert all_of(sound(), pieces) == {5 * PIECE: b"".join(tone(at) for at in range(len(offsets)))}


def test_pieces_that_changed_places_are_put_in_order() -> None:
    order = [0, 2, 1, 3, 5, 4]
    pieces = [(number * PIECE, tone(number)) for number in order]
    assert all_of(sound(), pieces) == {0: b"".join(tone(number) for number in range(6))}


def test_what_is_told_twice_is_heard_once() -> None:
    place = sound()
    pieces = [(number * PIECE, tone(number)) for number in (0, 0, 1, 2, 1, 3, 0)]
    assert all_of(place, pieces) == {0: b"".join(tone(number) for number in range(4))}
    assert place.repeated == 3


def test_what_comes_too_late_is_heard_where_it_comes() -> None:
    pieces = [(0, tone(0)), *((at * PIECE, tone(at)) for at in range(2, 8)), (PIECE, tone(1)), (8 * PIECE, tone(8))]
    found = all_of(sound(), pieces)
    assert found == {0: tone(0), 2 * PIECE: b"".join(tone(at) for at in (2, 3, 4, 5, 6, 7, 1, 8))}


@pytest.mark.parametrize("back", [LATE_SAMPLES + PIECE, 100 * LATE_SAMPLES])
def test_a_clock_that_is_set_back_and_right_again(back: int) -> None:
    start = 1000 * LATE_SAMPLES
    pieces = [(start + at * PIECE, tone(at)) for at in range(40)]
    wrong = [(start_samples - (back if 10 <= at < 20 else 0), pcm) for at, (start_samples, pcm) in enumerate(pieces)]
    assert all_of(sound(), wrong) == {start: b"".join(pcm for _, pcm in pieces)}


def test_a_clock_that_is_set_forward_is_not_believed() -> None:
    jump = FUTURE_SAMPLES + SAMPLE_RATE_HZ
    pieces = [(at * PIECE + (jump if at >= 5 else 0), tone(at)) for at in range(12)]
    found = all_of(sound(), pieces, now_samples=5 * PIECE)
    assert found == {0: b"".join(tone(at) for at in range(12))}
    assert list(all_of(sound(), pieces)) == [0, jump + 5 * PIECE]  # who knows no time of their own believes it


def test_sound_at_another_rate_than_was_told_is_refused() -> None:
    place = sound()
    fitting = AHEAD_SAMPLES // (2 * PIECE)
    for at in range(fitting + 1):
        assert place.feed(at * PIECE, tone(at % 10, 3 * PIECE))
    end_samples = place.end_samples
    with pytest.raises(AudioFormatError) as refused:
        place.feed((fitting + 1) * PIECE, tone(1, 3 * PIECE))
    assert refused.value.details["sample_rate"] == SAMPLE_RATE_HZ
    assert place.end_samples == end_samples
    assert place.feed(end_samples, tone(2))  # when its times say that it is over


@pytest.mark.parametrize("rate_hz", [8_000, 24_000, 48_000])
def test_other_rates_are_taken_and_keep_their_place(rate_hz: int) -> None:
    place = sound(rate_hz)
    wave = (8000 * np.sin(np.arange(rate_hz) * 2 * np.pi * 440 / rate_hz)).astype("<i2")
    step = rate_hz // 10
    blocks = []
    for second in (0, 7):
        for at in range(10):
            start_samples = second * SAMPLE_RATE_HZ + at * PIECE
            blocks += place.feed(start_samples, wave[at * step : (at + 1) * step].tobytes())
    found = laid([*blocks, *place.flush()])
    assert {start: len(pcm) // 2 for start, pcm in found.items()} == {
        0: SAMPLE_RATE_HZ,
        7 * SAMPLE_RATE_HZ: SAMPLE_RATE_HZ,
    }
    expected = 8000 * np.sin(np.arange(SAMPLE_RATE_HZ) * 2 * np.pi * 440 / SAMPLE_RATE_HZ)
    for pcm in found.values():
        error = np.frombuffer(pcm, "<i2")[200:-200] - expected[200:-200]
        assert np.abs(error).max() < 200


def test_pieces_that_tell_no_time_belong_where_they_arrive() -> None:
    place = sound()
    silent = bytes(2 * PIECE)
    blocks = [block for _ in range(3) for block in place.arrived(silent, 10 * PIECE)]  # in one burst
    blocks += [block for at in range(5) for block in place.arrived(tone(at), (50 + at) * PIECE + 9)]
    found = laid([*blocks, *place.flush()])
    assert found == {9 * PIECE: 3 * silent, 49 * PIECE + 9: b"".join(tone(at) for at in range(5))}


def test_a_track_goes_on_where_it_was() -> None:
    place = sound(length_samples=5 * SAMPLE_RATE_HZ)
    assert all_of(place, [(9 * SAMPLE_RATE_HZ, tone(0))]) == {9 * SAMPLE_RATE_HZ: tone(0)}
    again = sound(length_samples=5 * PIECE)
    replayed = [(at * PIECE - 100, tone(at)) for at in range(2, 8)]
    assert all_of(again, replayed) == {5 * PIECE: tone(5)[200:] + tone(6) + tone(7)}
    anew = sound(length_samples=2 * REPLAYED_SAMPLES)  # a sender that counts from its own beginning
    assert all_of(anew, [(0, tone(0)), (PIECE, tone(1))]) == {2 * REPLAYED_SAMPLES: tone(0) + tone(1)}


@given(
    st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 1000)), max_size=30),
    st.sampled_from([8_000, 16_000, 48_000]),
    st.integers(0, 10**7) | st.none(),
)
def test_whatever_comes_no_sound_is_lost_or_doubled(
    pieces: list[tuple[int, int]], rate_hz: int, now_samples: int | None
) -> None:
    place = sound(rate_hz)
    given, taken, known = list[Block](), 0, set[tuple[int, int]]()
    for start, length in pieces:
        # Each once: that all are alike is what makes them repeats.
        if (start, length) in known:
            continue
        known.add((start, length))
        taken += length
        given += place.feed(start, tone(1, length), now_samples=now_samples)
    given += place.flush()
    laid(given)
    samples = sum(block.length_samples for block in given)
    assert abs(samples * rate_hz - taken * SAMPLE_RATE_HZ) <= rate_hz * (len(pieces) + 1)
