"""Meetings that happen in this very server: there is nothing to open, people come by WebRTC."""

from __future__ import annotations

from server.meetings.provider import Opened
from server.store.meeting_records import Meeting, Room


class Builtin:
    """The provider ``builtin``."""

    has_sound = True

    async def create(self, room: Room, ends_at: float) -> Opened:
        return Opened(room_url=f"/r/{room.name}")

    def link(self, meeting: Meeting, name: str) -> str:
        return meeting.room_url

    async def end(self, provider_id: str) -> None:
        pass

    async def stop(self) -> None:
        pass
