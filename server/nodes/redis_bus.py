"""The bus of nodes that share a Redis. Listeners here are called at once, whatever becomes of Redis; other nodes hear
by its pub/sub that something was stored, and read it in the store, and the interims, which are nowhere else.

A channel for each transcript, which a node subscribes to while somebody listens to it there: what nobody reads on a
node does not come to it. Redis keeps nothing, and may lose, cut or forget everything at any time: as long as it is
away, the store is looked at once a second, and else every few seconds, as it may be another node that cannot reach it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from typing import Any

import structlog
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from protocol.events import Interim
from server.bus import InProcessBus, Listener, Message, Stored
from server.nodes.outgoing import Outgoing
from server.nodes.second_look import SecondLook
from server.nodes.told import PREFIX, TO_ALL, TOKEN_BYTES, Wanted, channel_for, channel_of, decode, encode

log = structlog.get_logger(__name__)

PIPELINE_MAX = 256  # messages in one go: some 300 kB of interims
ANSWER_S = 2.0  # of a healthy Redis it takes a millisecond
PING_S = 1.0
SILENT_S = 3.0  # of which nothing comes, not even answers to pings, is not there any more
BACKOFF_FIRST_S, BACKOFF_MAX_S = 0.1, 2.0
LOOK_S, LOOK_WHILE_AWAY_S = 5.0, 1.0
GOODBYE_S = 1.0
SUBSCRIBE_MAX = 500  # channels in one command

_LOST = (RedisError, OSError, TimeoutError)


class RedisBus:
    """``last_seqs`` is ``Store.watch.last_seqs``, ``interims`` ``Journal.interims``. Listening and publishing need no
    ``start`` and no Redis.

    Nothing here raises for Redis: what cannot be told is found by the others in the store.
    """

    def __init__(
        self,
        redis_url: str,
        last_seqs: Callable[[Collection[str]], Awaitable[dict[str, int]]],
        *,
        interims: Callable[[str], Sequence[Interim]] = lambda transcript_id: (),
    ) -> None:
        # No tries of the library's own: between them something may have been told, and nobody would know.
        retry = Retry(NoBackoff(), 0)
        self._pool: ConnectionPool = ConnectionPool.from_url(redis_url, retry=retry, socket_connect_timeout=ANSWER_S)
        # Ours bound everything; the library's is a wait_for, which before Python 3.12 may swallow a cancellation.
        self._pool.connection_kwargs["socket_timeout"] = None
        self._token = secrets.token_hex(TOKEN_BYTES // 2).encode()
        self._local = InProcessBus()
        self._interims = interims
        self._outgoing = Outgoing()
        self._wants_out = asyncio.Event()
        self._wants_channels = asyncio.Event()
        self._is_hearing = False
        self._is_stopping = False
        self._look = SecondLook(
            last_seqs,
            transcripts=lambda: self._local.transcripts,
            tell=self._local.publish,
            every_s=lambda: LOOK_S if self._is_hearing else LOOK_WHILE_AWAY_S,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._telling: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Waits for no Redis."""
        self._telling = asyncio.create_task(self._tell(), name="bus: telling")
        self._tasks = [
            asyncio.create_task(self._hear(), name="bus: hearing"),
            asyncio.create_task(self._look.run(), name="bus: looking"),
        ]

    async def stop(self) -> None:
        """What was published is told first, if that is quick. Idempotent; never raises."""
        self._is_stopping = True
        self._wants_out.set()
        if self._telling is not None:
            await asyncio.wait({self._telling}, timeout=GOODBYE_S)
            self._tasks.append(self._telling)
            self._telling = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        with suppress(*_LOST):
            async with asyncio.timeout(GOODBYE_S):
                await self._pool.disconnect()

    @property
    def is_hearing(self) -> bool:
        """Whether Redis tells this node what happens on others."""
        return self._is_hearing

    def publish(self, message: Message) -> None:
        self._local.publish(message)
        if not isinstance(message, Stored):
            self._send(message)

    def listen(self, transcript_id: str, listener: Listener) -> Callable[[], None]:
        stop_listening = self._local.listen(transcript_id, listener)
        self._wants_channels.set()

        def stop() -> None:
            stop_listening()
            self._wants_channels.set()

        return stop

    # Telling.

    def _send(self, message: Message | Wanted) -> None:
        self._outgoing.put(message)
        self._wants_out.set()

    async def _tell(self) -> None:
        backoff_s = 0.0
        redis: Any = Redis(connection_pool=self._pool)
        while not (self._is_stopping and (backoff_s or not self._outgoing)):
            if not self._outgoing:
                self._wants_out.clear()
                await self._wants_out.wait()
                continue
            told = self._outgoing.take(PIPELINE_MAX)
            try:
                async with asyncio.timeout(ANSWER_S):
                    async with redis.pipeline(transaction=False) as pipeline:
                        for each in told:
                            if (data := encode(self._token, each)) is not None:
                                pipeline.publish(channel_for(each), data)
                        await pipeline.execute()
                backoff_s = 0.0
            except Exception as error:
                if not isinstance(error, _LOST):
                    log.exception("what others are to be told cannot be; it is tried again, but for what is spoken now")
                if not backoff_s:
                    log.warning("other nodes are told nothing: Redis is away", error=type(error).__name__)
                self._outgoing.give_back(told)
                self._outgoing.forget_interims()  # the next ones are there before the pause is over
                backoff_s = min(backoff_s * 2, BACKOFF_MAX_S) or BACKOFF_FIRST_S
                await asyncio.sleep(backoff_s)

    # Hearing.

    async def _hear(self) -> None:
        backoff_s = BACKOFF_FIRST_S
        while True:
            pubsub: Any = Redis(connection_pool=self._pool).pubsub()
            try:
                await self._hear_by(pubsub)
            except* _LOST as errors:
                if self._is_hearing:
                    backoff_s = BACKOFF_FIRST_S
                if backoff_s == BACKOFF_FIRST_S:
                    log.warning(
                        "nothing is heard of other nodes: Redis is away", error=type(errors.exceptions[0]).__name__
                    )
            except* Exception:
                log.exception("other nodes are not heard any more; it is begun anew")
            finally:
                self._is_hearing = False
                with suppress(*_LOST):
                    await pubsub.aclose()
            self._look.hurry()
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, BACKOFF_MAX_S)

    async def _hear_by(self, pubsub: PubSub) -> None:
        """Until the connection is lost. Raises a group with one of ``_LOST``."""
        self._wants_channels.set()
        async with asyncio.TaskGroup() as tasks:
            async with asyncio.timeout(ANSWER_S):
                await pubsub.subscribe(TO_ALL)  # also as a connection without any cannot be listened to
            tasks.create_task(self._choose(pubsub))
            tasks.create_task(self._take(pubsub))

    async def _choose(self, pubsub: PubSub) -> None:
        """Subscribe to what is listened to; ping."""
        chosen: set[str] = set()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(PING_S):
                    await self._wants_channels.wait()
            self._wants_channels.clear()
            wanted = self._local.transcripts
            new, old = sorted(wanted - chosen), sorted(chosen - wanted)
            async with asyncio.timeout(ANSWER_S):
                for at in range(0, len(new), SUBSCRIBE_MAX):
                    await pubsub.subscribe(*map(channel_of, new[at : at + SUBSCRIBE_MAX]))
                for at in range(0, len(old), SUBSCRIBE_MAX):
                    await pubsub.unsubscribe(*map(channel_of, old[at : at + SUBSCRIBE_MAX]))
                await pubsub.ping()
            chosen = set(wanted)

    async def _take(self, pubsub: PubSub) -> None:
        while True:
            async with asyncio.timeout(SILENT_S):
                message: dict[str, Any] | None = await pubsub.get_message(timeout=None)
            if message is None:
                continue
            if message["type"] == "subscribe":
                self._subscribed(message["channel"].decode())
            elif message["type"] == "message" and not message["data"].startswith(self._token):
                told = decode(message["channel"], message["data"])
                if told is None:
                    log.warning("what another node told cannot be read", size_bytes=len(message["data"]))
                elif isinstance(told, Wanted):
                    for interim in self._interims(told.transcript_id):
                        self._send(interim)
                else:
                    self._local.publish(told)

    def _subscribed(self, channel: str) -> None:
        if channel != TO_ALL:
            # What was stored since its readers looked was told to nobody here, and what is being said neither.
            transcript_id = channel.removeprefix(PREFIX)
            self._look.ask([transcript_id])
            self._send(Wanted(transcript_id))
        elif not self._is_hearing:
            self._is_hearing = True
            log.info("other nodes are heard through Redis")
