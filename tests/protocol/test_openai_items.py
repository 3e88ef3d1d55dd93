"""Items of a Realtime session: only what is agreed on is told early, and what was told is never taken back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from protocol.errors import ParameterRefused
from protocol.openai_items import Items, agreed_text
from protocol.openai_realtime import Session, parse_event, session_view, updated
from protocol.wire.stream import Encoding
from protocol.words import Segment

Json = dict[str, Any]


def segment(text: str, revision: int = 1, *, start: int = 0, final: bool = False, id_: str = "seg_1") -> Segment:
    end = start + 16_000
    return Segment(
        segment_id=id_, track="t", text=text, start_samples=start, end_samples=end, is_final=final, revision=revision
    )


def deltas(events: list[Json]) -> list[str]:
    return [event["delta"] for event in events if event["type"].endswith(".delta")]


def transcripts(events: list[Json]) -> list[str]:
    return [event["transcript"] for event in events if event["type"].endswith(".completed")]


@pytest.mark.parametrize(
    ("before", "now", "language", "agreed"),
    [
        ("", "alpha", "en", ""),
        ("alpha", "alpha bravo", "en", "alpha"),
        ("alpha bra", "alpha bravo", "en", "alpha"),
        ("alpha bravo", "alpha bravo", "en", "alpha bravo"),
        ("alpha bravo", "alpha", "en", "alpha"),
        ("al", "alpha", "en", ""),
        ("你好世", "你好吗", "zh", "你好"),
    ],
)
def test_two_texts_agree_on_whole_words(before: str, now: str, language: str, agreed: str) -> None:
    assert agreed_text(before, now, language) == agreed


def test_interims_that_change_are_told_where_they_agree() -> None:
    items = Items(Session("sess_1", 0.0))
    events: list[Json] = []
    for revision, text in enumerate(("alpha", "alpha brave", "alpha bravo", "alpha bravo charlie"), 1):
        events += items.heard(segment(text, revision))
    events += items.heard(segment("alpha bravo charlie delta", 5, final=True))
    assert deltas(events) == ["alpha", " bravo", " charlie delta"]
    assert transcripts(events) == ["alpha bravo charlie delta"]


def test_an_end_that_thinks_better_of_it_is_told_as_a_whole() -> None:
    items = Items(Session("sess_1", 0.0))
    events = [*items.heard(segment("alpha")), *items.heard(segment("alpha bravo", 2))]
    events += items.heard(segment("Alfa bravo.", 3, final=True))
    assert deltas(events) == ["alpha"]
    assert transcripts(events) == ["Alfa bravo."]


def test_what_turns_out_to_be_nothing_is_an_item_without_text() -> None:
    items = Items(Session("sess_1", 0.0))
    assert items.heard(segment("", 1, final=True)) == []
    events = [*items.heard(segment("alpha")), *items.heard(segment("", 2))]
    assert transcripts(events) == [""]
    items.commit(32_000)
    assert transcripts(items.finalized()) == [""]  # a commit of silence is answered, too


def test_turns_of_the_client_take_what_was_said_before_their_commit() -> None:
    items = Items(replace(Session("sess_1", 0.0), turns=None))
    assert items.heard(segment("alpha")) == []
    early = [*items.heard(segment("alpha bra", 2)), *items.heard(segment("alpha bravo", 3, final=True))]
    early += items.heard(segment("charlie", start=16_000, id_="seg_2"))
    assert deltas(early) == ["alpha", " bravo"]
    committed = items.commit(32_000)
    assert deltas(committed) == []
    assert committed[0]["item_id"] == early[0]["item_id"]
    assert items.is_commit_empty(33_000)
    items.commit(64_000)
    late = items.heard(segment("charlie del", 2, start=16_000, id_="seg_2"))
    late += items.heard(segment("charlie delta", 3, final=True, start=16_000, id_="seg_2"))
    late += items.heard(segment("echo", final=True, start=48_000, id_="seg_3"))
    assert deltas(late) == [" charlie", " delta", "echo"]
    assert transcripts(items.finalized()) == ["alpha bravo charlie delta"]
    assert transcripts(items.finalized()) == ["echo"]
    assert items.finalized() == []


def test_what_is_cleared_is_of_no_item() -> None:
    items = Items(Session("sess_1", 0.0))
    items.heard(segment("alpha"))
    assert [event["type"] for event in items.clear(8_000)] == ["input_audio_buffer.cleared"]
    assert items.heard(segment("alpha bravo", 2, final=True)) == []
    assert items.finalized() == []


def test_each_commit_is_answered_where_the_server_finds_the_turns() -> None:
    """What was said before one ends with it; of what was silent there is an item without text."""
    items = Items(Session("sess_1", 0.0))
    items.heard(segment("alpha"))
    for at_samples in (16_000, 32_000, 48_000):
        items.commit(at_samples)
    events = items.heard(segment("alpha", 2, final=True))
    events += items.finalized()
    events += items.heard(segment("bravo", final=True, start=16_000, id_="seg_2"))
    events += [*items.finalized(), *items.finalized()]
    assert transcripts(events) == ["alpha", "bravo", ""]
    assert [event["type"] for event in events].count("input_audio_buffer.committed") == 3


def test_a_clear_takes_nothing_of_what_was_committed_before() -> None:
    for session in (Session("sess_1", 0.0), replace(Session("sess_1", 0.0), turns=None)):
        items = Items(session)
        items.heard(segment("alpha"))
        items.commit(8_000)
        items.clear(24_000)
        events = items.heard(segment("alpha bravo", 2, final=True))
        events += items.heard(segment("charlie", final=True, start=16_000, id_="seg_2"))
        events += [*items.finalized(), *items.finalized()]
        assert transcripts(events) == ["alpha bravo"]


def test_what_waits_for_a_commit_is_told_where_the_server_is_to_find_the_turns_from_now_on() -> None:
    items = Items(replace(Session("sess_1", 0.0), turns=None))
    items.heard(segment("alpha", final=True))
    items.heard(segment("bravo", start=16_000, id_="seg_2"))
    was_uncommitted, events = items.has_uncommitted, items.commit(24_000)
    items.session = replace(items.session, turns={"type": "server_vad"})
    assert (was_uncommitted, items.has_uncommitted) == (True, False)
    events += items.heard(segment("bravo charlie", 2, final=True, start=16_000, id_="seg_2"))
    events += [*items.finalized(), *items.heard(segment("delta", final=True, start=32_000, id_="seg_3"))]
    assert transcripts(events) == ["alpha bravo charlie", "delta"]


@pytest.mark.parametrize("asked", [{"audio": []}, {"audio": ""}, {"audio": {"input": []}}, {"audio": {"input": False}}])
def test_sound_is_asked_for_in_objects(asked: Json) -> None:
    with pytest.raises(ParameterRefused, match="is an object"):
        updated(Session("sess_1", 0.0), asked, is_beta=False)


def test_both_dialects_ask_for_the_same() -> None:
    before = Session("sess_1", 0.0)
    newer = updated(
        before,
        {
            "type": "transcription",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcmu"},
                    "transcription": {"model": "whisper-1", "keywords": ["Opus"], "prompt": "sound"},
                    "turn_detection": None,
                    "noise_reduction": {"type": "near_field"},
                }
            },
        },
        is_beta=False,
    )
    beta = updated(
        before,
        {
            "input_audio_format": "g711_ulaw",
            "input_audio_transcription": {"model": "whisper-1", "keywords": ["Opus"], "prompt": "sound"},
            "turn_detection": None,
            "input_audio_noise_reduction": {"type": "near_field"},
        },
        is_beta=True,
    )
    assert replace(beta, is_beta=False) == newer
    assert (newer.encoding, newer.rate_hz, newer.turns) == (Encoding.MULAW, 8_000, None)
    assert newer.transcription.hotwords == ("Opus", "sound")
    again = updated(newer, {"audio": {"input": {"transcription": {"language": "de"}}}}, is_beta=False)
    assert (again.transcription.model, again.transcription.language, again.turns) == ("whisper-1", "de", None)
    assert session_view(beta)["input_audio_format"] == "g711_ulaw"
    assert session_view(newer)["audio"]["input"]["format"] == {"type": "audio/pcmu"}


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"type": "response.create"}, "type"),
        ({"type": "session.update", "session": []}, "session"),
        ({"type": "input_audio_buffer.append"}, "audio"),
        ({"type": "input_audio_buffer.append", "audio": "?"}, "audio"),
    ],
)
def test_events_that_are_not_taken(message: Json, param: str) -> None:
    with pytest.raises(ParameterRefused) as refused:
        parse_event(message)
    assert refused.value.details["param"] == param
