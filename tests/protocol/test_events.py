"""Every body of an event comes back from JSON as it was, found by walking the union."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from protocol.events import (
    BODY,
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
from protocol.words import Segment, Word

SEGMENT = Segment(
    segment_id="seg_1",
    track="trk_1",
    text="früh",
    start_samples=16,
    end_samples=320,
    is_final=True,
    revision=2,
    words=(Word(text="früh", start_samples=16, end_samples=320, confidence=0.5),),
    speaker="A",
    language="de",
    confidence=0.5,
)
BODIES: list[EventBody] = [
    Transcribed(segment=SEGMENT, track_started_at=1.5),
    SpeakerTurn(
        speaker="A",
        speaker_id="spk_1",
        track="trk_1",
        start_samples=1,
        end_samples=2,
        track_started_at=1.5,
        segment_ids=("seg_1",),
    ),
    StatusChanged(state=TranscriptState.RECORDING, progress=12.5, engine="fake", engine_state="degraded", audio="live"),
    Summarised(summary="s", topics=("t",), action_items=("a",), key_points=("k",)),
    ParticipantActed(
        action=ParticipantAction.CHAT_MESSAGE,
        participant=MeetingParticipant(id=7, name="Ada", is_host=True, extra_data={"zoom": 1}),
        relative_s=1.5,
        at=2.5,
        text="hello",
        to="everyone",
    ),
    Failed(code="X", message="m", details={"n": 1}, recoverable=False),
]


def test_there_is_an_example_of_every_body() -> None:
    kinds: tuple[type[BaseModel], ...] = get_args(get_args(EventBody)[0])
    assert {type(body) for body in BODIES} == set(kinds)
    tags = [kind.model_fields["type"].default for kind in kinds]
    assert len(set(tags)) == len(tags)


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.type)
def test_a_body_comes_back_as_it_was(body: EventBody) -> None:
    assert BODY.validate_json(body.model_dump_json()) == body
    event = Event(transcript_id="t", seq=1, at=2.0, body=body)
    assert Event.model_validate_json(event.model_dump_json()) == event


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.type)
def test_unknown_fields_of_a_later_version_are_ignored(body: EventBody) -> None:
    later: dict[str, Any] = {**body.model_dump(mode="json"), "from_the_future": 1}
    assert BODY.validate_python(later) == body


def test_bodies_do_not_change() -> None:
    with pytest.raises(ValidationError):
        BODIES[3].summary = "other"  # type: ignore[misc, union-attr]


@pytest.mark.parametrize("progress", [-0.1, 100.1])
def test_progress_is_a_percentage(progress: float) -> None:
    with pytest.raises(ValidationError):
        StatusChanged(state=TranscriptState.IDLE, progress=progress)


def test_an_interim_comes_back_as_it_was() -> None:
    interim = Interim(transcript_id="t", segment=SEGMENT, track_started_at=0.5, lag_ms=3)
    assert Interim.model_validate_json(interim.model_dump_json()) == interim
