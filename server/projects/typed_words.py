"""Words that were typed, not said: they stand in the transcript at their moment, as a chunk with a track of its own.

The same words of the same moment are the same chunk: whoever was not answered may send them again. What was sent is
known again by a keyed digest (HMAC-SHA256, RFC 2104), for what is kept may be other words: addresses and numbers of
people may have been taken out. The key is not in the database, so that nobody who has that alone can try out which
number it was: nodes that share a database share a secret, too.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from pathlib import Path
from typing import Self

from protocol.errors import NotFound
from protocol.events import Transcribed
from protocol.states import ChunkState
from protocol.words import Segment
from server.journal import Journal
from server.key_file import load_key
from server.redaction import redact
from server.store.changes import check_takes_sound
from server.store.conversation_records import Chunk, Conversation
from server.store.records import storable
from server.store.store import Store

KEY_FILE = "typed.key"


class TypedWords:
    """Takes one at a time of each conversation. ``chunks_max``: of a conversation, of any kind."""

    def __init__(self, store: Store, journal: Journal, *, key: bytes, chunks_max: int) -> None:
        self._store = store
        self._conversations = store.conversations
        self._journal = journal
        self._key = key
        self._chunks_max = chunks_max

    @classmethod
    def load(
        cls, store: Store, journal: Journal, *, data_dir: Path, chunks_max: int, shared: str | None = None
    ) -> Self:
        """With the key in ``data_dir``, which is made when there is none. Blocking. Raises ``OSError``."""
        return cls(store, journal, key=load_key(data_dir / KEY_FILE, shared), chunks_max=chunks_max)

    async def take(
        self, conversation: Conversation, text: str, *, said_at: float | None, moment: float, source: str, now: float
    ) -> Chunk:
        """The chunk of these words, written down, and to be confirmed where it is new.

        ``said_at``: epoch seconds as the sender gave them; ``None``: nothing tells these from the same words typed
        again. ``moment``: where in the transcript they stand. Raises as the store and the journal do.
        """
        sent = None if said_at is None else self._digest(conversation.id, said_at, text)
        known = None if sent is None else await self._conversations.typed(conversation.id, sent)
        if known is not None:
            if known.state is ChunkState.ANNOUNCED:
                await self._go_on(known, conversation, moment)
            return known
        transcript = await self._store.get_transcript(conversation.id)
        check_takes_sound(transcript)  # before anything of it is kept
        if conversation.redacts:
            text = (await asyncio.to_thread(redact, text, transcript.language)).text
        chunk = Chunk.announced(
            conversation.id,
            filename="",
            content_type="text/plain",
            source=source,
            now=now,
            sha256=sent,
            text=storable(text),
        )
        await self._conversations.announce(chunk, chunks_max=self._chunks_max)
        await self._create_track(chunk, conversation, moment)
        await self._tell(chunk, conversation, moment)
        return chunk

    async def _go_on(self, chunk: Chunk, conversation: Conversation, moment: float) -> None:
        """A crash left it somewhere in between."""
        try:
            moment = (await self._store.get_track(chunk.track_id)).started_at
        except NotFound:
            await self._create_track(chunk, conversation, moment)
        if not await self._conversations.words_of(chunk):
            await self._tell(chunk, conversation, moment)

    async def _create_track(self, chunk: Chunk, conversation: Conversation, moment: float) -> None:
        await self._store.create_track(
            chunk.conversation_id,
            source="text",
            started_at=moment,
            name="typed",
            speaker=conversation.name or None,
            track_id=chunk.track_id,
            state="finished",
        )

    async def _tell(self, chunk: Chunk, conversation: Conversation, moment: float) -> None:
        assert chunk.text is not None
        segment = Segment(
            segment_id=_segment_id(chunk),
            track=chunk.track_id,
            text=chunk.text,
            start_samples=0,
            end_samples=0,
            is_final=True,
            speaker=conversation.name or "Speaker 1",
        )
        await self._journal.append(chunk.conversation_id, Transcribed(segment=segment, track_started_at=moment))

    def _digest(self, conversation_id: str, said_at: float, text: str) -> str:
        return hmac.new(self._key, f"{conversation_id}\n{said_at!r}\n{text}".encode(), hashlib.sha256).hexdigest()


def _segment_id(chunk: Chunk) -> str:
    """Segments of one moment stand in the order of their ids: so these stand in the order in which they came."""
    return f"seg_{round(chunk.created_at * 1e6):013x}{chunk.id[:3]}"
