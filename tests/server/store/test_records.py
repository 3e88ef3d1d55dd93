from __future__ import annotations

import math

import pytest

from protocol.errors import InvalidMessage
from protocol.events import Failed, Transcribed
from protocol.words import Segment, Word
from server.store.records import NewEvent, covered_samples, storable


@pytest.mark.parametrize(
    ("tracks", "seconds"),
    [
        ([], 0),
        ([(5.0, 16000)], 1),
        ([(5.0, 16000), (5.5, 16000)], 1.5),
        ([(5.0, 160000), (6.0, 16000)], 10),
        ([(9.0, 16000), (5.0, 16000)], 2),
    ],
)
def test_covered_time_is_the_union(tracks: list[tuple[float, int]], seconds: float) -> None:
    assert covered_samples(tracks) == seconds * 16000


def test_text_that_is_not_unicode_is_refused_before_it_joins_a_batch() -> None:
    with pytest.raises(InvalidMessage):
        NewEvent.of("t", Failed(code="X", message="\ud800"))


def test_numbers_that_could_not_be_read_back_are_refused() -> None:
    word = Word(text="x", start_samples=0, end_samples=1, confidence=math.nan)
    spoken = Segment(segment_id="a", track="t", text="x", start_samples=0, end_samples=1, is_final=True, words=(word,))
    with pytest.raises(InvalidMessage):
        NewEvent.of("t", Transcribed(segment=spoken, track_started_at=0.0))


def test_names_are_made_storable() -> None:
    assert storable("a\x00\ud83d!") == "a?!"
