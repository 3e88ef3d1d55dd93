"""The bots that stream to this node now, so that one that is told to leave is sent away."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from protocol.errors import IllegalMove
from server.bots.bot_stream import BotStream
from server.hub import Hub
from server.store.bot_store import Bot, BotStore


class Attending:
    """Holds what is connected. A bot may have two connections for a moment, of which the second took over."""

    def __init__(self, bots: BotStore, hub: Hub) -> None:
        self._bots = bots
        self._hub = hub
        self._streams: defaultdict[str, set[BotStream]] = defaultdict(set)

    @contextmanager
    def connected(self, bot_id: str, stream: BotStream) -> Iterator[None]:
        """While it is."""
        streams = self._streams[bot_id]
        streams.add(stream)
        try:
            yield
        finally:
            streams.discard(stream)
            if not streams:
                self._streams.pop(bot_id, None)

    async def leave(self, bot_id: str) -> Bot:
        """It may not come back, and when what it sent is taken, what was said is completed. Raises ``NotFound``."""
        bot = await self._bots.leave(bot_id)
        streams = list(self._streams.get(bot_id, ()))
        for stream in streams:
            stream.end()
        if not streams:
            with suppress(IllegalMove):  # nobody spoke, or their connection is gone since long
                await self._hub.end(bot.transcript.id)
        return bot
