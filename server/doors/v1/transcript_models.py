"""The forms of transcripts in answers; see ``models``."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from server.doors.v1.models import Form, Page, State, Status
from server.store.records import TranscriptKind
from server.store.standing import ShareMode


class Track(Form):
    """One continuous timeline of sound: a microphone, a room, a file."""

    id: str
    name: str
    speaker: str | None
    started_at: datetime
    duration: float = Field(description="Seconds.", ge=0)
    state: str
    source: str = Field(description="What fed it: webrtc, socket, file.")
    formats: list[Literal["wav", "mp3", "ogg", "original"]] = Field(description="What its sound can be had as now.")
    speakers_expected: int | None = Field(description="So many speak on it, as somebody said; null: nobody did.", ge=1)
    max_speakers: int | None = Field(description="No more than so many speak on it, as somebody said.", ge=1)


class Mix(Form):
    """The sound of several tracks together, each at its time, as it is given where no track is asked for."""

    duration: float = Field(description="Seconds, from the beginning of the first track.", ge=0)
    formats: list[Literal["wav", "mp3"]] = Field(description="What it can be had as.")


class Participant(Form):
    """Somebody who takes part, as people call them."""

    id: str
    speaker: str | None = Field(description="The label of their voice; null: not known yet.")
    speaker_number: int | None = Field(description="The number in it, where it is such a label.")
    name: str
    user_id: str | None
    email: str | None = Field(description="Null also for those who may not change the transcript.")
    created_at: datetime
    recognised: bool = Field(description="The name is that of an enrolled voice, as which this one was recognised.")


class TranscriptFields(Form):
    """What is known of a transcript but its words. Stands at the top of an answer, and in its ``data``."""

    name: str
    title: str
    user_id: str | None = Field(description="Whose it is; null where nobody signs in.")
    locked: bool = Field(description="Whether its text and sound stay as they are.")
    share_mode: ShareMode
    source_kind: TranscriptKind
    source_language: str
    duration: float = Field(description="Seconds.", ge=0)
    duration_ms: int = Field(ge=0)
    short_summary: str | None
    long_summary: str | None
    action_items: list[str]
    room_id: str | None
    room_name: str | None
    meeting_id: str | None
    audio_deleted: bool = Field(description="Whether its sound was removed for privacy.")
    deleted_at: datetime | None = Field(description="Since when it is in the bin.")
    destroyed_at: datetime | None = Field(description="Since when nothing but this is left of it.")
    change_seq: int = Field(description="Of its latest change, from one counter for all transcripts.", ge=0)
    participants: list[Participant]


class TranscriptData(TranscriptFields):
    state: State = Field(description="The state inside, of which status is the contract's word.")
    language: str
    segments: int = Field(description="Final segments.", ge=0)
    words: int = Field(description="Words in them.", ge=0)
    engine: str = Field(description="The recogniser in use.")
    last_seq: int = Field(description="Number of its newest event; listen with after=last_seq to go on there.", ge=0)
    summary: dict[str, Any] | None
    tracks: list[Track] = Field(default=[], description="Left out in lists.")
    mix: Mix | None = Field(
        default=None,
        description="Null where fewer than two tracks have sound, or while one is recorded; left out in lists.",
    )


class Transcript(TranscriptFields):
    """The durable record of one thing that was said."""

    id: str
    created_at: datetime
    updated_at: datetime
    status: Status
    data: TranscriptData


class Speech(Form):
    speaker: str = Field(description="The label of the voice.")
    speaker_name: str = Field(description="What people call it.")
    text: str
    start: float = Field(description="Seconds since the transcript began.")
    end: float


class TranscriptWithWords(Transcript):
    """The record, and where ``transcript_format`` asks for them its words."""

    transcript_format: str | None = Field(default=None, description="As it was asked for; else left out.")
    transcript: str | list[Speech] | None = Field(
        default=None, description="The text of the document, or with json who said what; else left out."
    )


class UploadedTo(Transcript):
    """The transcript that a recording was added to."""

    track_id: str = Field(description="The track that was made of the recording.")


class Upload(Form):
    """A file that comes in chunks."""

    upload_id: str
    transcript_id: str
    name: str
    language: str | None
    state: Literal["open", "joining", "done"]
    chunks: int = Field(description="How many there will be.", ge=1)
    received_chunks: int = Field(ge=0)
    received_bytes: int = Field(ge=0)
    length_bytes: int | None = Field(description="Of the whole, as announced.")
    sha256: str | None = Field(description="Of the whole, as announced.")
    created_at: datetime
    updated_at: datetime


class UploadList(Form):
    items: list[Upload]


class UploadWithMissing(Upload):
    missing: list[int] = Field(description="Numbers of the chunks that are awaited.")


class UploadedChunk(Form):
    number: int
    sha256: str


class UploadCompleted(Upload):
    track_id: str | None = Field(description="The track that was made of the file; null when that was done before.")


class UploadWithChunk(Upload):
    chunk: UploadedChunk
    track_id: str | None = Field(default=None, description="When this chunk completed the upload.")


class ChunkTaken(Form):
    status: Literal["ok"]


class TranscriptPage(Page):
    items: list[Transcript]
