"""The forms of answers about who spoke and of what, and of what a search finds; see ``models``."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field, RootModel

from server.doors.v1.models import Form, Status
from server.doors.v1.transcript_models import Participant

LABEL = "What the voice was called before somebody named it; participants and speakers are asked for by it."


class Participants(RootModel[list[Participant]]):
    """In the order they were added."""


class Assigned(Form):
    """What an assignment, a merge, or the undoing of one did."""

    status: Literal["ok"]
    speaker: str
    speaker_number: int | None
    participant: Participant | None
    segments: int = Field(description="Segments that were told anew.", ge=0)
    split: int = Field(description="Segments that were cut, as others spoke in them, too.", ge=0)
    rounded: int = Field(
        description="Segments on the edge that could not be cut: they went, or stayed, as a whole.", ge=0
    )
    merge: str | None = Field(
        description="By which a merge is undone; null where it was none, or is too long for that."
    )


class Relabelled(Form):
    """What saying anew who speaks did."""

    status: Literal["ok"]
    voices: int = Field(description="How many speak, by what was found.", ge=0)
    segments: int = Field(description="Segments that were told anew.", ge=0)
    split: int = Field(description="Segments that were cut, as several speak in them.", ge=0)


class EnrolledVoice(Form):
    """A voice that is recognised in later recordings. By what it is known is told to nobody."""

    id: str
    name: str = Field(description="By which it is called where it is recognised.")
    user_id: str | None = Field(description="Whose it is; null: nobody's in particular.")
    project_id: str | None = Field(
        description="In whose conversations it is recognised; null: in what is of no project."
    )
    transcript_id: str = Field(description="That it was enrolled from, which may be gone.")
    encoder: str = Field(description="By which voices must be told apart for it to be recognised.")
    heard_s: float = Field(description="Seconds of speech that it is known by.", ge=0)
    created_at: datetime


class EnrolledVoices(Form):
    items: list[EnrolledVoice] = Field(description="Newest first.")
    total: int = Field(ge=0)


class FiguresOfSpeaker(Form):
    """How much one speaks."""

    speaker: str
    speaker_label: str = Field(description=LABEL)
    speaker_number: int | None = Field(description="The number in it, where it is such a label.")
    talk_time: float = Field(description="Seconds of words; pauses below one second count.", ge=0)
    share: float = Field(description="Of what all talked.", ge=0, le=1)
    turns: int = Field(description="How often they spoke until another did.", ge=1)
    longest_turn: float = Field(description="Seconds of talk in the longest of them.", ge=0)
    words: int = Field(ge=0)
    words_per_minute: float | None = Field(description="Of talk; null where its words have no length.", ge=0)
    interruptions: int | None = Field(
        description="How often they began while another spoke, who then stopped. Null where it cannot be seen: several"
        " speak on one track.",
        ge=0,
    )
    interrupted: int | None = Field(description="How often that was done to them.", ge=0)


class SpeakersFigures(Form):
    talk_time: float = Field(description="Seconds of words of all.", ge=0)
    overlap_s: float = Field(description="So long two speak at once at one microphone, where that is looked for.", ge=0)
    speakers: list[FiguresOfSpeaker] = Field(description="In the order in which they first spoke.")


class TopicSegment(Form):
    """What one segment has in a topic."""

    segment_id: str
    text: str
    start: float = Field(description="Seconds since the transcript began.")
    speaker: str
    speaker_label: str = Field(description=LABEL)


class TopicWord(Form):
    text: str
    start: float = Field(description="Seconds since the transcript began.")
    end: float = Field(description="Seconds since the transcript began.")
    speaker: str
    speaker_label: str = Field(description=LABEL)


class Topic(Form):
    """A stretch of the transcript; computed from its words."""

    id: str
    title: str = Field(description="The words that mark it out.")
    summary: str = Field(description="The sentence that says most of it.")
    timestamp: float = Field(description="Seconds since the transcript began.")
    duration: float = Field(description="Seconds.", ge=0)
    transcript: str
    segments: list[TopicSegment]


class TopicWithWords(Topic):
    words: list[TopicWord]


class SpeakerWords(Form):
    """One turn: words of one speaker without a long pause."""

    speaker: str
    speaker_label: str = Field(description=LABEL)
    words: list[TopicWord]


class TopicWithWordsPerSpeaker(Topic):
    words_per_speaker: list[SpeakerWords]


class Topics(RootModel[list[Topic]]):
    """In the order of time."""


class TopicsWithWords(RootModel[list[TopicWithWords]]):
    """In the order of time."""


class Snippet(Form):
    """A place where the words stand that were searched."""

    text: str
    matches: list[tuple[int, int]] = Field(description="Begin and end of each match in the text.")
    kind: str = Field(description="Whether it was said, or stands in the title or the summary.")
    segment_id: str | None
    speaker: str | None
    track: str | None
    start: float | None = Field(description="Seconds on the track.")
    time: float | None = Field(description="Seconds since the transcript's first track began.")


class Hit(Form):
    """A transcript that was found."""

    id: str
    title: str
    name: str
    user_id: str | None
    room_id: str | None
    room_name: str | None
    source_kind: str | None
    created_at: datetime
    deleted_at: datetime | None
    status: Status
    rank: float = Field(ge=0, le=1)
    duration: float = Field(description="Seconds.", ge=0)
    search_snippets: list[str] = Field(description="The texts of the snippets.")
    snippets: list[Snippet]
    total_match_count: int = Field(ge=0)
    change_seq: int = Field(ge=0)


class SearchResults(Form):
    results: list[Hit]
    total: int = Field(ge=0)
    query: str
    limit: int = Field(ge=1)
    offset: int = Field(ge=0)
