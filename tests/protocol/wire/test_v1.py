"""The listening socket's messages are as documented, key by key; nothing a client says breaks the parser."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import AudioFormatError, InvalidMessage
from protocol.events import (
    Event,
    EventBody,
    Failed,
    Interim,
    ParticipantActed,
    SpeakerTurn,
    StatusChanged,
    Summarised,
    Transcribed,
)
from protocol.participants import MeetingParticipant, ParticipantAction
from protocol.states import TranscriptState
from protocol.wire import v1
from protocol.words import Segment, Word
from tests.protocol.test_events import BODIES

SEGMENT = Segment(
    segment_id="seg_001",
    track="trk_1",
    text="The transcribed text segment",
    start_samples=7296,
    end_samples=32000,
    is_final=True,
    words=(Word(text="The", start_samples=7296, end_samples=9600, confidence=0.95),),
    speaker="Speaker 1",
    confidence=0.95,
)
STARTED_AT = 1705745623.0

# The documented messages: each key below must be there, with this value.
DOCUMENTED: list[tuple[EventBody, dict[str, Any]]] = [
    (
        Transcribed(segment=SEGMENT, track_started_at=STARTED_AT),
        {
            "text": "The transcribed text segment",
            "speaker": "Speaker 1",
            "timestamp": 1705745623.456,
            "confidence": 0.95,
            "segment_id": "seg_001",
            "is_final": True,
        },
    ),
    (
        SpeakerTurn(
            speaker="Speaker 2",
            speaker_id="spk_002",
            track="trk_1",
            start_samples=1968,
            end_samples=87296,
            track_started_at=1705745620.0,
            confidence=0.87,
        ),
        {
            "speaker": "Speaker 2",
            "speaker_id": "spk_002",
            "start_time": 1705745620.123,
            "end_time": 1705745625.456,
            "confidence": 0.87,
        },
    ),
    (
        StatusChanged(state=TranscriptState.PROCESSING, progress=45.5, message="Processing audio chunk 12 of 26"),
        {
            "status": "processing",
            "stage": "transcription",
            "progress": 45.5,
            "message": "Processing audio chunk 12 of 26",
        },
    ),
    (
        Summarised(
            summary="Brief summary of the conversation",
            topics=("topic1", "topic2"),
            action_items=("action 1",),
            key_points=("point 1",),
        ),
        {
            "summary": "Brief summary of the conversation",
            "topics": ["topic1", "topic2"],
            "action_items": ["action 1"],
            "key_points": ["point 1"],
        },
    ),
    (
        ParticipantActed(
            action=ParticipantAction.CHAT_MESSAGE,
            participant=MeetingParticipant(id=7, name="Ada", email="a@example.org"),
            relative_s=1.23456,
            at=1000.5,
            text="hello",
            to="everyone",
        ),
        {
            "action": "chat_message",
            "participant": {"id": 7, "name": "Ada", "is_host": None, "platform": None},
            "start": 1.235,
            "timestamp": 1000.5,
            "text": "hello",
            "to": "everyone",
        },
    ),
    (
        Failed(
            code="AUDIO_FORMAT_ERROR",
            message="Unsupported audio format",
            details={"format": "unknown", "sample_rate": 0},
            recoverable=False,
        ),
        {
            "code": "AUDIO_FORMAT_ERROR",
            "message": "Unsupported audio format",
            "details": {"format": "unknown", "sample_rate": 0},
            "recoverable": False,
        },
    ),
]


@pytest.mark.parametrize(("body", "documented"), DOCUMENTED, ids=lambda value: getattr(value, "type", ""))
def test_every_documented_key_is_there(body: EventBody, documented: dict[str, Any]) -> None:
    message = v1.render(Event(transcript_id="t", seq=7, at=0.0, body=body))
    assert message.keys() == {"type", "seq", "data"}
    assert (message["type"], message["seq"]) == (body.type, 7)
    assert message["type"] in v1.MESSAGE_TYPES
    assert {key: message["data"][key] for key in documented} == documented


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.type)
def test_every_event_is_json(body: EventBody) -> None:
    message = v1.render(Event(transcript_id="t", seq=1, at=0.0, body=body))
    assert json.loads(json.dumps(message, allow_nan=False)) == message


def test_a_transcription_says_more() -> None:
    data = v1.segment_data(SEGMENT, STARTED_AT)
    assert data["words"] == [{"text": "The", "start": 0.456, "end": 0.6, "confidence": 0.95}]
    assert (data["start"], data["end"], data["track"], data["language"], data["revision"]) == (
        0.456,
        2.0,
        "trk_1",
        None,
        1,
    )


def test_a_segment_without_words_or_speaker() -> None:
    bare = SEGMENT.model_copy(update={"words": (), "speaker": None, "text": ""})
    data = v1.segment_data(bare, STARTED_AT)
    assert (data["speaker"], data["words"], data["timestamp"]) == ("", [], 1705745623.456)


def test_an_interim_has_a_lag_and_no_seq() -> None:
    interim = SEGMENT.model_copy(update={"is_final": False})
    message = v1.render_interim(Interim(transcript_id="t", segment=interim, track_started_at=STARTED_AT, lag_ms=120))
    assert message.keys() == {"type", "data"}
    assert (message["data"]["is_final"], message["data"]["lag_ms"]) == (False, 120)


def test_a_ping_is_as_documented() -> None:
    assert v1.render_ping(1705745630.0) == {"type": "ping", "data": {"timestamp": 1705745630.0}}


def test_every_state_has_a_documented_status() -> None:
    documented = {"initializing", "processing", "completed", "failed", "paused"}
    assert set(v1.STATUS_OF_STATE) == set(TranscriptState)
    assert set(v1.STATUS_OF_STATE.values()) == documented


def test_a_status_that_answers_has_no_seq() -> None:
    message = v1.render_status(StatusChanged(state=TranscriptState.PAUSED), lag_ms=9)
    assert message.keys() == {"type", "data"}
    assert (message["data"]["status"], message["data"]["state"], message["data"]["lag_ms"]) == ("paused", "paused", 9)


def test_an_error_is_as_documented() -> None:
    error = AudioFormatError("Unsupported audio format", details={"format": "unknown", "sample_rate": 0})
    assert v1.render_error(error, recoverable=False) == {
        "type": "error",
        "data": {
            "code": "AUDIO_FORMAT_ERROR",
            "message": "Unsupported audio format",
            "details": {"format": "unknown", "sample_rate": 0},
            "recoverable": False,
        },
    }


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ('{"action": "start", "params": {}}', v1.Action.START),
        ('{"action": "pause", "params": {}}', v1.Action.PAUSE),
        ('{"action": "get_status", "params": {}}', v1.Action.GET_STATUS),
        ('{"action": "resume"}', v1.Action.RESUME),
        ('{"type": "pong"}', v1.Action.PONG),
        ('{"cmd": "STOP"}', v1.Action.STOP),
        (b'{"action": "Stop", "unknown": [1]}', v1.Action.STOP),
    ],
)
def test_actions(text: str | bytes, action: v1.Action) -> None:
    assert v1.parse_action(text) is action


@pytest.mark.parametrize(
    "text",
    [
        "",
        "stop",
        "[]",
        "null",
        "{}",
        '{"action": null}',
        '{"action": {"a": 1}}',
        '{"action": "dance"}',
        '{"action": "start"' + " " * 5000 + "}",
        "[" * 4000,
        b"\xff\xfe",
        '{"action": "st\\ud800art"}',
    ],
)
def test_what_is_no_action(text: str | bytes) -> None:
    with pytest.raises(InvalidMessage):
        v1.parse_action(text)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.text()
    | st.binary()
    | JSON.map(json.dumps)
    | st.dictionaries(st.sampled_from(["action", "type", "cmd", "params"]), JSON).map(json.dumps)
)
def test_any_text_is_an_action_or_invalid(text: str | bytes) -> None:
    try:
        assert isinstance(v1.parse_action(text), v1.Action)
    except InvalidMessage as error:
        json.dumps(error.to_dict())
