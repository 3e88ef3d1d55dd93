"""Rooms, meetings and participants as the v1 API shows them. What clients of neighbouring systems look for is there
under their names, too."""

from __future__ import annotations

from typing import Any

from server.doors.v1.views import iso
from server.meetings.attendances import Person
from server.store.meeting_records import Meeting, Room


def room_view(room: Room, *, is_host: bool) -> dict[str, Any]:
    """Who owns it, as the server knows them, is nothing for guests."""
    data = {
        "name": room.name,
        "platform": room.platform,
        "language": room.language,
        "share_mode": room.share_mode,
        "is_shared": room.share_mode != "private",
        "is_locked": room.is_locked,
        "room_mode": room.settings.get("room_mode", "normal"),
        "recording_type": room.settings.get("recording_type"),
        "recording_trigger": room.settings.get("recording_trigger"),
        "skip_consent": bool(room.settings.get("skip_consent", False)),
        "user_id": room.owner if is_host else None,
    }
    head = {"id": room.id, "created_at": iso(room.created_at), "updated_at": iso(room.updated_at)}
    return {**head, **data, "data": data}


def meeting_view(meeting: Meeting, base_url: str, *, is_host: bool, may_change: bool) -> dict[str, Any]:
    """``host_room_url`` makes whoever has it the host: shown to none but those who may change the meeting, which not
    all that its owner gave a key to may do."""
    data = {
        "room_id": meeting.room_id,
        "room_name": meeting.room.name,
        "platform": meeting.platform,
        "transcript_id": meeting.transcript_id,
        "room_url": absolute(meeting.room_url, base_url),
        "host_room_url": absolute(meeting.host_room_url or meeting.room_url, base_url) if may_change else None,
        "start_date": iso(meeting.starts_at),
        "end_date": iso(meeting.ends_at),
        "ended_at": None if meeting.ended_at is None else iso(meeting.ended_at),
        "is_active": meeting.is_active,
        "is_locked": meeting.room.is_locked,
        "language": meeting.room.language,
        "recording_type": meeting.room.settings.get("recording_type"),
        "recording_trigger": meeting.room.settings.get("recording_trigger"),
        "skip_consent": bool(meeting.room.settings.get("skip_consent", False)),
        "user_id": meeting.owner if is_host else None,
    }
    head = {
        "id": meeting.id,
        "created_at": iso(meeting.created_at),
        "updated_at": iso(meeting.ended_at or meeting.created_at),
        "status": "active" if meeting.is_active else "ended",
    }
    return {**head, **data, "data": data}


def person_view(person: Person) -> dict[str, Any]:
    attendance = person.attendance
    return {
        "id": attendance.id,
        "name": attendance.name,
        "joined_at": iso(attendance.joined_at),
        "left_at": None if attendance.left_at is None else iso(attendance.left_at),
        "is_here": person.is_here,
        "connected": person.connected,
        "muted": person.muted,
    }


def absolute(url: str, base_url: str) -> str:
    """Places of ours are kept without a host: the same server has several names."""
    return base_url.rstrip("/") + url if url.startswith("/") else url
