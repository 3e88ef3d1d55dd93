"""Rooms, meetings and who attended them: what the store returns, frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from server.store.standing import ShareMode

Platform = Literal["builtin", "whereby"]


class MeetingState(StrEnum):
    """``ending``: nobody can join any more, and something is still due: the last words, or sound to be deleted."""

    ACTIVE = "active"
    ENDING = "ending"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Room:
    """A lasting place to meet in. ``*_at`` are epoch seconds."""

    id: str
    name: str  # unique among those that are not deleted; stands in links
    owner: str | None
    platform: Platform
    share_mode: ShareMode
    is_locked: bool
    language: str
    settings: dict[str, Any]  # what only the provider or the page knows what to do with
    created_at: float
    updated_at: float
    deleted_at: float | None

    @property
    def keeps_sound(self) -> bool:
        return self.settings.get("recording_type") != "none"

    @property
    def ad_hoc(self) -> bool:
        """Made for one meeting, and gone with it."""
        return bool(self.settings.get("ad_hoc"))


@dataclass(frozen=True, slots=True)
class Meeting:
    """One time that people met in a room."""

    id: str
    room_id: str
    room: Room
    owner: str | None
    platform: Platform
    provider_id: str | None  # what the provider calls it
    room_url: str
    host_room_url: str | None = field(repr=False)  # whoever has it is host
    transcript_id: str | None
    state: MeetingState
    created_at: float
    starts_at: float
    ends_at: float  # when it ends at the latest
    ended_at: float | None

    @property
    def is_active(self) -> bool:
        return self.state is MeetingState.ACTIVE


@dataclass(frozen=True, slots=True)
class Attendance:
    """One participant of one meeting. ``consent`` is to keeping the sound; None: not answered."""

    id: str
    meeting_id: str
    name: str
    user_id: str | None
    joined_at: float
    left_at: float | None
    consent: bool | None
