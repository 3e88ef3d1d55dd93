"""Deleting a chunk: its words, its sound and its bytes go, in that order, and its readers are told first.

That it is deleted is in the store before anything else happens, so that a crash between any two steps only delays the
rest; every step may be done again.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from protocol.events import Transcribed
from server.blobs import Blobs
from server.hub import Hub
from server.intake import Intake
from server.journal import Journal
from server.reports.reports import Reports
from server.settings import Settings
from server.store.conversation_records import Chunk
from server.store.erasure import without_words
from server.store.store import Store

log = structlog.get_logger(__name__)

AT_ONCE = 50  # chunks of one look, and events that are stored together


class ChunkRemoval:
    """Erases what is left of deleted chunks, one after the other."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        blobs: Blobs,
        reports: Reports,
        intake: Intake,
        hub: Hub,
        journal: Journal,
    ) -> None:
        self._settings = settings
        self._quoting = store.reports.quoting
        self._reports = reports
        self._conversations = store.conversations
        self._blobs = blobs
        self._intake = intake
        self._hub = hub
        self._journal = journal
        self._turn = asyncio.Lock()

    async def left(self) -> list[Chunk]:
        """Deleted ones of which something may be left, after a crash or a store that failed."""
        return await self._conversations.to_erase(limit=AT_ONCE)

    async def erase(self, chunk: Chunk) -> None:
        """All of a chunk that is deleted in the store, and that nobody writes down any more. Raises
        ``StoreUnavailable``: then the rest is due."""
        async with self._turn:
            if (await self._conversations.chunk(chunk.conversation_id, chunk.id)).is_erased:
                return
            await self._end(chunk)
            await self._tell(chunk)
            await self._conversations.erase_words(chunk)
            for report_id in await self._quoting(chunk.conversation_id):
                await self._reports.delete(report_id)
                log.info("a report quoted what was deleted", report=report_id)
            await asyncio.to_thread(self._remove_files, chunk)
            await self._hub.sound.remove(f"{chunk.conversation_id}/{chunk.track_id}")
            if chunk.key is not None:
                await self._blobs.delete(chunk.key)
            await self._conversations.erased(chunk)
            log.info("a chunk was deleted", chunk=chunk.id)

    async def _end(self, chunk: Chunk) -> None:
        """Nobody hears it any more, and what was heard is stored."""
        await self._intake.drop(chunk.track_id)
        async with self._hub.lock_of(chunk.conversation_id):
            own = [each for each in self._hub.sessions_of(chunk.conversation_id) if each.track.id == chunk.track_id]
            for session in own:
                await self._hub.drop(session)
        for interim in self._journal.interims(chunk.conversation_id):
            if interim.segment.track == chunk.track_id:
                self._journal.tell(interim.model_copy(update={"segment": without_words(interim.segment)}))
        if own:
            await self._journal.flushed()
            await self._hub.settle(chunk.conversation_id)

    async def _tell(self, chunk: Chunk) -> None:
        """A later version of each segment, with nothing in it."""
        gone = [
            Transcribed(
                segment=without_words(told.segment, revision=told.segment.revision + 1),
                track_started_at=told.track_started_at,
            )
            for told in await self._conversations.words_of(chunk)
            if told.segment.text
        ]
        for at in range(0, len(gone), AT_ONCE):
            await self._journal.append_all(chunk.conversation_id, gone[at : at + AT_ONCE])

    def _remove_files(self, chunk: Chunk) -> None:
        folder: Path = self._settings.recordings_dir / chunk.conversation_id
        self._hub.let_go(folder / chunk.track_id)
        for pattern in (f"{chunk.track_id}*", "mix-*"):  # what was mixed of several has it, too
            for path in folder.glob(pattern):
                path.unlink(missing_ok=True)
