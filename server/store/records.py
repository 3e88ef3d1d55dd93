"""What the store returns: frozen, without a database behind them."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from pydantic_core import PydanticSerializationError, ValidationError

from protocol.blocks import SAMPLE_RATE_HZ
from protocol.errors import InvalidMessage
from protocol.events import BODY, EventBody
from protocol.states import TranscriptState
from protocol.words import Segment
from server.store.standing import ShareMode

TrackState = Literal["open", "finished", "failed"]
SourceKind = Literal["webrtc", "stream", "bot", "file", "text"]
TranscriptKind = Literal["live", "file", "room", "project"]


@dataclass(frozen=True, slots=True)
class Transcript:
    """The durable record of one thing that was said. ``*_at`` are epoch seconds."""

    id: str
    name: str
    state: TranscriptState
    language: str
    created_at: float
    updated_at: float
    owner: str | None  # whose it is; None in public mode
    summary: dict[str, Any] | None  # the fields of the newest Summarised event, or what a client wrote
    last_seq: int  # of its newest event; 0 before the first
    segments: int  # how many, each counted once whatever its revisions
    words: int  # of the newest revisions
    duration_samples: int  # time that some track covers; what tracks share counts once
    title: str
    source_kind: TranscriptKind
    share_mode: ShareMode
    locked: bool  # its text and sound stay as they are
    audio_deleted: bool  # its sound was taken away for good; the text stays
    deleted_at: float | None  # since when it is in the bin; destroyed ones stay there
    destroyed_at: float | None  # nothing is left but this row
    room_id: str | None
    room_name: str | None  # None, too, where that room is gone
    meeting_id: str | None
    change_seq: int  # of its latest change, from one counter for all transcripts
    state_at: float | None = None  # since when its state is what it is; None: since it was made
    is_withheld: bool = False  # its reader may know no more than its id, change_seq and deletion; the rest is made up

    @property
    def shown_title(self) -> str:
        """What people know it by."""
        return self.title or self.name


@dataclass(frozen=True, slots=True)
class VoicesAsked:
    """Whether voices are to be told apart (None: as is usual), and how many there are (at most), if somebody knows."""

    diarize: bool | None = None
    speakers_expected: int | None = None
    max_speakers: int | None = None


AS_USUAL = VoicesAsked()


@dataclass(frozen=True, slots=True)
class Track:
    """One continuous timeline of sound inside a transcript."""

    id: str
    transcript_id: str
    name: str  # the client's own name for it, or ""
    speaker: str | None
    started_at: float  # epoch time of sample 0
    length_samples: int
    transcribed_samples: int  # everything before it is settled: its finals are stored
    state: TrackState
    source: SourceKind
    path: str  # of its recording, relative to the folder of recordings
    model: str | None = None  # by which it is to be heard; None: whichever the house has
    asked: str | None = None  # how it is to be heard: of ``server.heard_as``
    diarize: bool = False  # as in ``VoicesAsked``
    speakers_expected: int | None = None
    max_speakers: int | None = None
    printed_samples: int = 0  # where the last speech ends that there were voice prints of,
    grouped_samples: int = 0  # and up to where it was in a later pass
    # The data folder whose file of it grew last (None: nobody said), how many times one was taken for that, and whether
    # all of that file is in the bucket.
    kept_in: str | None = field(default=None, compare=False)
    kept_turn: int = field(default=0, compare=False)
    is_remote: bool = field(default=False, compare=False)

    @property
    def is_whole(self) -> bool:
        """All of its sound is in the bucket, and no more comes."""
        return self.state != "open" and self.is_remote


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody who takes part, as people call them. ``speaker`` is the label of their voice; None: not known yet.

    ``recognised``: the voice was recognised as an enrolled one and given that one's name, and nobody has changed it.
    """

    id: str
    transcript_id: str
    speaker: str | None
    name: str
    user_id: str | None
    email: str | None
    created_at: float
    recognised: bool = False


@dataclass(frozen=True, slots=True)
class StoredSegment:
    """The newest revision of a final segment; ``seq`` is the event that brought it."""

    segment: Segment
    track_started_at: float
    seq: int

    @property
    def starts_at(self) -> float:
        return self.track_started_at + self.segment.start_samples / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event that wants to be stored. ``key`` names this append, whatever number of times it is tried."""

    transcript_id: str
    body: EventBody
    json: str = field(repr=False)
    key: str
    holder: str | None = None  # the node that must hold the transcript, or else it is not stored; None: whoever does

    @classmethod
    def of(cls, transcript_id: str, body: EventBody, *, holder: str | None = None) -> Self:
        """Raises ``InvalidMessage`` for what could not be stored, or not be read back: text that UTF-8 cannot hold,
        NaN. It must spoil neither the batch it would share nor every later reading of the transcript."""
        try:
            text = BODY.dump_json(body).decode()
            BODY.validate_json(text)
        except (PydanticSerializationError, ValidationError):
            raise InvalidMessage("an event's text must be valid Unicode and its numbers finite") from None
        return cls(transcript_id, body, text, secrets.token_hex(16), holder)


def covered_samples(tracks: Iterable[tuple[float, int]]) -> int:
    """Length of the union of ``(started_at, length_samples)``: overlaps count once, breaks between do not count."""
    covered_s, end_s = 0.0, -math.inf
    for started_at, length_samples in sorted(tracks):
        stop_s = started_at + length_samples / SAMPLE_RATE_HZ
        covered_s += max(0.0, stop_s - max(started_at, end_s))
        end_s = max(end_s, stop_s)
    return round(covered_s * SAMPLE_RATE_HZ)


def storable(text: str) -> str:
    """Names that clients gave, without what a database cannot hold: NUL (PostgreSQL) and lone surrogates (UTF-8)."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def given(**values: object) -> dict[str, Any]:
    """Of what may be left out, what was not."""
    return {name: value for name, value in values.items() if value is not None}
