"""What a meeting bot may tell us, whoever made it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from protocol.participants import MeetingParticipant, ParticipantAction

Surface = Literal["webcam", "screenshare"]
PictureFormat = Literal["png", "jpeg", "h264"]


@dataclass(frozen=True, slots=True)
class Moment:
    """When: seconds since the recording began, and epoch seconds. Either may not be told."""

    relative_s: float | None = None
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Began:
    """``at``: epoch seconds, by the bot's clock where it tells that; ``ahead_s``: by how much that is ahead of ours."""

    at: float
    ahead_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Sound:
    """s16le mono. ``participant``: None for the mixed sound of all."""

    participant: MeetingParticipant | None
    pcm: bytes
    rate_hz: int
    moment: Moment


@dataclass(frozen=True, slots=True)
class Acted:
    """A participant did something. ``text`` and ``to`` are of a chat message."""

    action: ParticipantAction
    participant: MeetingParticipant
    moment: Moment
    text: str | None = None
    to: str | None = None


@dataclass(frozen=True, slots=True)
class ToldWord:
    text: str
    start_s: float
    end_s: float | None


@dataclass(frozen=True, slots=True)
class Told:
    """Words that another recogniser made; of nobody in particular where ``participant`` is None. ``is_voice``: of a
    voice that it told apart and named itself, whose the id is made of that name. ``payload``: all of it, as it came."""

    participant: MeetingParticipant | None
    words: tuple[ToldWord, ...]
    is_partial: bool
    language: str | None = None
    payload: Any = None
    is_voice: bool = False


@dataclass(frozen=True, slots=True)
class ProviderData:
    """What another recogniser really sent; ``participant``: of whose sound, where that is told."""

    payload: Any
    participant: MeetingParticipant | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, or of ``h264`` a piece of an Annex B byte stream (ITU-T H.264)."""

    participant: MeetingParticipant
    surface: Surface
    format: PictureFormat
    data: bytes
    moment: Moment


@dataclass(frozen=True, slots=True)
class Head:
    """The first message of the older protocol. ``offset_s``: where in the recording its sound begins."""

    is_separate: bool
    offset_s: float


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nothing that we use; bots are told to send more than that."""

    name: str


Item = Sound | Acted | Told | ProviderData | Picture | Head | Unknown
