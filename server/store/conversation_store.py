"""Conversations and their chunks as the store keeps them. Every method is one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from protocol import ids
from protocol.errors import Conflict, Forbidden, NotFound
from protocol.events import Transcribed
from protocol.states import ChunkState
from server.store import conversations, projects, transcripts, webhooks
from server.store.changes import check_unlocked, hold, touch
from server.store.conversation_records import Chunk, Conversation, FinishedBy, Overview
from server.store.database import Transaction
from server.store.erasure import erase_made, erase_track, segments_of_track
from server.store.node_store import check_held

# What webhooks are told of.
STARTED, TRANSCRIBED = "conversation.started", "conversation.transcribed"


class ConversationStore:
    """Raises as ``Store`` does."""

    def __init__(self, read: Transaction, write: Transaction, clock: Callable[[], float]) -> None:
        self._read = read
        self._write = write
        self._clock = clock

    async def begin(
        self, project_id: str, *, name: str, email: str | None, tags: Sequence[str], source: str
    ) -> Conversation:
        """With its transcript, which is the project owner's.

        Raises ``Forbidden`` where the project is closed, ``NotFound`` for tags that it does not have.
        """
        now = self._clock()
        async with self._write() as conn:
            project = await projects.get(conn, project_id, hold=True)
            if not project.is_open:
                raise Forbidden("Conversation not open for participation", details={"project_id": project_id})
            if unknown := set(tags) - {tag.id for tag in project.tags}:
                raise NotFound("the project has no such tag", details={"tags": sorted(unknown)})
            conversation = Conversation(
                id=ids.new_transcript_id(),
                project_id=project_id,
                name=name,
                email=email,
                tags=tuple(dict.fromkeys(tags)),
                source=source,
                redacts=bool(project.portal.get("redacts")),
                created_at=now,
                seen_at=now,
                finished_at=None,
                finished_by=None,
                expected_chunks=None,
                closed_at=None,
            )
            await transcripts.create(
                conn,
                conversation.id,
                name=name,
                language=project.language,
                owner=project.owner,
                now=now,
                source_kind="project",
            )
            await conversations.create(conn, conversation)
            await webhooks.note(conn, project_id, STARTED, now=now, transcript_id=conversation.id)
        return conversation

    async def get(self, conversation_id: str) -> Conversation:
        async with self._read() as conn:
            return await conversations.get(conn, conversation_id)

    async def redacts(self, transcript_id: str) -> bool:
        """Whether addresses and numbers of people are taken out of its words; never, of what is no conversation."""
        async with self._read() as conn:
            return await conversations.redacts(conn, transcript_id)

    async def overview(self, conversation_id: str) -> Overview:
        async with self._read() as conn:
            found = await conversations.get(conn, conversation_id)
            return (await conversations.overviews(conn, [found]))[0]

    async def page(self, project_id: str, *, page: int, size: int) -> tuple[list[Overview], int]:
        """Of a project, newest first, from page 1."""
        async with self._read() as conn:
            found, total = await conversations.page(conn, project_id, number=page, size=size)
            return await conversations.overviews(conn, found), total

    async def ids_after(
        self, project_id: str, after: tuple[float, str] = (0.0, ""), *, limit: int
    ) -> list[tuple[float, str]]:
        """When they were made and their ids, the oldest first, from behind ``after`` on."""
        async with self._read() as conn:
            return await conversations.ids_after(conn, project_id, after, limit=limit)

    async def unclosed(self) -> list[Conversation]:
        async with self._read() as conn:
            return await conversations.unclosed(conn)

    async def is_unclosed(self, transcript_id: str) -> bool:
        """More of it is to come. Of any transcript: only conversations are closed."""
        async with self._read() as conn:
            return await conversations.is_unclosed(conn, transcript_id)

    async def touch(self, conversation_id: str) -> None:
        """Somebody is there."""
        async with self._write() as conn:
            await conversations.get(conn, conversation_id)
            await conversations.change(conn, conversation_id, {"seen_at": self._clock()})

    async def finish(self, conversation_id: str, *, by: FinishedBy, expected_chunks: int | None = None) -> Conversation:
        """Nothing more is expected, but for what was announced. Again, it changes nothing but the announcement."""
        async with self._write() as conn:
            found = await conversations.get(conn, conversation_id, hold=True)
            values: dict[str, Any] = {"expected_chunks": expected_chunks} if expected_chunks is not None else {}
            if found.finished_at is None or (by == "participant" and found.finished_by == "idle"):
                values |= {"finished_at": self._clock(), "finished_by": by}
            if values:
                await conversations.change(conn, conversation_id, values)
            return await conversations.get(conn, conversation_id)

    async def close(self, conversation_id: str) -> bool:
        """Close it if all of it is settled and nothing more is expected; whether it was closed now."""
        async with self._write() as conn:
            found = await conversations.get(conn, conversation_id, hold=True)
            if found.finished_at is None or found.closed_at is not None:
                return False
            # One that was deleted has come, too: nobody waits for another in its place.
            own = await conversations.chunks_of(conn, conversation_id, including_deleted=True)
            there = [chunk for chunk in own if chunk.state not in (ChunkState.ANNOUNCED, ChunkState.UPLOADED)]
            if not all(chunk.is_settled for chunk in there):
                return False
            if found.finished_by == "participant" and len(there) < (found.expected_chunks or 0):
                return False
            now = self._clock()
            await conversations.change(conn, conversation_id, {"closed_at": now})
            await webhooks.note(conn, found.project_id, TRANSCRIBED, now=now, transcript_id=conversation_id)
            return True

    # Chunks.

    async def announce(self, chunk: Chunk, *, chunks_max: int) -> None:
        async with self._write() as conn:
            await conversations.get(conn, chunk.conversation_id, hold=True)
            await conversations.add_chunk(conn, chunk, chunks_max=chunks_max)

    async def chunk(self, conversation_id: str, chunk_id: str) -> Chunk:
        async with self._read() as conn:
            return await conversations.get_chunk(conn, conversation_id, chunk_id)

    async def typed(self, conversation_id: str, sha256: str) -> Chunk | None:
        """What was typed and is known by this digest."""
        async with self._read() as conn:
            return await conversations.typed(conn, conversation_id, sha256)

    async def chunks_of(self, conversation_id: str) -> list[Chunk]:
        async with self._read() as conn:
            return await conversations.chunks_of(conn, conversation_id)

    async def confirm(
        self,
        chunk: Chunk,
        *,
        said_at: float,
        length_bytes: int,
        sha256: str | None = None,
        error: str | None = None,
        again: str = "",
        mended: str = "",
    ) -> tuple[Chunk, bool]:
        """Its bytes are there: it is to be written down or, with an ``error``, never. Once: whether it was now. What
        was typed is written down already. ``again``: others that failed with this error are tried once more;
        ``mended``: this one, where it failed with that.

        A conversation that ended because nobody was there goes on.
        """
        now = self._clock()
        async with self._write() as conn:
            conversation = await conversations.get(conn, chunk.conversation_id, hold=True)
            chunk = await conversations.get_chunk(conn, chunk.conversation_id, chunk.id)
            is_mended = chunk.state is ChunkState.FAILED and chunk.error == mended
            if not (chunk.takes_bytes or is_mended):
                return chunk, False
            values: dict[str, Any] = {"said_at": said_at, "length_bytes": length_bytes}
            if sha256 is not None:
                values["sha256"] = sha256
            if chunk.state is ChunkState.ANNOUNCED:
                chunk = await conversations.move_chunk(conn, chunk, ChunkState.UPLOADED, values, now=now)
            state = ChunkState.CONFIRMED if error is None else ChunkState.FAILED
            values = {**values, **conversations.AFRESH, "error": error}
            chunk = await conversations.move_chunk(conn, chunk, state, values, now=now)
            if chunk.text is not None:
                chunk = await conversations.move_chunk(conn, chunk, ChunkState.TRANSCRIBED, {}, now=now)
            reopened: dict[str, Any] = {"closed_at": None, "seen_at": now}
            if conversation.finished_by == "idle":
                reopened |= {"finished_at": None, "finished_by": None}
            await conversations.change(conn, conversation.id, reopened)
            if again:
                await conversations.try_again(conn, chunk, again, now=now)
            return chunk, True

    async def retry(self, conversation_id: str, chunk_id: str) -> Chunk:
        """One that failed is tried again from the beginning, and its conversation goes on until then. Nothing where it
        waits for that already. Raises ``IllegalMove`` for any other, ``Conflict`` where it is locked."""
        now = self._clock()
        async with self._write() as conn:
            await conversations.get(conn, conversation_id, hold=True)
            chunk = await conversations.get_chunk(conn, conversation_id, chunk_id)
            if chunk.state is ChunkState.CONFIRMED:
                return chunk
            check_unlocked(await hold(conn, conversation_id))
            await conversations.change(conn, conversation_id, {"closed_at": None, "seen_at": now})
            return await conversations.move_chunk(conn, chunk, ChunkState.CONFIRMED, conversations.AFRESH, now=now)

    async def delete_chunk(self, conversation_id: str, chunk_id: str) -> Chunk:
        """From now on it is no part of the conversation; what there is of it must be erased next. Again, it changes
        nothing.

        Raises ``Conflict`` once the conversation is at its end or locked: what is in it then is its host's to delete.
        """
        now = self._clock()
        async with self._write() as conn:
            conversation = await conversations.get(conn, conversation_id, hold=True)
            chunk = await conversations.get_chunk(conn, conversation_id, chunk_id)
            if chunk.state is ChunkState.DELETED:
                return chunk
            if conversation.closed_at is not None:
                raise Conflict("this conversation is at its end: ask its host", details={"chunk_id": chunk_id})
            check_unlocked(await hold(conn, conversation_id))
            await conversations.change(conn, conversation_id, {"seen_at": now})
            emptied: dict[str, Any] = {"filename": "", "sha256": None, "error": None}
            return await conversations.move_chunk(conn, chunk, ChunkState.DELETED, emptied, now=now)

    async def to_erase(self, *, limit: int) -> list[Chunk]:
        """Deleted chunks of which something may be left."""
        async with self._read() as conn:
            return await conversations.to_erase(conn, limit=limit)

    async def words_of(self, chunk: Chunk) -> list[Transcribed]:
        """What readers were told of its track, in its newest version."""
        async with self._read() as conn:
            return await segments_of_track(conn, chunk.conversation_id, chunk.track_id)

    async def erase_words(self, chunk: Chunk) -> None:
        """Of its track: out of the events that told them, the segments, the search, and what was made of them; and the
        track itself. Readers were told before. Again, it changes nothing."""
        async with self._write() as conn:
            now = self._clock()
            await hold(conn, chunk.conversation_id)
            await erase_track(conn, chunk.conversation_id, chunk.track_id, now=now)
            await erase_made(conn, chunk.conversation_id)
            await touch(conn, [chunk.conversation_id], now=now)

    async def erased(self, chunk: Chunk) -> None:
        """Nothing is left of it but that it was deleted."""
        async with self._write() as conn:
            await conversations.change_chunk(conn, chunk.id, {"key": None, "text": None})

    async def sound_tracks_of(self, transcript_id: str) -> frozenset[str]:
        """Ids of the tracks of its chunks of sound; none, of what is no conversation."""
        async with self._read() as conn:
            return await conversations.sound_tracks_of(conn, transcript_id)

    async def by_ids(self, chunk_ids: Sequence[str]) -> list[Chunk]:
        """Those of them that there are, of conversations that were not destroyed."""
        async with self._read() as conn:
            return await conversations.by_ids(conn, chunk_ids)

    # Writing them down.

    async def claim(self, node_id: str, *, without: Sequence[str], limit: int) -> list[Chunk]:
        """Chunks of ``waiting`` for this node to write down, of which no other writes any down of the same
        conversation; it holds their transcripts from now on. An attempt of each is counted."""
        async with self._write() as conn:
            return await conversations.claim(conn, node_id, without=without, limit=limit)

    async def settle(self, chunk: Chunk, state: ChunkState, *, node_id: str, error: str | None = None) -> Chunk:
        """It is written down, or never will be. Nothing where it is settled already. Raises ``HeldElsewhere`` where
        this node does not hold its transcript: what it knows of the chunk may be wrong."""
        async with self._write() as conn:
            await check_held(conn, chunk.conversation_id, node_id)
            found = await conversations.get_chunk(conn, chunk.conversation_id, chunk.id)
            if found.is_settled:
                return found
            values = {"error": error, "next_try_at": None}
            return await conversations.move_chunk(conn, found, state, values, now=self._clock())

    async def postpone(self, chunk: Chunk, *, pause_s: float, error: str | None, is_attempt: bool = True) -> None:
        """It is tried again no sooner than in so many seconds, and ``error`` says why; unless ``is_attempt``, this try
        does not count."""
        async with self._write() as conn:
            await conversations.postpone(conn, chunk, pause_s=pause_s, error=error, is_attempt=is_attempt)

    async def hurry(self, conversation_id: str, error: str) -> None:
        """Chunks that wait for this reason are tried now."""
        async with self._write() as conn:
            await conversations.hurry(conn, conversation_id, error)

    async def waiting(self, *, without: Sequence[str], limit: int) -> list[Chunk]:
        """Confirmed chunks of sound, of all conversations, the oldest first; also those whose time has not come."""
        async with self._read() as conn:
            return await conversations.waiting(conn, without=without, limit=limit)
