from __future__ import annotations

import pytest

from protocol.blocks import SAMPLE_RATE_HZ
from protocol.wire.jobs import display_time, segment_data, speaker_of
from protocol.words import Segment, Word


def said_by(speaker: str | None) -> Segment:
    word = Word(text="hello", start_samples=1920, end_samples=8000)
    return Segment(
        segment_id="seg-1",
        track="trk",
        text="hello",
        start_samples=1920,
        end_samples=37_440,
        is_final=True,
        words=(word,),
        speaker=speaker,
    )


def test_a_segment_as_the_contract_has_it() -> None:
    data = segment_data(said_by("Speaker 1"))
    assert (data["start"], data["end"], data["text"]) == (0.12, 2.34, "hello")
    assert (data["speaker"], data["speaker_confidence"]) == ("SPEAKER_1", None)
    assert (data["cut_from"], data["overlap"]) == (None, [])
    assert (data["start_display"], data["end_display"]) == ("00:00:00.120", "00:00:02.340")


def test_what_was_cut_off_where_another_speaks_says_of_what_and_where_both_do() -> None:
    data = segment_data(said_by("Speaker 1").model_copy(update={"cut_from": "seg-0", "overlap": ((1920, 8000),)}))
    assert (data["cut_from"], data["overlap"]) == ("seg-0", [[0.12, 0.5]])


@pytest.mark.parametrize(
    ("speaker", "shown"), [("Speaker 12", "SPEAKER_12"), ("Anna", "Anna"), ("Speaker Anna", "Speaker Anna"), (None, "")]
)
def test_speakers_by_number_or_by_name(speaker: str | None, shown: str) -> None:
    assert speaker_of(said_by(speaker)) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.0, "00:00:00.000"), (59.9996, "00:01:00.000"), (3_661.001, "01:01:01.001")]
)
def test_times_to_be_shown(seconds: float, shown: str) -> None:
    assert display_time(round(seconds * SAMPLE_RATE_HZ)) == shown
