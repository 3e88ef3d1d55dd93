"""What clients send of transcripts: the bodies that make and change one, and the words of a list's filters."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

from protocol.states import TranscriptState
from protocol.wire.stream import Language
from protocol.wire.v1 import STATUS_OF_STATE
from server.doors.v1.participants import NewParticipant
from server.store.participants import PARTICIPANTS_MAX
from server.store.records import TranscriptKind
from server.store.standing import ShareMode

NAME_MAX_CHARS = 200
TITLE_MAX_CHARS = 500
SUMMARY_MAX_CHARS = 20_000

# The contract's words, and ours where they are others.
StatusWord = Literal[
    "initializing", "processing", "completed", "failed", "paused", "idle", "recording", "ended", "error", "uploaded"
]
# What a client may ask for, in the words of answers and of the sockets' commands.
Wish = Literal["pause", "paused", "resume", "recording", "processing", "end", "ended", "completed"]


def states_of(word: StatusWord) -> set[TranscriptState]:
    """The states that a word means; some have none here."""
    own = {"idle": TranscriptState.IDLE, "recording": TranscriptState.RECORDING, "ended": TranscriptState.ENDED}
    if word in own:
        return {own[word]}
    if word == "error":
        return {TranscriptState.FAILED}
    return {state for state, name in STATUS_OF_STATE.items() if name == word}


class Body(BaseModel):
    # Unknown fields are ignored: clients of neighbouring systems send more than we know.
    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    name: str | None = Field(default=None, max_length=NAME_MAX_CHARS)
    title: str | None = Field(default=None, max_length=TITLE_MAX_CHARS)
    language: Language | None = None
    source_language: Language | None = Field(default=None, description="Another name of language.")
    share_mode: ShareMode | None = Field(
        default=None, description="private: its owner; semi-private: whoever is signed in; public: whoever has its id."
    )

    @property
    def wanted_language(self) -> str | None:
        return self.language or self.source_language


class CreateTranscript(Body):
    """All of it optional: an empty body makes a nameless transcript in the server's language."""

    source_kind: TranscriptKind | None = None
    room_id: str | None = Field(default=None, max_length=36, description="The room it is of; yours.")


class Summary(BaseModel):
    summary: str = Field(default="", max_length=SUMMARY_MAX_CHARS)
    topics: list[Annotated[str, Field(max_length=500)]] = Field(default=[], max_length=100)
    action_items: list[Annotated[str, Field(max_length=500)]] = Field(default=[], max_length=100)
    key_points: list[Annotated[str, Field(max_length=500)]] = Field(default=[], max_length=100)


class ListedParticipant(NewParticipant):
    """With the ``id`` of one that is there it is that one."""

    id: str | None = Field(default=None, max_length=64)


class ChangeTranscript(Body):
    """What is left out stays; ``"summary": null`` removes it."""

    summary: Summary | Annotated[str, Field(max_length=SUMMARY_MAX_CHARS)] | None = None
    short_summary: str | None = Field(
        default=None, max_length=SUMMARY_MAX_CHARS, description="The summary's text alone; the rest of it stays."
    )
    long_summary: str | None = Field(default=None, max_length=SUMMARY_MAX_CHARS)
    status: StatusWord | Wish | None = Field(
        default=None, description="paused, processing (go on) or completed, of what is being recorded."
    )
    locked: StrictBool | None = Field(default=None, description="Whether its text and sound stay as they are.")
    participants: Annotated[list[ListedParticipant], Field(max_length=PARTICIPANTS_MAX)] | None = Field(
        default=None, description="All of them: those with an id that is there are changed, others added or removed."
    )
    audio_deleted: StrictBool | None = Field(
        default=None, description="true removes the sound for good; the text stays."
    )

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError(f"nothing to change; known are {', '.join(sorted(type(self).model_fields))}")
        return self

    @property
    def values(self) -> dict[str, Any]:
        """What goes into the record, as the store takes it."""
        plain = {
            "name": self.name,
            "title": self.title,
            "language": self.wanted_language,
            "share_mode": self.share_mode,
            "locked": self.locked,
        }
        values: dict[str, Any] = {key: value for key, value in plain.items() if value is not None}
        if "summary" in self.model_fields_set:
            whole = Summary(summary=self.summary) if isinstance(self.summary, str) else self.summary
            values["summary"] = whole.model_dump() if whole is not None else None
        parts = {"short_summary": "summary", "long_summary": "long_summary"}
        given = {key: getattr(self, field) or "" for field, key in parts.items() if field in self.model_fields_set}
        return {**values, "summary_parts": given} if given else values
