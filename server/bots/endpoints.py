"""What happens in meetings is delivered to the endpoints that their recordings name, while it happens.

What was said for good and what participants do comes at least once and in order, also after a restart: the journal is
read again from what was taken. Words that may still change are told when nothing else waits. An endpoint that does not
take something for as long as is documented has failed, and is told nothing more; it holds up nobody else. One node at a
time tells an endpoint; of one that is no more, another goes on with it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from protocol.errors import EarshotError, NotFound, Overloaded, SlowReader, StoreUnavailable
from protocol.events import Event, Interim, ParticipantActed, StatusChanged
from protocol.states import OVER
from protocol.wire.recall_events import About, envelope
from server.bots.endpoint_channels import Channel, SocketChannel, WebhookChannel
from server.bots.endpoint_events import EndpointEvents, Message
from server.bots.journal_pages import journal_of
from server.journal import Journal
from server.nodes.duties import Duties
from server.rounds import repeat
from server.settings import Settings
from server.store.bot_store import Bot
from server.store.endpoint_store import DUTY, Endpoint, EndpointStatus
from server.store.records import Transcript
from server.store.store import Store
from server.webhooks.destinations import Names
from server.webhooks.sender import Sender

log = structlog.get_logger(__name__)

ENDPOINTS_MAX = 5  # of one recording
AT_ONCE = 1000  # recordings that are delivered
NOTED_EVERY_S = 1.0
RETRY_AFTER_MAX_S = 60.0
STORE_PAUSE_S = 1.0
LOOK_S = 5.0  # for those that nobody tells
TYPES = frozenset({"transcription", "participant", "status"})


class Endpoints:
    """``pause`` waits between tries."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        journal: Journal,
        duties: Duties,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._store = store
        self._journal = journal
        self._duties = duties
        self._pause = pause
        self._sender = Sender(private=settings.webhooks_private, deadline_s=settings.webhook_deadline_s)
        self._names = Names()
        self._tasks: dict[str, asyncio.Task[None]] = {}  # by endpoint, as the next
        self._deliveries: dict[str, Delivery] = {}
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Go on with what was not delivered, now and whenever another node is gone."""
        await self._wake_left()
        looking = repeat(self._wake_left, every_s=LOOK_S, name="endpoints")
        self._looking = asyncio.create_task(looking, name="untold endpoints")

    async def _wake_left(self) -> None:
        left = await self._store.endpoints.unfinished(AT_ONCE, self._duties.node_id, without=tuple(self._tasks))
        for transcript_id in left:
            await self.wake(transcript_id)

    async def wake(self, transcript_id: str) -> None:
        """Something may happen in this recording. Idempotent."""
        endpoints = await self._store.endpoints.of_transcript(transcript_id)
        if not endpoints:
            return
        try:
            bot = await self._store.bots.of_recording(transcript_id)
        except NotFound:
            return
        for endpoint in endpoints:
            if endpoint.status == "failed" or endpoint.id in self._tasks:
                continue
            if len(self._tasks) >= AT_ONCE * ENDPOINTS_MAX:
                log.warning("too many endpoints: this one hears nothing until others are done", endpoint=endpoint.id)
                continue
            task = asyncio.create_task(self._deliver(endpoint.id, bot), name=f"endpoint {endpoint.id}")
            self._tasks[endpoint.id] = task
            task.add_done_callback(partial(self._ended, endpoint.id))

    async def _deliver(self, endpoint_id: str, bot: Bot) -> None:
        """Unless another node does."""
        async with self._duties.alone(DUTY + endpoint_id) as is_mine:
            endpoints = await self._store.endpoints.of_transcript(bot.transcript.id)
            # As it is now: whoever told it before may have told more since.
            endpoint = next((each for each in endpoints if each.id == endpoint_id), None)
            if not is_mine or endpoint is None or endpoint.status == "failed":
                return
            channel = self._channel_to(endpoint)
            delivery = Delivery(self._store, self._journal, bot, endpoint, channel, self._pause, self._settings)
            self._deliveries[endpoint.id] = delivery
            await delivery.run()

    async def settled(self, transcript_id: str) -> None:
        """Its bot is gone. Where nothing is left to tell, nobody waits for more. Raises ``NotFound``."""
        transcript = await self._store.get_transcript(transcript_id)
        for endpoint_id, delivery in list(self._deliveries.items()):
            if transcript.state in OVER and delivery.is_up_to(transcript):
                self._tasks[endpoint_id].cancel()

    async def stop(self) -> None:
        """What is not delivered yet is delivered after the next start."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._sender.close()
        self._names.close()

    def _ended(self, endpoint_id: str, task: asyncio.Task[None]) -> None:
        self._tasks.pop(endpoint_id, None)
        self._deliveries.pop(endpoint_id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("an endpoint is told nothing for a while", endpoint=endpoint_id, exc_info=error)

    def _channel_to(self, endpoint: Endpoint) -> Channel:
        if endpoint.type == "webhook":
            return WebhookChannel(endpoint, self._sender)
        return SocketChannel(
            endpoint,
            private=self._settings.webhooks_private,
            deadline_s=self._settings.webhook_deadline_s,
            look_up=self._names.look_up,
        )


class Delivery:
    """To one endpoint."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        bot: Bot,
        endpoint: Endpoint,
        channel: Channel,
        pause: Callable[[float], Awaitable[None]],
        settings: Settings,
    ) -> None:
        self._store = store
        self._journal = journal
        self._bot = bot
        self._endpoint = endpoint
        self._channel = channel
        self._pause = pause
        self._settings = settings
        self._seq = endpoint.delivered_seq
        self._noted_seq, self._noted_s = self._seq, time.monotonic()
        self._status: EndpointStatus = "running"
        self._sub_code: str | None = None

    async def run(self) -> None:
        """Until the recording is over, the endpoint has failed, or the transcript is gone."""
        try:
            while self._status == "running":
                try:
                    await self._read()
                except SlowReader:
                    continue  # what it missed is in the journal
                except (Overloaded, StoreUnavailable):
                    await self._pause(STORE_PAUSE_S)
        except NotFound:
            return
        finally:
            await self._note()
            await self._channel.close()
        log.info("an endpoint is done", endpoint=self._endpoint.id, status=self._status, sub_code=self._sub_code)

    def is_up_to(self, transcript: Transcript) -> bool:
        """Whether it was told all that there is, and waits for more; then it is done."""
        if self._status != "running":
            return False  # it ends by itself, and is about to say so
        if self._endpoint.transcript_id != transcript.id or self._seq < transcript.last_seq:
            return False
        self._status = "done"
        return True

    async def _read(self) -> None:
        events: EndpointEvents | None = None
        subscription = self._journal.subscribe(
            self._endpoint.transcript_id,
            after=self._seq,
            types=TYPES,
            queue_max=self._settings.subscriber_queue_max,
            among="endpoints",
            among_max=ENDPOINTS_MAX,
        )
        async with subscription:
            async for item in subscription:
                events = events or await self._known()
                message = await events.message(item)
                if message is not None and not await self._tell(item, message):
                    return
                if isinstance(item, Event):
                    self._seq = item.seq
                    if isinstance(item.body, StatusChanged) and item.body.state in OVER and await self._is_over():
                        self._status = "done"
                        return
                    if time.monotonic() - self._noted_s >= NOTED_EVERY_S:
                        await self._note()

    async def _known(self) -> EndpointEvents:
        """The recording has begun by now: something was told of it."""
        id_ = self._endpoint.transcript_id
        self._bot = await self._store.bots.of_recording(id_)
        began = self._bot.began
        began_at = self._bot.created_at if began is None else began.at
        events = EndpointEvents(self._store, id_, began_at, self._endpoint.events)
        async for event in journal_of(self._store, id_):
            if event.seq > self._seq:
                break
            if isinstance(event.body, ParticipantActed):
                events.know(event.body)
        return events

    async def _is_over(self) -> bool:
        """Of one that went on since, more is to come."""
        return (await self._store.get_transcript(self._endpoint.transcript_id)).state in OVER

    async def _tell(self, item: Event | Interim, message: Message) -> bool:
        """Whether to go on."""
        endpoint = self._endpoint
        about = About(endpoint.id, endpoint.transcript_id, self._bot.id, self._bot.metadata)
        body = json.dumps(envelope(message.event, message.inside, about), ensure_ascii=False).encode("utf-8", "replace")
        number = item.seq if isinstance(item, Event) else f"{item.segment.segment_id}.{item.segment.revision}"
        message_id = f"msg_{endpoint.id}.{number}"
        tries = 1 if message.is_passing else self._channel.tries_max
        for tried in range(1, tries + 1):
            attempt = await self._channel.tell(message_id, body, is_passing=message.is_passing)
            if attempt.is_taken or message.is_passing:
                return True
            if attempt.is_final or tried == tries:
                self._status, self._sub_code = "failed", attempt.sub_code
                log.warning("an endpoint has failed", endpoint=endpoint.id, why=attempt.sub_code, tries=tried)
                return False
            await self._pause(max(self._channel.pause_s, min(attempt.retry_after_s, RETRY_AFTER_MAX_S)))
        return True

    async def _note(self) -> None:
        if self._seq == self._noted_seq and self._status == "running":
            return
        try:
            await self._store.endpoints.note(
                self._endpoint.id, delivered_seq=self._seq, status=self._status, sub_code=self._sub_code
            )
        except EarshotError as error:  # then some of it is told again after a restart
            log.warning("how far an endpoint is is not kept", endpoint=self._endpoint.id, code=error.code)
            return
        self._noted_seq, self._noted_s = self._seq, time.monotonic()
