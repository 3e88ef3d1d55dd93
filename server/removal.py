"""Taking transcripts away: into the bin, out of it, and for good; and their sound alone, for privacy.

What is gone for good is gone from the database first, in one transaction; then its files are removed. A crash between
the two leaves files that the database says may not be kept: they are looked for after every start.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from protocol.errors import Conflict, NotFound
from protocol.states import UNFINISHED
from server.hub import Hub
from server.intake import Intake
from server.journal import Journal
from server.nodes.duties import Duties
from server.nodes.holding import elsewhere
from server.recovery import recover_transcript, tracks_to_recover
from server.rounds import repeat
from server.settings import Settings
from server.status import logged
from server.store.changes import check_unlocked
from server.store.store import Store

log = structlog.get_logger(__name__)

ROUND_S = 3600.0
LOOK_S = 2.0  # for what others deleted of what is live here
STOPPING_S = 10.0
AT_ONCE = 100  # transcripts of one look at the bin
LOOKED_UP_AT_ONCE = 500
DAY_S = 86400.0
SOUNDLESS = "Its sound was deleted; the words were kept"


class Removal:
    """The bin, and the task that empties it of what has lain there for ``deleted_kept_days``."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        journal: Journal,
        hub: Hub,
        intake: Intake,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._store = store
        self._journal = journal
        self._hub = hub
        self._intake = intake
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, duties: Duties) -> None:
        """The bin is all nodes'; what is live here, and the folder, are this one's."""
        rounds = (
            repeat(self.end_deleted, every_s=LOOK_S, name="deleted elsewhere"),
            repeat(self.sweep, every_s=ROUND_S, name="removal"),
            repeat(duties.round("bin", self.empty), every_s=ROUND_S, name="bin"),
        )
        self._tasks = [asyncio.create_task(each, name="removal") for each in rounds]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def delete(self, transcript_id: str) -> None:
        """Into the bin; for good where the setting keeps nothing. What is live on it ends, with its finals kept."""
        if self._settings.deleted_kept_days == 0:
            await self._store.get_transcript(transcript_id)
            await self.discard(transcript_id)
            return
        async with self._hub.lock_of(transcript_id):
            await self._store.delete_transcript(transcript_id)
            self._journal.deleted(transcript_id)
            self._end_sessions(transcript_id)

    async def restore(self, transcript_id: str) -> None:
        """Out of the bin; what was not heard to its end is heard now.

        Raises ``Conflict`` for one that is not there, and ``HeldElsewhere`` while something of it still ends on another
        node, which would go on with it."""
        holder = await self._store.nodes.holder(transcript_id)
        if holder is not None and holder.node_id != self._hub.node_id():
            raise elsewhere(holder)
        files = [session for session in self._hub.sessions_of(transcript_id) if session.track.source == "file"]
        if stopping := [session.finishing for session in files if session.finishing is not None]:
            await asyncio.wait(stopping, timeout=STOPPING_S)  # before they can go on
        await self._store.restore_transcript(transcript_id)
        transcript = await self._store.get_transcript(transcript_id)
        tracks = await tracks_to_recover(self._store, transcript_id)
        busy = {session.track.id for session in self._hub.sessions_of(transcript_id)}
        tracks = [track for track in tracks if track.id not in busy]
        await recover_transcript(self._hub, self._intake, transcript, tracks, wait=False)
        if not tracks and transcript.state in UNFINISHED:
            await self._hub.settle(transcript_id)

    async def destroy(self, transcript_id: str) -> None:
        """For good. Raises ``Conflict`` for one that is not in the bin."""
        await self.discard(transcript_id, only_deleted=True)

    async def discard(self, transcript_id: str, *, only_deleted: bool = False) -> None:
        """For good and at once, wherever it is: its sessions end without finals, its words and its sound go."""
        async with self._hub.lock_of(transcript_id):
            found = await self._store.get_transcript(transcript_id, including_deleted=True)
            if only_deleted and found.deleted_at is None:
                raise Conflict("Transcript must be soft-deleted first", details={"transcript_id": transcript_id})
            if found.deleted_at is None:
                check_unlocked(found)  # before anything ends
            await self._drop_sessions(transcript_id)
            await self._store.destroy_transcript(transcript_id)
            self._journal.deleted(transcript_id)
            await self.remove_files(transcript_id)

    async def delete_sound(self, transcript_id: str, *, even_locked: bool = False) -> None:
        """Of all its tracks, for good; text and times stay. Raises what ``Store.remove_audio`` raises."""
        async with self.deleting_sound(transcript_id):
            await self._store.remove_audio(transcript_id, even_locked=even_locked)
            await self.remove_files(transcript_id)

    @asynccontextmanager
    async def deleting_sound(self, transcript_id: str) -> AsyncIterator[None]:
        """For a transaction that says that it is gone, among other things; right after that, ``remove_files``. Then its
        readers are told its status once more, so that they look at what is left to hear.

        Raises ``Conflict`` while it is recorded or heard."""
        async with self._hub.lock_of(transcript_id):
            elsewhere = await self._store.nodes.held_elsewhere([transcript_id], self._hub.node_id())
            if elsewhere or self._hub.sessions_of(transcript_id):
                raise Conflict("its sound is still being recorded or heard; end that, and ask again")
            had_sound = not (await self._store.get_transcript(transcript_id)).audio_deleted
            yield
            if not had_sound:
                return
            with logged(transcript_id):
                status, _ = await self._hub.status(transcript_id)
                await self._journal.append(transcript_id, status.model_copy(update={"message": SOUNDLESS}))

    async def remove_files(self, transcript_id: str) -> None:
        """Of sound that the database says is gone; inside ``deleting_sound``."""
        self._hub.forget(transcript_id)
        for folder in (self._settings.recordings_dir, self._settings.uploads_dir):
            await asyncio.to_thread(shutil.rmtree, folder / transcript_id, ignore_errors=True)
        await self._hub.sound.remove(transcript_id)

    async def empty(self) -> int:
        """Destroy what has been in the bin for too long; how many that were."""
        count = 0
        before = self._clock() - self._settings.deleted_kept_days * DAY_S
        while found := await self._store.deleted_before(before, limit=AT_ONCE):
            for transcript_id in found:
                try:
                    await self.destroy(transcript_id)
                    count += 1
                except (Conflict, NotFound):
                    pass  # restored or destroyed meanwhile
        if count:
            log.info("removed for good: the bin is emptied of what was in it for too long", count=count)
        return count

    async def sweep(self) -> int:
        """Remove recordings of which the database says that none may be kept; of how many transcripts there were."""
        folder = self._settings.recordings_dir
        names = await asyncio.to_thread(_folders, folder)
        count = 0
        for at in range(0, len(names), LOOKED_UP_AT_ONCE):
            for transcript_id in await self._store.soundless(names[at : at + LOOKED_UP_AT_ONCE]):
                await asyncio.to_thread(shutil.rmtree, folder / transcript_id, ignore_errors=True)
                count += 1
        if count:
            log.info("removed for good: sound that may not be kept", count=count)
        return count

    async def end_deleted(self) -> None:
        """What is live here of transcripts that another node deleted."""
        live = {session.transcript_id for session in self._hub.sessions.values()} | self._hub.kept_open.keys()
        if not live:
            return
        there = await self._store.watch.last_seqs(live)
        for transcript_id in live - there.keys():
            try:
                found = await self._store.get_transcript(transcript_id, including_deleted=True)
            except NotFound:
                async with self._hub.lock_of(transcript_id):
                    await self._drop_sessions(transcript_id)
                    await self.remove_files(transcript_id)
                continue
            if found.deleted_at is not None:
                self._end_sessions(transcript_id)

    def _end_sessions(self, transcript_id: str) -> None:
        self._send_away(transcript_id)
        for session in self._hub.sessions_of(transcript_id):
            # A file stops where it is, and goes on when the transcript is restored.
            session.end(_deleted(), finals=session.track.source != "file")

    async def _drop_sessions(self, transcript_id: str) -> None:
        self._send_away(transcript_id)
        for session in self._hub.sessions_of(transcript_id):
            await self._hub.drop(session)

    def _send_away(self, transcript_id: str) -> None:
        """Its bot, which may have no session: one that shows something, and nobody speaks."""
        if (send_away := self._hub.kept_open.get(transcript_id)) is not None:
            send_away(_deleted())


def _deleted() -> NotFound:
    return NotFound("the transcript was deleted")


def _folders(folder: Path) -> list[str]:
    with os.scandir(folder) as found:
        return [each.name for each in found if each.is_dir(follow_symlinks=False)]
