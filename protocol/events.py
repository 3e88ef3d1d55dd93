"""The durable events of a transcript's journal. Stored first, told afterwards, numbered from 1 without holes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from protocol.participants import MeetingParticipant, ParticipantAction
from protocol.states import TranscriptState
from protocol.words import PARSED, Segment


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True)


class Transcribed(_Body):
    """A segment became final, or a final got a new revision. ``track_started_at`` is the epoch time of sample 0.

    ``heard_samples``: everything before it is told with this; hearing goes on there after a restart.
    """

    type: Literal["transcription"] = "transcription"
    segment: Segment
    track_started_at: float
    heard_samples: int = 0


class SpeakerTurn(_Body):
    """Somebody started to speak (``segment_ids`` empty), or segments already told belong to another speaker.

    ``speaker_label``, ``voice``, ``speaker_set`` and ``taken_from`` are as in ``Segment``, and become those of the
    segments.
    """

    type: Literal["diarization"] = "diarization"
    speaker: str
    speaker_label: str | None = None
    speaker_id: str
    track: str
    start_samples: int
    end_samples: int
    track_started_at: float
    confidence: float = 1.0
    segment_ids: tuple[str, ...] = ()
    voice: int | None = None
    speaker_set: bool = False
    taken_from: int | None = None


class StatusChanged(_Body):
    """The transcript moved to another state, or its recogniser became ``degraded`` or ``ok`` again."""

    type: Literal["status"] = "status"
    state: TranscriptState
    stage: str = "transcription"
    progress: float = Field(default=0.0, ge=0.0, le=100.0)
    message: str = ""
    engine: str | None = None
    engine_state: Literal["ok", "degraded"] = "ok"
    audio: Literal["live", "stalled", "paused", "none"] = "none"


class Summarised(_Body):
    """A summary was written. ``method``: how it was made, of sentences as they were said or by a language model; such
    a one never takes the place of what somebody wrote. ``title``: one that fits."""

    type: Literal["summary"] = "summary"
    summary: str
    topics: tuple[str, ...] = ()
    action_items: tuple[str, ...] = ()
    key_points: tuple[str, ...] = ()
    title: str = ""
    method: Literal["", "extractive", "language_model"] = ""


class ParticipantActed(_Body):
    """Somebody in a meeting did something, as the bot that attends it saw. ``relative_s``: since the recording began;
    ``at``: epoch seconds. ``text`` and ``to`` are of a chat message."""

    type: Literal["participant"] = "participant"
    action: ParticipantAction
    participant: MeetingParticipant
    relative_s: float
    at: float
    text: str | None = None
    to: str | None = None


class Failed(_Body):
    """Something went wrong that readers should know. ``recoverable``: the transcript goes on."""

    type: Literal["error"] = "error"
    code: str
    message: str
    details: dict[str, Any] = Field(default_factory=dict)
    recoverable: bool = True


EventBody = Annotated[
    Transcribed | SpeakerTurn | StatusChanged | Summarised | ParticipantActed | Failed, Field(discriminator="type")
]

BODY: TypeAdapter[EventBody] = TypeAdapter(EventBody, config=PARSED)


class Event(BaseModel):
    """One entry of a journal: ``seq`` counts from 1 without holes, ``at`` is the epoch time it was stored."""

    model_config = ConfigDict(frozen=True)

    transcript_id: str
    seq: int
    at: float
    body: EventBody


class Interim(BaseModel):
    """The present state of a segment that is not final yet. Not durable, not numbered: the newest one is the truth."""

    model_config = ConfigDict(frozen=True)

    transcript_id: str
    segment: Segment
    track_started_at: float
    lag_ms: int = 0
