"""Rooms and meetings as the store keeps them. Every method is one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from protocol import ids
from protocol.errors import Conflict, NotFound, Overloaded, TooLarge
from server.store import meetings, participants, rooms, transcripts
from server.store.changes import touch
from server.store.database import Transaction
from server.store.meeting_records import Attendance, Meeting, MeetingState, Platform, Room
from server.store.records import storable
from server.store.standing import EVERYBODY, ShareMode, Viewer

BYSTANDERS_MAX = 100  # answers of a meeting that are kept each by itself, of those who did not join


class RoomStore:
    """Raises as ``Store`` does."""

    def __init__(self, read: Transaction, write: Transaction, clock: Callable[[], float]) -> None:
        self._read = read
        self._write = write
        self._clock = clock

    # Rooms.

    async def create(
        self,
        *,
        name: str,
        owner: str | None,
        platform: Platform = "builtin",
        share_mode: ShareMode = "private",
        is_locked: bool = False,
        language: str = "en",
        settings: dict[str, Any] | None = None,
        rooms_max: int,
    ) -> Room:
        """Raises ``Conflict`` when the name is taken, ``Overloaded`` when there are too many rooms."""
        now = self._clock()
        room = Room(
            id=ids.new_room_id(),
            name=name,
            owner=owner,
            platform=platform,
            share_mode=share_mode,
            is_locked=is_locked,
            language=language,
            settings=settings or {},
            created_at=now,
            updated_at=now,
            deleted_at=None,
        )
        async with self._write() as conn:
            if await rooms.count(conn) >= rooms_max:
                raise Overloaded("there are as many rooms as may be; delete one first", details={"max": rooms_max})
            return await rooms.create(conn, room)

    async def get(self, room_id: str) -> Room:
        async with self._read() as conn:
            return await rooms.get(conn, room_id)

    async def named(self, name: str) -> Room:
        async with self._read() as conn:
            return await rooms.named(conn, name)

    async def page(self, *, page: int, size: int, viewer: Viewer = EVERYBODY) -> tuple[list[Room], int]:
        """One page (from 1), newest first, and how many there are in all."""
        async with self._read() as conn:
            return await rooms.page(conn, number=page, size=size, viewer=viewer)

    async def change(self, room_id: str, values: dict[str, Any], *, settings: dict[str, Any] | None = None) -> Room:
        """Change the columns in ``values`` and the keys in ``settings``. Raises ``Conflict`` when the name is taken."""
        async with self._write() as conn:
            if settings:
                kept = (await rooms.get(conn, room_id, hold=True)).settings
                values = values | {"settings": kept | settings}
            return await rooms.change(conn, room_id, values, now=self._clock())

    async def delete(self, room_id: str) -> None:
        async with self._write() as conn:
            await rooms.delete(conn, room_id, now=self._clock())

    # Meetings.

    async def open_meeting(
        self,
        room: Room,
        *,
        title: str,
        room_url: str,
        host_room_url: str | None = None,
        provider_id: str | None = None,
        ends_at: float,
        meetings_max: int,
        owner_max: int | None = None,
    ) -> tuple[Meeting, bool]:
        """The active meeting of the room, and whether it was made now, with its transcript.

        The room is held meanwhile: of two who come at the same moment the second gets what the first one made.
        """
        now = self._clock()
        async with self._write() as conn:
            room = await rooms.get(conn, room.id, hold=True)
            active = await meetings.active_in(conn, room.id)
            if active is not None:
                return active, False
            is_held = owner_max is not None and room.owner is not None
            if is_held and await meetings.count_active(conn, owner=room.owner) >= (owner_max or 0):
                raise Conflict(
                    "this room's owner has as many meetings as one may have; end one first", details={"max": owner_max}
                )
            if await meetings.count_active(conn) >= meetings_max:
                raise Overloaded("there are as many meetings as may be; end one first", details={"max": meetings_max})
            meeting_id = ids.new_meeting_id()
            transcript = await transcripts.create(
                conn,
                ids.new_transcript_id(),
                name=title,
                language=room.language,
                owner=room.owner,
                source_kind="room",
                room_id=room.id,
                meeting_id=meeting_id,
                now=now,
            )
            meeting = Meeting(
                id=meeting_id,
                room_id=room.id,
                room=room,
                owner=room.owner,
                platform=room.platform,
                provider_id=provider_id,
                room_url=room_url,
                host_room_url=host_room_url,
                transcript_id=transcript.id,
                state=MeetingState.ACTIVE,
                created_at=now,
                starts_at=now,
                ends_at=ends_at,
                ended_at=None,
            )
            await meetings.create(conn, meeting)
            return meeting, True

    async def get_meeting(self, meeting_id: str) -> Meeting:
        async with self._read() as conn:
            return await meetings.get(conn, meeting_id)

    async def active_meeting(self, room_id: str) -> Meeting | None:
        async with self._read() as conn:
            return await meetings.active_in(conn, room_id)

    async def open_meetings(self) -> list[Meeting]:
        """Those that are active, and those that something is still due for."""
        async with self._read() as conn:
            return await meetings.open_ones(conn)

    async def meetings_page(
        self,
        *,
        page: int,
        size: int,
        viewer: Viewer = EVERYBODY,
        room_id: str | None = None,
        active: bool | None = None,
    ) -> tuple[list[Meeting], int]:
        async with self._read() as conn:
            return await meetings.page(conn, number=page, size=size, viewer=viewer, room_id=room_id, active=active)

    async def end_meeting(self, meeting_id: str) -> tuple[Meeting, bool]:
        """Nobody joins it any more; whether it was active before. Next: ``finish_meeting``, when all is done."""
        async with self._write() as conn:
            meeting = await meetings.get(conn, meeting_id, hold=True)
            if not meeting.is_active:
                return meeting, False
            now = self._clock()
            await meetings.set_state(conn, meeting_id, MeetingState.ENDING, ended_at=now)
            return replace(meeting, state=MeetingState.ENDING, ended_at=now), True

    async def finish_meeting(self, meeting_id: str) -> None:
        """Nothing is due any more for one that was ended; unless somebody denied consent just now."""
        async with self._write() as conn:
            meeting = await meetings.get(conn, meeting_id, hold=True)
            unwanted = not meeting.room.keeps_sound or await meetings.was_denied(conn, meeting_id)
            if unwanted and await meetings.has_sound(conn, meeting):
                return
            if meeting.state is MeetingState.ENDING:
                await meetings.set_state(conn, meeting_id, MeetingState.ENDED)
                if meeting.room.ad_hoc and meeting.room.deleted_at is None:
                    await self._delete_unused(conn, meeting.room_id)

    async def _delete_unused(self, conn: AsyncConnection, room_id: str) -> None:
        """Unless another meeting goes on there: the room goes with that one. It is held, so that none is opened."""
        with suppress(NotFound):  # deleted meanwhile
            await rooms.get(conn, room_id, hold=True)
            if await meetings.active_in(conn, room_id) is None:
                await rooms.delete(conn, room_id, now=self._clock())

    # Participants.

    async def join(
        self,
        meeting_id: str,
        *,
        token_hash: str,
        user_id: str | None,
        choose_name: Callable[[Sequence[Attendance]], str],
    ) -> Attendance:
        """One more participant, by the name that ``choose_name`` finds free among all who ever joined.

        Raises ``Conflict`` when the meeting is over, and what ``choose_name`` raises.
        """
        async with self._write() as conn:
            meeting = await meetings.get(conn, meeting_id, hold=True)
            if not meeting.is_active:
                raise Conflict("Meeting has ended")
            name = choose_name([each for each in await meetings.attendances_of(conn, meeting_id) if each.name])
            attendance = Attendance(
                id=ids.new_participant_id(),
                meeting_id=meeting_id,
                name=storable(name),
                user_id=user_id,
                joined_at=self._clock(),
                left_at=None,
                consent=None,
            )
            await meetings.attend(conn, attendance, token_hash)
            if meeting.transcript_id is not None:
                await self._name_in_transcript(conn, meeting.transcript_id, attendance)
            return attendance

    async def _name_in_transcript(self, conn: AsyncConnection, transcript_id: str, attendance: Attendance) -> None:
        """Among those who may speak there. Nobody is kept out of a meeting because its transcript is full or locked."""
        with suppress(Conflict, NotFound, TooLarge):
            named = await participants.changing(conn, transcript_id, now=self._clock())
            await named.add(name=attendance.name, speaker=attendance.name, user_id=attendance.user_id)
            await touch(conn, [transcript_id], now=self._clock())

    async def bystander(self, meeting_id: str, *, token_hash: str, given: bool) -> tuple[Attendance, bool]:
        """Somebody who did not join and answers all the same, and whether their answer is to be set.

        Without a name, and gone already. From ``BYSTANDERS_MAX`` on all further ones are the last one together: a
        denial counts whoever it is of, and agreeing takes nobody's denial back.
        """
        now = self._clock()
        async with self._write() as conn:
            await meetings.get(conn, meeting_id, hold=True)
            found = [each for each in await meetings.attendances_of(conn, meeting_id) if not each.name]
            if len(found) >= BYSTANDERS_MAX:
                return found[-1], not given
            attendance = Attendance(
                id=ids.new_participant_id(),
                meeting_id=meeting_id,
                name="",
                user_id=None,
                joined_at=now,
                left_at=now,
                consent=None,
            )
            await meetings.attend(conn, attendance, token_hash)
            return attendance, True

    async def attendances_of(self, meeting_id: str) -> list[Attendance]:
        async with self._read() as conn:
            return await meetings.attendances_of(conn, meeting_id)

    async def attending(self, token_hash: str) -> tuple[Attendance, Meeting] | None:
        """Whose token it is, and the meeting that it is for."""
        async with self._read() as conn:
            attendance = await meetings.attendance_by_token(conn, token_hash)
            return None if attendance is None else (attendance, await meetings.get(conn, attendance.meeting_id))

    async def set_left(self, participant_id: str, *, left: bool) -> None:
        async with self._write() as conn:
            await meetings.change_attendance(conn, participant_id, {"left_at": self._clock() if left else None})

    async def set_consent(self, meeting_id: str, participant_id: str, *, given: bool) -> Meeting:
        """A denial after the end makes something due once more."""
        async with self._write() as conn:
            meeting = await meetings.get(conn, meeting_id, hold=True)
            await meetings.change_attendance(conn, participant_id, {"consent": given})
            if not given and meeting.state is MeetingState.ENDED:
                await meetings.set_state(conn, meeting_id, MeetingState.ENDING)
                return replace(meeting, state=MeetingState.ENDING)
            return meeting

    async def wants_no_sound(self, meeting: Meeting) -> bool:
        """Whether the sound of a meeting is to be deleted when its words are final."""
        async with self._read() as conn:
            return not meeting.room.keeps_sound or await meetings.was_denied(conn, meeting.id)
