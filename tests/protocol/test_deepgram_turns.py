"""What is told when of one channel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from protocol.deepgram import ListenOptions
from protocol.deepgram_turns import Turns
from protocol.words import Segment, Word

S = 16_000
OPTIONS = ListenOptions(interim_results=True, vad_events=True, utterance_end_ms=1000)


def turns(options: ListenOptions = OPTIONS) -> Turns:
    return Turns(options, channel=1, channels=2, metadata={"request_id": "r"}, silence_ms=500)


def segment(text: str, start_s: float, *, is_final: bool = True, id_: str = "seg_1") -> Segment:
    words = tuple(
        Word(text=word, start_samples=round((start_s + number) * S), end_samples=round((start_s + number + 0.5) * S))
        for number, word in enumerate(text.split())
    )
    end_samples = words[-1].end_samples if words else round(start_s * S)
    return Segment(
        segment_id=id_,
        track="trk",
        text=text,
        start_samples=round(start_s * S),
        end_samples=end_samples,
        is_final=is_final,
        words=words,
        voice=1,
    )


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    return [message["type"] for message in messages]


def text_of(message: dict[str, Any]) -> str:
    return str(message["channel"]["alternatives"][0]["transcript"])


def test_speech_starts_once_and_a_gap_of_words_ends_the_utterance_once() -> None:
    told = turns()
    assert kinds(told.interim(segment("Hello", 1, is_final=False))) == ["SpeechStarted", "Results"]
    assert kinds(told.interim(segment("Hello, you", 1, is_final=False))) == ["Results"]
    assert told.heard(9 * S) == []  # it is still being said
    (final,) = told.final(segment("Hello, you.", 1))
    assert (final["channel_index"], final["start"], final["duration"]) == ([1, 2], 1.0, 1.5)
    assert (final["is_final"], final["speech_final"], final["from_finalize"]) == (True, True, False)
    assert text_of(final) == "hello you"
    assert told.heard(3 * S) == []
    assert told.heard(round(3.5 * S)) == [{"type": "UtteranceEnd", "channel": [1, 2], "last_word_end": 2.5}]
    assert told.heard(9 * S) == []


def test_a_gap_that_the_next_words_end_is_told_before_them() -> None:
    told = turns()
    told.final(segment("one", 0))
    assert kinds(told.interim(segment("two", 1.2, is_final=False, id_="seg_2"))) == ["SpeechStarted", "Results"]
    told.final(segment("two", 1.2, id_="seg_2"))
    assert kinds(told.final(segment("three", 2.75, id_="seg_3"))) == ["UtteranceEnd", "SpeechStarted", "Results"]


def test_words_are_told_as_they_were_asked_for() -> None:
    told = turns(replace(OPTIONS, punctuate=True, diarize=True, vad_events=False))
    (final,) = told.final(segment("Hello.", 0))
    assert text_of(final) == "Hello."
    assert final["channel"]["alternatives"][0]["words"] == [
        {"word": "hello", "start": 0.0, "end": 0.5, "confidence": 1.0, "punctuated_word": "Hello.", "speaker": 1}
    ]


def test_a_longer_pause_than_the_recogniser_waits_for_is_told_when_it_is_over() -> None:
    told = turns(replace(OPTIONS, endpointing_ms=2000, utterance_end_ms=None))
    assert not told.final(segment("yes", 0))[-1]["speech_final"]
    assert told.heard(2 * S) == []
    (pause,) = told.heard(3 * S)
    assert (pause["speech_final"], pause["is_final"], text_of(pause)) == (True, True, "")
    assert told.heard(9 * S) == []
    assert not turns(replace(OPTIONS, endpointing_ms=None)).final(segment("yes", 0))[-1]["speech_final"]


def test_the_last_that_a_finalize_brings_says_so_and_so_does_nothing_at_all() -> None:
    told = turns(replace(OPTIONS, vad_events=False))
    told.finalizing()
    assert told.final(segment("one", 0)) == []
    (first,) = told.final(segment("two", 2, id_="seg_2"))
    assert (text_of(first), first["from_finalize"]) == ("one", False)
    (second,) = told.finalized(4 * S)
    assert (text_of(second), second["from_finalize"], second["speech_final"]) == ("two", True, True)
    told.finalizing()
    (nothing,) = told.finalized(5 * S)
    assert (text_of(nothing), nothing["from_finalize"], nothing["is_final"]) == ("", True, True)


def test_what_is_taken_back_was_never_said() -> None:
    told = turns()
    told.interim(segment("hm", 0, is_final=False))
    assert told.interim(segment("", 0, is_final=False)) == []
    assert told.final(segment("", 0)) == []
    assert kinds(told.interim(segment("now", 2, is_final=False, id_="seg_2"))) == ["SpeechStarted", "Results"]
