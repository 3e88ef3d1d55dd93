"""The backlog gives out every sample once, in order, from memory or the recording, over any rewind."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from asr.backlog import PIECE_SAMPLES, READ_BACK_SAMPLES, Backlog, Missing
from asr.renewal import LEAD_MAX_SAMPLES, lead_start
from protocol.blocks import SAMPLE_RATE_HZ, Block

FAR = 10**9
LATE = 20 * SAMPLE_RATE_HZ + 7


def block(start_samples: int, length_samples: int, value: int = 1) -> Block:
    return Block(start_samples, np.full(length_samples, value, "<i2").tobytes())


def drain(backlog: Backlog, until_samples: int = FAR) -> list[Block | Missing]:
    taken: list[Block | Missing] = []
    while (piece := backlog.take(until_samples)) is not None:
        taken.append(piece)
        if isinstance(piece, Missing):
            backlog.sent_elsewhere(piece.end_samples)
    return taken


def test_small_blocks_go_out_together_and_long_ones_in_pieces() -> None:
    backlog = Backlog(0)
    for number in range(10):
        backlog.feed(block(number * 320, 320))
    assert drain(backlog) == [block(0, 3200)]
    backlog.feed(block(3200, 2 * PIECE_SAMPLES + 5))
    assert [piece.length_samples for piece in drain(backlog) if isinstance(piece, Block)] == [
        PIECE_SAMPLES,
        PIECE_SAMPLES,
        5,
    ]


def test_a_hole_is_silence_in_pieces_and_overlap_is_cut() -> None:
    backlog = Backlog(0)
    backlog.feed(block(0, 100))
    drain(backlog)
    backlog.feed(block(0, 200))
    backlog.feed(block(100, 50))  # all of it is old
    backlog.feed(block(200 + 2 * PIECE_SAMPLES, 10))
    assert drain(backlog) == [
        block(100, 100),
        block(200, PIECE_SAMPLES, 0),
        block(200 + PIECE_SAMPLES, PIECE_SAMPLES, 0),
        block(200 + 2 * PIECE_SAMPLES, 10),
    ]


def test_an_empty_block_is_nothing() -> None:
    backlog = Backlog(0)
    backlog.feed(Block(10, b""))
    assert backlog.fed_samples == 0
    assert backlog.take(FAR) is None


def test_the_window_ends_the_giving_until_something_settles() -> None:
    backlog = Backlog(0, window_samples=1000)
    backlog.feed(block(0, 5000))
    assert drain(backlog) == [block(0, 1000)]
    assert backlog.settle(400)
    assert not backlog.settle(400)
    assert drain(backlog) == [block(1000, 400)]


def test_nothing_is_given_beyond_a_marker() -> None:
    backlog = Backlog(0)
    backlog.feed(block(0, 700))
    assert drain(backlog, 500) == [block(0, 500)]
    assert drain(backlog, 700) == [block(500, 200)]


def test_settled_never_passes_what_was_sent() -> None:
    backlog = Backlog(0)
    backlog.feed(block(0, 700))
    drain(backlog, 500)
    assert backlog.settle(10_000)
    assert backlog.settled_samples == 500


def test_rewind_gives_the_unsettled_again_behind_its_lead() -> None:
    backlog = Backlog(0)
    backlog.feed(block(0, LATE, 1))
    backlog.feed(block(LATE, 300, 2))
    drain(backlog)
    backlog.settle(LATE)
    backlog.rewind()
    assert backlog.settled_samples == LATE
    lead, rest = backlog.take(FAR), drain(backlog)
    assert isinstance(lead, Block)
    assert lead.start_samples == lead_start(LATE)
    assert rest[-1] == block(LATE, 300, 2)


def test_a_lead_that_is_no_longer_in_memory_is_missing_alone() -> None:
    backlog = Backlog(LATE, recorded_samples=LATE + 50)
    assert drain(backlog) == [Missing(lead_start(LATE), LATE, is_lead=True), Missing(LATE, LATE + 50)]


def test_what_is_left_out_is_silence_in_every_lead() -> None:
    backlog = Backlog(0)
    backlog.feed(block(0, LATE))
    drain(backlog)
    backlog.settle(LATE - 100)
    backlog.leave_out(LATE - 60)
    backlog.settle(LATE - 60)
    backlog.leave_out(LATE - 30)  # right behind it
    backlog.settle(LATE - 30)
    backlog.rewind()
    *heard, last = (backlog.bearable(piece) for piece in drain(backlog) if isinstance(piece, Block))
    assert {piece.pcm.strip(b"\0") for piece in heard} == {b""}
    assert last.pcm == bytes(2 * (last.length_samples - 30)) + block(0, 30).pcm
    assert backlog.bearable(block(LATE - 10, 10)) == block(LATE - 10, 10)


def test_what_was_left_out_stays_so_whatever_is_left_out_after_it() -> None:
    backlog = Backlog(0)
    backlog.feed(block(0, LATE))
    drain(backlog)
    backlog.settle(LATE - 100)
    backlog.leave_out(LATE - 100)
    backlog.leave_out(LATE - 20_000)  # another process was lost, in the lead
    assert backlog.bearable(block(LATE - 200, 200)).pcm == bytes(200) + block(0, 100).pcm


def test_behind_a_jump_the_lead_is_silence() -> None:
    backlog = Backlog(0)
    backlog.feed(block(0, 3 * PIECE_SAMPLES))
    backlog.feed(block(2 * LATE, 10))
    drain(backlog, 3 * PIECE_SAMPLES)
    to_samples = backlog.after_long_hole_samples
    assert to_samples is not None
    backlog.jump(to_samples)
    for _ in range(2):
        heard = drain(backlog)
        assert heard[-1] == block(2 * LATE, 10)
        assert {piece.pcm.strip(b"\0") for piece in heard[:-1] if isinstance(piece, Block)} == {b""}
        assert (heard[0].start_samples, backlog.settled_samples) == (lead_start(to_samples), to_samples)
        backlog.rewind()


def test_memory_is_bounded_and_the_rest_is_missing_in_order() -> None:
    backlog = Backlog(0, memory_samples=SAMPLE_RATE_HZ, window_samples=FAR)
    for number in range(1500):
        backlog.feed(block(number * 320, 320))
        assert backlog.held_samples <= SAMPLE_RATE_HZ
    first, second, third, last = drain(backlog)
    assert (first, second) == (
        Missing(0, READ_BACK_SAMPLES),
        Missing(READ_BACK_SAMPLES, 2 * READ_BACK_SAMPLES),
    )
    assert isinstance(third, Missing)
    assert isinstance(last, Block)
    assert third.end_samples == last.start_samples
    assert last.end_samples == backlog.fed_samples


def test_settling_frees_memory_but_for_the_lead() -> None:
    backlog = Backlog(0)
    backlog.feed(block(0, LATE))
    drain(backlog)
    backlog.settle(LATE)
    assert backlog.held_samples < LEAD_MAX_SAMPLES + PIECE_SAMPLES


def test_sound_already_recorded_is_missing_at_first() -> None:
    backlog = Backlog(0, recorded_samples=80)
    backlog.feed(block(80, 20))
    assert drain(backlog) == [Missing(0, 80), block(80, 20)]


_operations = st.lists(
    st.one_of(
        st.tuples(st.just("feed"), st.integers(-300, 600), st.integers(0, 9000)),
        st.tuples(st.just("take"), st.integers(0, 12_000), st.just(0)),
        st.tuples(st.just("settle"), st.integers(0, 9000), st.just(0)),
        st.tuples(st.just("rewind"), st.just(0), st.just(0)),
    ),
    max_size=60,
)


@given(operations=_operations, memory_samples=st.integers(0, 120_000), window_samples=st.integers(1, 30_000))
def test_whatever_happens_each_listener_hears_the_track_from_the_lead_on(
    operations: list[tuple[str, int, int]], memory_samples: int, window_samples: int
) -> None:
    track = np.zeros(600_000, "<i2")  # what was fed, which is also what is recorded
    backlog = Backlog(0, memory_samples=memory_samples, window_samples=window_samples)
    position, settled = 0, 0
    for operation, number, length in operations:
        if operation == "feed":
            start = max(0, backlog.fed_samples + number)
            sound = np.arange(start, start + length, dtype="<i2") % 997 + 1
            fresh = max(0, backlog.fed_samples - start)
            track[start + fresh : start + length] = sound[fresh:]
            backlog.feed(Block(start, sound.tobytes()))
        elif operation == "take":
            piece = backlog.take(position + number)
            if piece is None:
                continue
            assert piece.start_samples == position
            most = settled if position < settled else min(position + number, settled + window_samples)
            assert piece.end_samples <= min(most, backlog.fed_samples)
            if isinstance(piece, Missing):
                backlog.sent_elsewhere(piece.end_samples)
            else:
                assert piece.pcm == track[piece.start_samples : piece.end_samples].tobytes()
            assert piece.end_samples > position
            position = piece.end_samples
        elif operation == "settle":
            backlog.settle(settled + number)
            settled = max(settled, min(settled + number, position))  # in its lead nothing is
        else:
            backlog.rewind()
            position = lead_start(settled)
        assert (backlog.sent_samples, backlog.settled_samples) == (position, settled)
        assert backlog.held_samples <= memory_samples
