"""One chunk of sound: taken over by the intake, once, and heard to its end.

Where a crash was in between is told by what there is: a track alone says that the intake was about to take the bytes,
the file beside its recording that it has them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from protocol.errors import Draining, NotFound
from server.intake import Intake
from server.live import SourceOptions
from server.nodes.kept_sound import KeptSound
from server.projects.chunk_bytes import ChunkBytes
from server.projects.chunk_headers import ChunkHeaders
from server.projects.portal import portal_of
from server.store.conversation_records import Chunk, Conversation
from server.store.records import Track, VoicesAsked
from server.store.store import Store


class ChunkHearing:
    def __init__(self, store: Store, sound: KeptSound, intake: Intake, own: ChunkBytes, headers: ChunkHeaders) -> None:
        self._store = store
        self._conversations = store.conversations
        self._sound = sound
        self._intake = intake
        self._bytes = own
        self._headers = headers

    async def hear(self, chunk: Chunk) -> None:
        """Returns when all of it is written down; also when that was begun before a crash.

        Raises ``NoHeaderYet``, ``AudioFormatError`` and the like for what is no sound, ``Draining`` when the server
        stops meanwhile, and what fails for a passing reason.
        """
        if not await self._is_taken(chunk):
            # Of a track that a crash left without its file nothing was told; it may stand in the way.
            await self._intake.heard(chunk.track_id)
            await self._store.delete_track(chunk.track_id)
            conversation = await self._conversations.get(chunk.conversation_id)
            transcript = await self._store.get_transcript(conversation.id)
            options = SourceOptions(
                speaker=conversation.name or None,
                hotwords=await self._key_terms(conversation),
                language=transcript.language,
                track_id=chunk.track_id,
                started_at=chunk.said_at,
                voices=VoicesAsked(diarize=False),
            )
            path = await self._bytes.confirmed(chunk)
            try:
                await self._headers.complete(chunk, path)
                adding = self._intake.add_file(
                    conversation.id, path, filename=chunk.filename or "chunk", options=options
                )
                await _unbroken(adding)
            finally:
                await asyncio.to_thread(path.unlink, missing_ok=True)
        await self._intake.heard(chunk.track_id)
        track = await self._track(chunk)
        if track is not None and track.state == "open":
            raise Draining("the chunk is not heard to its end; it goes on at the next start")

    async def _key_terms(self, conversation: Conversation) -> tuple[str, ...]:
        try:
            return portal_of((await self._store.projects.get(conversation.project_id)).portal).key_terms
        except NotFound:
            return ()  # the project is gone, and what was said in it stays

    async def _is_taken(self, chunk: Chunk) -> bool:
        """Whether the intake has its bytes: a track alone says only that it was about to."""
        track = await self._track(chunk)
        if track is None or (track.state == "finished" and track.length_samples):
            return track is not None
        return await self._sound.has_upload(track)

    async def _track(self, chunk: Chunk) -> Track | None:
        try:
            return await self._store.get_track(chunk.track_id)
        except NotFound:
            return None  # or there was no sound in it


async def _unbroken(work: Coroutine[Any, Any, object]) -> None:
    """Whoever is cancelled meanwhile leaves when it is done: nothing goes on behind their back."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
