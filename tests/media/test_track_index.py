from __future__ import annotations

from media.cells import CELL_SAMPLES, LEAD_SAMPLES
from media.track_file import SAMPLES, Piece
from media.track_index import TrackIndex

PAGE_SAMPLES = 3_200


def index_of(count: int, stream: int = 1, *, start_samples: int = 0, index: TrackIndex | None = None) -> TrackIndex:
    """So many pages of 200 ms, a hundred bytes each."""
    index = TrackIndex() if index is None else index
    for number in range(count):
        begin_bytes = index.end_bytes
        at = start_samples + number * PAGE_SAMPLES
        index.add(Piece(begin_bytes, begin_bytes + 100, at, PAGE_SAMPLES, stream, number))
    return index


def test_pieces_are_found_by_their_time() -> None:
    index = index_of(5, start_samples=1_000)
    assert [index.at(samples) for samples in (0, 1_000, 4_199, 4_200, 10**9)] == [0, 0, 0, 1, 4]
    assert index.piece(3) == Piece(300, 400, 10_600, PAGE_SAMPLES, 1, 0)
    assert (len(index), index.end_samples, index.end_bytes) == (5, 17_000, 500)
    assert TrackIndex().at(5) == 0


def test_a_cell_is_ten_seconds_of_one_stream_and_led_up_to_by_half_a_second() -> None:
    a_cell, lead = CELL_SAMPLES // PAGE_SAMPLES, -(-LEAD_SAMPLES // PAGE_SAMPLES)
    index = index_of(3 * a_cell)
    for number in (a_cell, a_cell + 7, 2 * a_cell - 1):
        assert index.cell_around(number, len(index)) == (a_cell - lead, a_cell, 2 * a_cell - 1)
    assert index.cell_around(3, len(index)) == (0, 0, a_cell - 1)
    assert index.cell_around(3, 10) == (0, 0, 9)
    index_of(3, 2, start_samples=index.end_samples, index=index)
    other = 3 * a_cell
    assert index.cell_around(other, len(index)) == (other, other, other + 2)


def test_only_a_stream_with_its_head_and_nothing_else_is_an_ogg_file() -> None:
    index = TrackIndex()
    told = [index_of(3).is_one_ogg_stream]
    index.add(Piece(0, 47, 0, 0, 1, 0))
    told.append(index.is_one_ogg_stream)
    index_of(3, index=index)
    told.append(index.is_one_ogg_stream)
    index_of(1, SAMPLES, start_samples=index.end_samples, index=index)
    told.append(index.is_one_ogg_stream)
    assert told == [False, False, True, False]
