"""Who takes part in meetings: joining, proving to be the same again, speaking, leaving, and consent.

A transcript has participants of its own (``server.speakers``): names for its voices, whoever wrote them down.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field

from protocol.errors import Conflict, Forbidden, NotFound, TooLarge
from protocol.states import SessionState
from server.accounts.attendance_tokens import hashed, is_token, new_token
from server.hub import Hub
from server.live import LiveSession, SourceOptions
from server.meetings.meetings import Meetings
from server.meetings.names import clean_name, free_name
from server.peer_source import Described
from server.peers import Peers
from server.resume import ResumeTokens
from server.settings import Settings
from server.store.meeting_records import Attendance, Meeting
from server.store.records import VoicesAsked
from server.store.store import Store

# Of one meeting, those who left and came again counted each time: a bound of the table, not of the room.
ATTENDANCES_MAX_FACTOR = 20
# Hosts are let in beyond what guests may fill: places, and rows, as many again.
HOSTS_FACTOR = 2


@dataclass(frozen=True, slots=True)
class Joined:
    """A participant, with the token that nobody is told a second time."""

    attendance: Attendance
    token: str = field(repr=False)
    room_url: str


@dataclass(frozen=True, slots=True)
class Person:
    """A participant as the others see them."""

    attendance: Attendance
    is_here: bool  # connected, or not gone for long
    connected: bool  # is heard, or would be
    muted: bool


class Attendances:
    """The participants of all meetings."""

    def __init__(
        self, settings: Settings, store: Store, hub: Hub, peers: Peers, tokens: ResumeTokens, meetings: Meetings
    ) -> None:
        self._settings = settings
        self._store = store
        self._hub = hub
        self._peers = peers
        self._tokens = tokens
        self._meetings = meetings

    async def join(
        self,
        meeting_id: str,
        name: str,
        *,
        user_id: str | None = None,
        is_host: bool,
        has_place: bool = False,
        token: str | None = None,
        participant_id: str | None = None,
    ) -> Joined:
        """Take part under ``name``, or another one that nobody has; with ``token`` as who one was before.

        ``has_place``: whatever guests there are, one is kept for them; for hosts where not everybody is one.
        ``participant_id``: who they are already, and no other; then ``token`` is theirs.
        Raises ``NotFound``, ``Conflict`` when the meeting is over, ``Forbidden`` when its room is locked, ``TooLarge``
        when it is full.
        """
        meeting = await self._meetings.active(meeting_id)
        if meeting.room.is_locked and not is_host:
            raise Forbidden("the room is locked; ask its owner to unlock it or to let you in")
        if token or participant_id is not None:
            token = token or ""
            attendance = await self.known(meeting_id, token, participant_id=participant_id)
            await self._store.rooms.set_left(attendance.id, left=False)
        else:
            wanted, token = clean_name(name), new_token()
            attendance = await self._store.rooms.join(
                meeting_id,
                token_hash=hashed(token),
                user_id=user_id,
                choose_name=lambda ever: self._name_for(wanted, meeting, ever, has_place=has_place),
            )
        self._meetings.seen(meeting_id)
        return Joined(attendance, token, self._meetings.link(meeting, attendance.name))

    async def known(self, meeting_id: str, token: str | None, *, participant_id: str | None = None) -> Attendance:
        """The participant of the meeting who holds ``token``. Raises ``NotFound`` for whoever does not hold theirs."""
        found = await self._store.rooms.attending(hashed(token)) if token and is_token(token) else None
        attendance = found[0] if found is not None and found[1].id == meeting_id else None
        if attendance is None or participant_id not in (None, attendance.id):
            # Whether there is such a participant, or meeting, is nobody else's business.
            raise NotFound("no such participant: send the token that joining gave you as Authorization: Bearer <token>")
        return attendance

    async def offer(
        self, attendance: Attendance, sdp: str, type: str, *, resume_token: str | None, address: str
    ) -> Described:
        """Connect the participant: their track is the same one whenever they come, and whatever they lost."""
        meeting = await self._meetings.active(attendance.meeting_id)
        if not self._meetings.has_sound(meeting):
            raise Conflict("this meeting happens elsewhere: go to its room_url", details={"platform": meeting.platform})
        transcript_id = _transcript_of(meeting)
        await self._check_place(meeting, attendance)
        language = meeting.room.language
        options = SourceOptions(
            language=None if language == "auto" else language,
            speaker=attendance.name,
            track=attendance.id,
            source="webrtc",
            voices=VoicesAsked(diarize=False),
        )
        described = await self._peers.answer(
            transcript_id,
            sdp,
            type,
            options,
            resume_token=resume_token or await self._resume_token(transcript_id, attendance.id),
            address=address,
            room=meeting.id,
        )
        self._meetings.seen(meeting.id)
        try:
            await self._meetings.active(meeting.id)  # or it was ended while we connected
            if attendance.left_at is not None:
                await self._store.rooms.set_left(attendance.id, left=False)
        except BaseException:
            self._end_session(transcript_id, attendance.id)
            raise
        return described

    async def leave(self, attendance: Attendance) -> None:
        """Their last words are still made. Idempotent; who holds the token may come again."""
        meeting = await self._store.rooms.get_meeting(attendance.meeting_id)
        self._end_session(_transcript_of(meeting), attendance.id)
        if attendance.left_at is None:
            await self._store.rooms.set_left(attendance.id, left=True)

    async def consent(self, meeting_id: str, attendance: Attendance | None, *, given: bool) -> str:
        """Whether their sound may be kept; the answer's id. None: somebody who did not join, but may."""
        if attendance is None:
            attendance, counts = await self._store.rooms.bystander(
                meeting_id, token_hash=hashed(new_token()), given=given
            )
            if not counts:
                return attendance.id
        meeting = await self._store.rooms.set_consent(meeting_id, attendance.id, given=given)
        if not meeting.is_active:
            self._meetings.conclude_soon(meeting)
        return attendance.id

    async def people(self, meeting: Meeting) -> list[Person]:
        """All who ever joined, in that order."""
        sessions = {session.track.name: session for session in self._sessions(_transcript_of(meeting))}
        found = await self._store.rooms.attendances_of(meeting.id)
        return [
            _person(each, sessions.get(each.id), is_here=self._is_here(meeting, each, sessions))
            for each in found
            if each.name
        ]

    def _name_for(self, wanted: str, meeting: Meeting, ever: Sequence[Attendance], *, has_place: bool) -> str:
        most = self._settings.meeting_participants_max * (HOSTS_FACTOR if has_place else 1)
        if self._places_taken(meeting, ever) >= most or len(ever) >= ATTENDANCES_MAX_FACTOR * most:
            raise self._full()
        # Of those who left, too: their words stand under their names.
        return free_name(wanted, [each.name for each in ever])

    async def _check_place(self, meeting: Meeting, attendance: Attendance) -> None:
        """Whoever joined long ago finds their place taken, if others came meanwhile and the house is full."""
        everybody = await self._store.rooms.attendances_of(meeting.id)
        others = [each for each in everybody if each.name and each.id != attendance.id]
        taken = self._places_taken(meeting, others)
        is_owner = meeting.owner is not None and attendance.user_id == meeting.owner
        if taken >= self._settings.meeting_participants_max * (HOSTS_FACTOR if is_owner else 1):
            if self._places_taken(meeting, [attendance]):
                return  # they were let in just now, or are connected
            raise self._full()

    def _places_taken(self, meeting: Meeting, people: Sequence[Attendance]) -> int:
        """Without those who joined and, by now, are not connected: else joining alone would fill the house."""
        sessions = {session.track.name for session in self._sessions(_transcript_of(meeting))}
        on_the_way_s = min(self._settings.connect_deadline_s, self._settings.meeting_empty_s)
        return sum(self._is_here(meeting, each, sessions, on_the_way_s) for each in people)

    def _full(self) -> TooLarge:
        most = self._settings.meeting_participants_max
        return TooLarge(f"the meeting is full: {most} may take part", details={"max": most})

    def _is_here(
        self, meeting: Meeting, attendance: Attendance, sessions: Container[str], on_the_way_s: float | None = None
    ) -> bool:
        """Who vanished without a word is not. Who joined just now is on their way."""
        if attendance.left_at is not None:
            return False
        if attendance.id in sessions or not self._meetings.has_sound(meeting):
            return True
        if on_the_way_s is None:
            on_the_way_s = self._settings.meeting_empty_s
        return self._meetings.now_s() - attendance.joined_at < on_the_way_s

    async def _resume_token(self, transcript_id: str, participant_id: str) -> str | None:
        for track in await self._store.tracks_of(transcript_id):
            if track.name == participant_id:
                return self._tokens.make(transcript_id, track.id)
        return None

    def _end_session(self, transcript_id: str, participant_id: str) -> None:
        for session in self._sessions(transcript_id):
            if session.track.name == participant_id:
                session.end(None)

    def _sessions(self, transcript_id: str) -> list[LiveSession]:
        return [session for session in self._hub.sessions_of(transcript_id) if session.is_live]


def _person(attendance: Attendance, session: LiveSession | None, *, is_here: bool) -> Person:
    connected = session is not None and session.state in (SessionState.LIVE, SessionState.STALLED)
    muted = session is not None and session.muted
    return Person(attendance, is_here, connected, muted)


def _transcript_of(meeting: Meeting) -> str:
    if meeting.transcript_id is None:
        raise Conflict("this meeting has no transcript")
    return meeting.transcript_id
