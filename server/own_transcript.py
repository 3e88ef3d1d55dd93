"""A transcript that one connection makes, speaks into and reads: for contracts that know no transcripts of their own.

Nothing of it can be resumed: with the connection its sound ends. ``keep`` says whether the transcript stays, as any
other, or goes with the connection, as whoever speaks such a contract expects. One to which no sound came never stays,
also where the connection was cut off by a crash.
"""

from __future__ import annotations

import asyncio
from array import array
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial

import structlog

from protocol.errors import EarshotError
from protocol.events import Event, Interim, Transcribed
from protocol.wire.stream import BYTES_PER_SAMPLE, Encoding, Start
from protocol.words import Segment
from server.services import Services
from server.settings import Settings
from server.speaking import SpeakingSession
from server.subscription import Subscription
from server.telling import Telling

log = structlog.get_logger(__name__)

FINALS_KNOWN = 256  # of which a later revision is known for one
_ARRAYS = {1: "B", 2: "H", 4: "I"}

Told = Callable[[Segment, bool], Awaitable[None]]


class OwnTranscript:
    """Use ``begin``, then ``speak`` for each track; ``leave`` must be called in the end."""

    def __init__(
        self, services: Services, settings: Settings, transcript_id: str, *, is_ours: bool, keep: bool = True
    ) -> None:
        self.id = transcript_id
        self._services = services
        self._settings = settings
        self._is_ours = is_ours  # else somebody made it before, and has more use for it
        self._keep = keep
        self._speaking: list[SpeakingSession] = []
        self._telling = Telling(services.store, transcript_id)
        self._finals: OrderedDict[str, None] = OrderedDict()  # the newest that were told
        self._subscription: Subscription | None = None  # where its words are told here, too

    @classmethod
    async def begin(
        cls,
        services: Services,
        settings: Settings,
        *,
        owner: str | None,
        name: str,
        language: str | None = None,
        keep: bool = True,
    ) -> OwnTranscript:
        """Raises ``BadInput`` for a language that is not known here, ``StoreUnavailable``."""
        services.jobs.check_language(None, language)
        async with services.fleeting.beginning() as id_:
            await services.store.create_transcript(
                transcript_id=id_, name=name, language=language or settings.language, owner=owner
            )
        return cls(services, settings, id_, is_ours=True, keep=keep)

    async def speak(self, start: Start) -> SpeakingSession:
        """A track of it. Raises what ``SpeakingSession.begin`` raises."""
        session = await SpeakingSession.begin(
            self._services.hub, self._settings, self.id, start, lambda message: None, comes_back=False
        )
        if self._keep:
            session.before_sound = partial(self._services.fleeting.keep, self.id)
        self._speaking.append(session)
        return session

    async def tell(self, told: Told) -> None:
        """Give each segment that is told, with whether it is final, for ever: a final once, whatever becomes of it.
        Raises ``SlowReader``, ``NotFound``."""
        self._subscription = self._services.journal.subscribe(
            self.id, after=0, types=None, queue_max=self._settings.subscriber_queue_max, among=None
        )
        async for item in self._subscription:
            if isinstance(item, Interim):
                await told(item.segment, False)
            elif isinstance(item, Event):
                if isinstance(item.body, Transcribed) and self._is_new(item.body):
                    await told(item.body.segment, True)
                self._telling.told(item.seq)

    def _is_new(self, told: Transcribed) -> bool:
        """As it was heard: what a pass or a person cuts from it later, or makes of it, was told."""
        if not told.heard_samples or told.segment.segment_id in self._finals:
            return False
        self._finals[told.segment.segment_id] = None
        if len(self._finals) > FINALS_KNOWN:
            self._finals.popitem(last=False)
        return True

    async def finalize(self, session: SpeakingSession) -> None:
        """Until every word that came on that track is told. Raises ``EarshotError``."""
        await session.session.pipeline.finalize()
        await self._until_told()

    async def stop(self) -> float:
        """Until the last word is told; how long the longest track is, in s. Raises what was wrong with the sound."""
        await asyncio.gather(*(session.stop() for session in self._speaking))
        await self._until_told()
        return max((session.session.pipeline.length_samples for session in self._speaking), default=0) / 16_000

    async def wait_ended(self) -> None:
        """Until our side, or another reader, ends one of its tracks. Raises why."""
        waiting = [asyncio.ensure_future(session.wait_ended()) for session in self._speaking]
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                error = each.result()
                if error is not None:
                    raise error
        finally:
            for each in waiting:
                each.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def leave(self) -> None:
        """The connection is over: what was said and not stopped is finished as if it had been. Idempotent."""
        if self._subscription is not None:
            self._subscription.close()
        for session in self._speaking:
            session.lost("connection lost")
            if session.session.finishing is None:
                session.session.end(None)
        if self._is_ours and not any(session.has_sound for session in self._speaking):
            with suppress(EarshotError):
                await self._services.removal.discard(self.id)
        self._services.fleeting.over(self.id)

    async def _until_told(self) -> None:
        if self._subscription is not None:
            await self._telling.caught_up()


class Channels:
    """Samples of several channels, dealt out; what is no whole frame waits for the rest of it."""

    def __init__(self, encoding: Encoding, channels: int) -> None:
        self._width = BYTES_PER_SAMPLE[encoding]
        self._channels = channels
        self._rest = b""

    def deal(self, data: bytes) -> list[bytes]:
        """Of each channel its samples."""
        data = self._rest + data
        whole = len(data) - len(data) % (self._width * self._channels)
        data, self._rest = data[:whole], data[whole:]
        if self._channels == 1:
            return [data]
        samples = array(_ARRAYS[self._width], data)
        return [samples[channel :: self._channels].tobytes() for channel in range(self._channels)]


async def pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    """However long a message is, nobody else waits for more than one piece of it."""
    for at in range(0, len(data), size):
        yield data[at : at + size]
        await asyncio.sleep(0)
