"""What participants of a meeting do, and what they are called: told once, whichever connection tells it."""

from __future__ import annotations

from collections import deque
from contextlib import suppress

from protocol.errors import Conflict, TooLarge
from protocol.events import ParticipantActed
from protocol.participants import MeetingParticipant, ParticipantAction
from protocol.wire.bot_items import Acted
from server.bots.journal_behind import JournalBehind
from server.bots.journal_pages import journal_of
from server.bots.meeting_tracks import participant_id_of
from server.bots.recording_clock import RecordingClock
from server.speakers import Speakers
from server.store.records import Track
from server.store.store import Store

ACTED_MAX = 30_000  # events of participants that one recording takes
KNOWN_MAX = 1000  # of those, by which one is known when it comes again
_Known = tuple[ParticipantAction, int, float, str | None]


class ParticipantActs:
    """Of one connection, for one task. ``is_new``: there was none before it."""

    def __init__(
        self,
        store: Store,
        behind: JournalBehind,
        speakers: Speakers,
        transcript_id: str,
        clock: RecordingClock,
        *,
        is_new: bool,
    ) -> None:
        self._store = store
        self._behind = behind
        self._speakers = speakers
        self._transcript_id = transcript_id
        self._clock = clock
        self._is_new = is_new
        self._told_names: dict[int, str] = {}  # by the bot
        self._named: set[str | None] = set()  # labels that have their name
        self._known: deque[_Known] = deque(maxlen=KNOWN_MAX)
        self._acted: int | None = None  # of the recording; None: not counted yet

    async def new(self, acted: Acted) -> float | None:
        """When it was, in seconds of the recording; None of what is known already. Raises ``TooLarge``."""
        relative_s = await self._clock.relative_s(acted.moment)
        if self._acted is None:
            self._acted = await self._count()
        if _known_as(acted, relative_s) in self._known:
            return None
        if self._acted >= ACTED_MAX:
            raise TooLarge(f"{ACTED_MAX} events of participants are taken of one recording")
        return relative_s

    async def note(self, acted: Acted, relative_s: float) -> None:
        """It was new, and then. Raises as ``JournalBehind.put``."""
        assert self._acted is not None
        at = acted.moment.at if acted.moment.at is not None else self._clock.began_at + relative_s
        event = ParticipantActed(
            action=acted.action,
            participant=acted.participant,
            relative_s=relative_s,
            at=at,
            text=acted.text,
            to=acted.to,
        )
        await self._behind.put(event)
        self._acted += 1
        self._known.append(_known_as(acted, relative_s))

    async def _count(self) -> int:
        """What was told by a connection before may be told again."""
        if self._is_new:
            return 0
        before, names, count = list[_Known](), dict[int, str](), 0
        async for event in journal_of(self._store, self._transcript_id):
            if isinstance(acted := event.body, ParticipantActed):
                count += 1
                before.append(_known_as(acted, acted.relative_s))
                if acted.participant.name:
                    names[acted.participant.id] = acted.participant.name
        self._known.extend(before)
        self._told_names = names | self._told_names
        return count

    async def name(self, participant: MeetingParticipant, track: Track | None) -> None:
        """Their words carry their name. What somebody named them by hand stays, until they change their name.

        ``track``: where their words are, if there are any."""
        id_, name = participant.id, participant.name
        if not name:
            return
        is_renamed = self._told_names.get(id_) not in (None, name)
        if is_renamed:
            tracks = await self._store.tracks_of(self._transcript_id)
            labels = {each.speaker for each in tracks if participant_id_of(each) == id_}
        else:
            labels = set() if track is None or track.speaker in self._named else {track.speaker}
        for label in labels:
            with suppress(Conflict):  # it is locked
                await self._show_name(label, name, is_renamed=is_renamed)
        self._named |= labels
        self._told_names[id_] = name

    async def _show_name(self, label: str | None, name: str, *, is_renamed: bool) -> None:
        named = {each.speaker: each for each in await self._speakers.participants(self._transcript_id)}.get(label)
        if named is None:
            await self._speakers.add(self._transcript_id, name=name, speaker=label)
        elif is_renamed:
            await self._speakers.change(self._transcript_id, named.id, name=name)


def _known_as(acted: Acted | ParticipantActed, relative_s: float) -> _Known:
    return acted.action, acted.participant.id, relative_s, acted.text
