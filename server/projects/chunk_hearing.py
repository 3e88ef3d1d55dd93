"""One chunk of sound: taken over by the intake, once, and heard to its end.

Where a crash was in between is told by what there is: a track alone says that the intake was about to take the bytes,
the file beside its recording that it has them. On another node that file is not; what was told of the track says where
to go on in the bytes, which are fetched once more.
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

    async def hear(self, chunk: Chunk, *, node_id: str) -> None:
        """Returns when all of it is written down; also when that was begun before a crash, here or on another node.
        ``node_id``: this one, which holds its transcript.

        Raises ``NoHeaderYet``, ``AudioFormatError`` and the like for what is no sound, ``HeldElsewhere``, ``Draining``
        when it was not heard to its end, and what fails for a passing reason.
        """
        track = await self._track(chunk)
        if track is not None and _is_heard(track):
            await self._intake.heard(chunk.track_id)
            return
        if not self._intake.is_hearing(chunk.track_id):
            await self._begin(chunk, track, node_id)
        await self._intake.heard(chunk.track_id)
        track = await self._track(chunk)
        if track is not None and track.state == "open":
            raise Draining("the chunk was not heard to its end")

    async def _begin(self, chunk: Chunk, track: Track | None, node_id: str) -> None:
        if track is not None and await self._has_file(track):
            await self._intake.go_on(track)
            return
        path = await self._bytes.confirmed(chunk)
        try:
            await self._headers.complete(chunk, path)
            if track is not None and track.transcribed_samples:
                await _unbroken(self._intake.go_on(track, path))  # some of it was told, by a node that is gone
                return
            # Of one without its file nothing was told; it may stand in the way.
            await self._store.delete_track(chunk.track_id, held_by=node_id)
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
            adding = self._intake.add_file(conversation.id, path, filename=chunk.filename or "chunk", options=options)
            await _unbroken(adding)
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def _key_terms(self, conversation: Conversation) -> tuple[str, ...]:
        try:
            return portal_of((await self._store.projects.get(conversation.project_id)).portal).key_terms
        except NotFound:
            return ()  # the project is gone, and what was said in it stays

    async def _has_file(self, track: Track) -> bool:
        """Whether its bytes are here: a track alone says only that the intake was about to take them."""
        return await self._sound.has_upload(track)

    async def _track(self, chunk: Chunk) -> Track | None:
        try:
            return await self._store.get_track(chunk.track_id)
        except NotFound:
            return None  # or there was no sound in it


def _is_heard(track: Track) -> bool:
    return track.state == "finished" and track.length_samples > 0


async def _unbroken(work: Coroutine[Any, Any, object]) -> None:
    """Whoever is cancelled meanwhile leaves when it is done: nothing goes on behind their back."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
