"""The life of meetings: one at a time in a room, ended by hand, by emptiness or by the clock, and cleaned up after.

What is due after the end (the last words; deleting the sound where somebody denied it) is a state of the meeting in
the store, so a crash at any point only delays it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol

import structlog

from protocol.errors import Conflict, EarshotError, HeldElsewhere, IllegalMove, NotFound, ProviderUnavailable
from protocol.states import OVER
from server.hub import Hub
from server.locks import Locks
from server.meetings.provider import Opened, Provider
from server.nodes.duties import Duties
from server.rounds import repeat
from server.settings import Settings
from server.store.meeting_records import Meeting, Platform, Room
from server.store.standing import share_of
from server.store.store import Store

log = structlog.get_logger(__name__)

SWEEP_S = 5.0
ASK_AGAIN_S = 60.0  # a provider that could not end a meeting


class RemoveSound(Protocol):
    async def __call__(self, transcript_id: str, *, even_locked: bool) -> None:
        """Of a transcript, for good."""


class Meetings:
    """All open meetings. ``clock`` gives epoch seconds, ``monotonic`` seconds that no clock set right moves."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        hub: Hub,
        providers: Mapping[Platform, Provider],
        remove_sound: RemoveSound,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._store = store
        self._hub = hub
        self._providers = providers
        self._remove_sound = remove_sound
        self._clock = clock
        self._monotonic = monotonic
        self._seen_at: dict[str, float] = {}  # of the active ones: when somebody was last there
        self._ask_again_at: dict[str, float] = {}
        self._concluding: dict[str, asyncio.Task[None]] = {}
        self._locks = Locks()
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def active_count(self) -> int:
        return len(self._seen_at)

    @property
    def platforms(self) -> frozenset[Platform]:
        """Whose rooms there can be here."""
        return frozenset(self._providers)

    def start(self, duties: Duties) -> None:
        """What a crash left is found by the first sweep: on one node that of all that are over, which nobody holds."""
        rounds = repeat(lambda: self._sweep_with(duties), every_s=SWEEP_S, name="sweep meetings")
        self._sweeper = asyncio.create_task(rounds, name="sweep meetings")

    async def stop(self) -> None:
        """Meetings go on at the next start."""
        tasks = [*self._concluding.values(), *([self._sweeper] if self._sweeper else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for provider in self._providers.values():
            await provider.stop()

    # Opening.

    async def open(self, room: Room, *, title: str = "", may_take_all: bool = False) -> tuple[Meeting, bool]:
        """The room's active meeting, and whether it was opened now. ``may_take_all``: its owner is held to no share.

        Raises ``Conflict`` where the owner has as many as one may have, ``NotFound`` for a room deleted meanwhile,
        ``Overloaded``, and what the provider raises.
        """
        async with self._locks.of(room.id):
            active = await self._store.rooms.active_meeting(room.id)
            if active is not None and self._clock() < active.ends_at:
                return active, False
            if active is not None:
                await self.end(active.id)
            provider = self._provider(room.platform)
            ends_at = self._clock() + self._settings.meeting_max_s
            opened = await provider.create(room, ends_at)
            try:
                meeting, is_new = await self._store.rooms.open_meeting(
                    room,
                    title=title or room.name,
                    room_url=opened.room_url,
                    host_room_url=opened.host_room_url,
                    provider_id=opened.provider_id,
                    ends_at=ends_at,
                    meetings_max=self._settings.meetings_max,
                    owner_max=None if may_take_all else share_of(self._settings.meetings_max),
                )
            except BaseException:
                await self._let_go(provider, opened)
                raise
            if not is_new:  # another node was faster
                await self._let_go(provider, opened)
        self.seen(meeting.id)
        if is_new:
            log.info("meeting opened", meeting=meeting.id, room=room.id, platform=room.platform)
        return meeting, is_new

    async def active(self, meeting_id: str) -> Meeting:
        """Raises ``NotFound``, or ``Conflict`` when it is over."""
        meeting = await self._store.rooms.get_meeting(meeting_id)
        if meeting.is_active and self._clock() >= meeting.ends_at:
            meeting = await self.end(meeting_id)
        if not meeting.is_active:
            raise Conflict("Meeting has ended", details={"meeting_id": meeting_id})
        return meeting

    def now_s(self) -> float:
        """Epoch seconds."""
        return self._clock()

    def seen(self, meeting_id: str) -> None:
        """Somebody is there."""
        self._seen_at[meeting_id] = self._monotonic()

    def has_sound(self, meeting: Meeting) -> bool:
        """Whether its participants' sound comes here."""
        provider = self._providers.get(meeting.platform)
        return provider is not None and provider.has_sound

    def link(self, meeting: Meeting, name: str) -> str:
        provider = self._providers.get(meeting.platform)
        return meeting.room_url if provider is None else provider.link(meeting, name)

    # Ending.

    async def end(self, meeting_id: str) -> Meeting:
        """Nobody joins any more; what was said is finished in the background. Idempotent."""
        meeting, was_active = await self._store.rooms.end_meeting(meeting_id)
        self._seen_at.pop(meeting_id, None)
        if was_active:
            log.info("meeting ended", meeting=meeting_id)
            await self._send_away(meeting)
            self.conclude_soon(meeting)
        return meeting

    async def end_in(self, room_id: str) -> None:
        """End the room's meeting, if there is one."""
        active = await self._store.rooms.active_meeting(room_id)
        if active is not None:
            await self.end(active.id)

    def conclude_soon(self, meeting: Meeting) -> asyncio.Task[None]:
        """Do what is due after the end, in background; a second call joins the first."""
        task = self._concluding.get(meeting.id)
        if task is None:
            task = asyncio.create_task(self._conclude(meeting), name=f"conclude meeting {meeting.id}")
            self._concluding[meeting.id] = task
            task.add_done_callback(lambda _: self._concluding.pop(meeting.id, None))
        return task

    async def _conclude(self, meeting: Meeting) -> None:
        """Nothing that fails here is lost: the sweep comes again."""
        try:
            if meeting.transcript_id is not None:
                with suppress(NotFound):  # deleted, which is more than was asked for
                    if not await self._finished(meeting, meeting.transcript_id):
                        return
            if await self._is_over_at_provider(meeting):
                await self._store.rooms.finish_meeting(meeting.id)
        except EarshotError as error:
            log.warning("meeting not concluded yet", meeting=meeting.id, code=error.code)

    async def _finished(self, meeting: Meeting, transcript_id: str) -> bool:
        """Wait for the last words, and delete the sound where that is wished; whether all of it is done."""
        await self._send_away(meeting)
        sessions = self._hub.sessions_of(transcript_id)
        if finishing := [session.finish_soon() for session in sessions if session.track.source != "file"]:
            await asyncio.wait(finishing)
        transcript = await self._store.get_transcript(transcript_id, including_deleted=True)
        if transcript.deleted_at is not None:
            # It could come back from the bin, with its sound.
            return not await self._store.rooms.wants_no_sound(meeting)
        if transcript.state not in OVER:
            await self._hub.settle(transcript_id)
            transcript = await self._store.get_transcript(transcript_id)
        if transcript.state not in OVER:
            return False  # a file is still being heard
        if await self._store.rooms.wants_no_sound(meeting):
            await self._remove_sound(transcript_id, even_locked=True)  # it was promised to those who did not want it
            log.info("sound of a meeting deleted", meeting=meeting.id)
        return True

    async def _send_away(self, meeting: Meeting) -> None:
        if meeting.transcript_id is not None:
            with suppress(IllegalMove, NotFound, HeldElsewhere):  # nobody is there, or its node ends it
                await self._hub.end(meeting.transcript_id)

    # By themselves.

    async def _sweep_with(self, duties: Duties) -> None:
        await self.sweep(concludes=await duties.mine("meetings"))

    async def sweep(self, *, concludes: bool = True) -> None:
        """End what nobody is in or whose time is over; where it ``concludes``, go on with what a crash or a failure
        left."""
        open_ones = await self._store.rooms.open_meetings()
        here = {session.transcript_id for session in self._hub.sessions.values() if session.is_live}
        named = [meeting.transcript_id for meeting in open_ones if meeting.transcript_id is not None]
        elsewhere = await self._store.nodes.held_elsewhere(named, self._hub.node_id())
        for meeting in open_ones:
            if meeting.transcript_id in elsewhere:  # who is there, its node knows
                self.seen(meeting.id)
                continue
            if not meeting.is_active:
                if concludes or meeting.transcript_id in here:
                    self.conclude_soon(meeting)
                continue
            if meeting.transcript_id in here or meeting.id not in self._seen_at:
                self.seen(meeting.id)
            if self._clock() >= meeting.ends_at or self._is_deserted(meeting):
                await self.end(meeting.id)
        for meeting_id in self._ask_again_at.keys() - {meeting.id for meeting in open_ones}:
            self._ask_again_at.pop(meeting_id, None)
        for meeting_id in self._seen_at.keys() - {meeting.id for meeting in open_ones if meeting.is_active}:
            self._seen_at.pop(meeting_id, None)  # another node ended it

    def _is_deserted(self, meeting: Meeting) -> bool:
        if not self.has_sound(meeting):
            return False  # we do not know who is there
        return self._monotonic() - self._seen_at[meeting.id] >= self._settings.meeting_empty_s

    # Providers.

    def _provider(self, platform: Platform) -> Provider:
        provider = self._providers.get(platform)
        if provider is None:
            raise ProviderUnavailable(f"{platform} is not set up on this server; whoever runs it sets its key")
        return provider

    async def _is_over_at_provider(self, meeting: Meeting) -> bool:
        provider = self._providers.get(meeting.platform)
        if provider is None or meeting.provider_id is None or self._clock() >= meeting.ends_at:
            return True  # or it ends there by itself
        if self._monotonic() < self._ask_again_at.get(meeting.id, -math.inf):
            return False
        try:
            await provider.end(meeting.provider_id)
        except EarshotError as error:
            log.warning("meeting not ended at its provider yet", meeting=meeting.id, code=error.code)
            self._ask_again_at[meeting.id] = self._monotonic() + ASK_AGAIN_S
            return False
        self._ask_again_at.pop(meeting.id, None)
        return True

    async def _let_go(self, provider: Provider, opened: Opened) -> None:
        """A meeting that was opened for nothing; where this fails, the provider ends it when its time is over."""
        if opened.provider_id is not None:
            with suppress(EarshotError):
                await provider.end(opened.provider_id)
