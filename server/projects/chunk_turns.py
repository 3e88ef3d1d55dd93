"""Which chunks this node writes down: of one conversation, those of one node at a time do.

The queue is the database. A node takes the oldest that wait, of conversations that nobody else who is there holds, and
holds their transcripts as it does for a session: a node that dies gives all of it back with its lease.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog

from protocol.errors import EarshotError, NotFound
from protocol.states import UNFINISHED
from server.hub import Hub
from server.nodes.holding import Holding
from server.store.conversation_records import Chunk
from server.store.store import Store

log = structlog.get_logger(__name__)


class ChunkTurns:
    def __init__(self, store: Store, hub: Hub, holding: Holding) -> None:
        self._store = store
        self._conversations = store.conversations
        self._hub = hub
        self._holding = holding

    async def take(self, *, without: Sequence[str], limit: int) -> list[Chunk]:
        """Chunks to be written down now, each of them ``alone``. An attempt of each is counted."""
        node_id = self._holding.node_id
        found = await self._conversations.claim(node_id, without=without, limit=limit)
        self._holding.took({chunk.conversation_id for chunk in found}, node_id)
        return found

    @asynccontextmanager
    async def alone(self, conversation_id: str) -> AsyncIterator[str]:
        """No other node writes down chunks of this conversation, or erases any; gives this one's id. Raises
        ``HeldElsewhere``, ``NotFound``, ``StoreUnavailable``."""
        try:
            async with self._holding.kept(conversation_id, self._hub.lock_of(conversation_id)) as node_id:
                yield node_id
        finally:
            await self._leave(conversation_id)

    async def _leave(self, conversation_id: str) -> None:
        """Others may go on, unless more of it is done here."""
        try:
            async with self._hub.lock_of(conversation_id):
                if not self._hub.sessions_of(conversation_id):
                    await self._holding.let_go(conversation_id)
            # A node that closed it meanwhile could not bring it to its end: it was held here.
            transcript = await self._store.get_transcript(conversation_id)
            if transcript.state in UNFINISHED and not await self._conversations.is_unclosed(conversation_id):
                await self._hub.settle(conversation_id)
        except NotFound:
            pass  # deleted meanwhile
        except EarshotError as error:
            log.warning("a conversation is let go of later", conversation=conversation_id, code=error.code)
