"""The bots that stream to this node now: while one does, its recording goes on; one that leaves is sent away."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial

from protocol.errors import EarshotError, NotFound
from protocol.states import TranscriptState
from server.bots.bot_stream import BotStream
from server.bots.completion import complete
from server.bots.endpoints import Endpoints
from server.bots.signatures import Verifier
from server.hub import Hub
from server.nodes.holding import Holding
from server.store.bot_store import Bot
from server.store.store import Store


class Attending:
    """Holds what is connected. A bot may have two connections for a moment, of which the second took over."""

    def __init__(self, store: Store, hub: Hub, endpoints: Endpoints, holding: Holding) -> None:
        self._store = store
        self._endpoints = endpoints
        self._hub = hub
        self._holding = holding
        self._verifier = Verifier()
        self._streams: defaultdict[str, set[BotStream]] = defaultdict(set)

    def verify(self, bot: Bot, headers: Mapping[str, str]) -> None:
        """That it was the bot's maker that connects, where that is signed. Raises as ``Verifier.verify``."""
        if bot.signing_secret is not None:
            self._verifier.verify(bot.signing_secret, headers, b"")

    @asynccontextmanager
    async def connected(self, bot: Bot, stream: BotStream) -> AsyncIterator[None]:
        """While it is. After that whoever spoke may come back for a while; where nobody is awaited, it is the end.

        This node holds the transcript meanwhile, also while nobody speaks: no other brings it to its end. Raises
        ``NotFound``, ``HeldElsewhere``."""
        transcript_id, is_here = bot.transcript.id, False
        self._streams[bot.id].add(stream)  # at once: who tells it to leave finds it
        self._hub.kept_open[transcript_id] = partial(self._send_away, bot.id)
        try:
            async with self._holding.kept(transcript_id, self._hub.lock_of(transcript_id)):
                is_here = True
                await self._endpoints.wake(transcript_id)
                yield
        finally:
            streams = self._streams[bot.id]
            streams.discard(stream)
            if not streams:
                self._streams.pop(bot.id)
                self._hub.kept_open.pop(transcript_id, None)
                if is_here:
                    with suppress(NotFound):
                        await self._gone(bot)

    async def pause(self, bot_id: str, *, paused: bool) -> Bot:
        """What it says, shows and writes is not recorded from now on, or is again. Raises as ``BotStore.pause``."""
        bot = await self._store.bots.pause(bot_id, paused=paused)
        for stream in list(self._streams.get(bot_id, ())):
            stream.pause(paused=paused)
        return bot

    async def leave(self, bot_id: str) -> Bot:
        """It may not come back, and when what it sent is taken, what was said is completed. Raises ``NotFound``."""
        bot = await self._store.bots.leave(bot_id)
        streams = list(self._streams.get(bot_id, ()))
        for stream in streams:
            stream.end()
        if not streams:
            await complete(self._hub, self._store, bot.transcript.id)
        return bot

    def _send_away(self, bot_id: str, error: EarshotError) -> None:
        for stream in list(self._streams.get(bot_id, ())):
            stream.over(error)

    async def _gone(self, bot: Bot) -> None:
        """It is not connected any more. One that was told to leave meanwhile does not come back."""
        transcript_id = bot.transcript.id
        if (await self._store.bots.get(bot.id)).left_at is not None:
            await complete(self._hub, self._store, transcript_id)
        elif (await self._store.get_transcript(transcript_id)).state is TranscriptState.RECORDING:
            await self._hub.settle(transcript_id)
        await self._endpoints.settled(transcript_id)
