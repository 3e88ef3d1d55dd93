"""Which stretches of an utterance are looked at for changes of voices, and what is known of it then."""

from __future__ import annotations

from asr.speakers.segmentation import CHUNK_SAMPLES, Segmentation, Span
from asr.track_changes import HOP_SAMPLES, LEAST_SAMPLES, TrackChanges

S = 16_000


def looked(changes: TrackChanges, start: int, end: int, *, ends: bool, found: Segmentation | None = None) -> list[Span]:
    """All that is due of the utterance, heard at once."""
    spans: list[Span] = []
    while (due := changes.due(start, end, ends=ends)) is not None:
        spans.append(due)
        changes.took(start, due, found or Segmentation())
    return spans


def test_a_growing_utterance_is_looked_at_in_chunks_and_its_end_once() -> None:
    changes = TrackChanges()
    assert looked(changes, S, S + CHUNK_SAMPLES - 1, ends=False) == []
    assert looked(changes, S, S + CHUNK_SAMPLES, ends=False) == [(S, S + CHUNK_SAMPLES)]
    assert looked(changes, S, S + CHUNK_SAMPLES, ends=True) == []  # nothing is left
    end = S + CHUNK_SAMPLES + 3 * S
    assert looked(changes, S, end, ends=True) == [(end - CHUNK_SAMPLES, end)]
    assert changes.is_known(S, end)
    # It was no more than a pause.
    assert not changes.is_known(S, end + S)
    assert looked(changes, S, end + S, ends=True) == [(end + S - CHUNK_SAMPLES, end + S)]
    assert looked(changes, S, S + 2 * HOP_SAMPLES + 2 * S, ends=False) == [
        (S + HOP_SAMPLES, S + HOP_SAMPLES + CHUNK_SAMPLES)
    ]


def test_who_says_little_is_not_looked_at() -> None:
    changes = TrackChanges()
    assert looked(changes, 0, LEAST_SAMPLES - 1, ends=True) == []
    assert changes.is_known(0, LEAST_SAMPLES - 1)
    assert looked(changes, 0, LEAST_SAMPLES, ends=True) == [(0, LEAST_SAMPLES)]


def test_each_of_two_chunks_tells_its_own_side() -> None:
    changes = TrackChanges()
    end = HOP_SAMPLES + CHUNK_SAMPLES  # the two have 8 to 10 s in common
    changes.took(0, (0, CHUNK_SAMPLES), Segmentation((4 * S, 8 * S, 19 * S // 2), ((17 * S // 2, 10 * S),)))
    changes.took(
        0, (HOP_SAMPLES, end), Segmentation((17 * S // 2, 19 * S // 2 + 100), ((9 * S, 11 * S), (12 * S, 13 * S)))
    )
    told = changes.told(0)
    assert told.changes == (4 * S, 8 * S, 19 * S // 2 + 100)
    assert told.overlaps == ((17 * S // 2, 11 * S), (12 * S, 13 * S))  # one that both heard is one
    assert changes.told(5) == Segmentation()


def test_what_was_said_is_forgotten() -> None:
    changes = TrackChanges()
    changes.took(0, (0, 2 * S), Segmentation((S,)))
    changes.took(3 * S, (3 * S, 5 * S), Segmentation((4 * S,)))
    assert changes.all_told().changes == (S, 4 * S)
    changes.forget(2 * S)
    assert changes.all_told().changes == (4 * S,)
    changes.forget(5 * S)
    assert changes.all_told() == Segmentation()
