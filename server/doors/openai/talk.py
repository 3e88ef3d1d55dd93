"""One Realtime session, whatever brings its sound: what its client sends is done, and what is heard is told."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

from protocol.errors import EarshotError, ParameterRefused
from protocol.events import Event, Interim, Transcribed
from protocol.openai_errors import error_body, status_of
from protocol.openai_items import Items
from protocol.openai_realtime import (
    ClientEvent,
    Kind,
    Session,
    event,
    event_id_of,
    parse_event,
    parse_message,
    session_event,
    updated,
)
from server.doors.sockets import until_first
from server.live import LiveSession
from server.pipeline import TrackPipeline
from server.services import Services
from server.telling import Telling

Json = dict[str, Any]
Send = Callable[[Json], Awaitable[None]]

FINALIZING_MAX = 64  # commits and clears whose words are waited for; then what the client sends next waits, too


class SoundOf(Protocol):
    """Where a session's sound comes from."""

    async def append(self, sound: bytes) -> None:
        """Take sound that came in an event."""

    def check_change(self, before: Session, after: Session) -> None:
        """Raises ``ParameterRefused`` for what cannot be changed any more."""


class Talk:
    """``send`` may wait, and raises when the client is gone. ``run`` must run as long as the session does."""

    def __init__(self, services: Services, session: Session, sound: SoundOf, send: Send) -> None:
        self.items = Items(session)
        self._services = services
        self._sound = sound
        self._send = send
        self._saying = asyncio.Lock()  # what belongs together is told together
        self._live: LiveSession | None = None
        self._begun = asyncio.Event()
        self._telling: Telling | None = None
        self._finalizing: deque[asyncio.Task[None]] = deque()
        self._is_asked = asyncio.Event()  # for finals
        self._room = asyncio.Semaphore(FINALIZING_MAX)

    @property
    def session(self) -> Session:
        return self.items.session

    def begun(self, live: LiveSession) -> None:
        """There is sound, or will be."""
        self._live = live
        self._telling = Telling(self._services.store, live.transcript_id)
        self._begun.set()

    async def created(self) -> None:
        await self._say([session_event(self.session, "created")])

    async def act(self, text: str) -> None:
        """Do what an event asks; what is wrong with it is told, and the session goes on. Raises what is wrong here."""
        event_id = None
        try:
            message = parse_message(text)
            event_id = event_id_of(message)
            await self._do(parse_event(message))
        except EarshotError as error:
            if error.http_status >= 500:
                raise
            await self._say([error_event(error, event_id)])

    async def _do(self, asked: ClientEvent) -> None:
        match asked.kind:
            case Kind.APPEND:
                await self._sound.append(asked.sound)
            case Kind.COMMIT:
                await self._commit()
            case Kind.CLEAR:
                await self._finalize(self.items.clear)
            case Kind.UPDATE | Kind.UPDATE_BETA:
                await self._update(asked)

    async def _commit(self) -> None:
        if self.items.is_commit_empty(self._position()):
            message = "there is nothing to commit: at least 100 ms of sound must have come since the last time"
            raise ParameterRefused(message, param=None, kind="input_audio_buffer_commit_empty")
        await self._finalize(self.items.commit)

    async def _finalize(self, ask: Callable[[int], list[Json]]) -> None:
        await self._room.acquire()
        async with self._saying:
            told = ask(self._position())
            self._finalizing.append(asyncio.create_task(self._finals(), name="realtime finals"))
            self._is_asked.set()
            await asyncio.sleep(0)  # it asks for what came until now, and not for what comes next
            await self._send_all(told)

    async def _finals(self) -> None:
        """Until every word is stored of what came by now."""
        if self._live is not None:
            await self._live.pipeline.finalize()

    def _position(self) -> int:
        return self._live.pipeline.length_samples if self._live is not None else 0

    async def _update(self, asked: ClientEvent) -> None:
        before = self.session
        after = updated(before, asked.session, is_beta=asked.kind is Kind.UPDATE_BETA)
        self._services.jobs.check_language(None, after.transcription.spoken)
        self._sound.check_change(before, after)
        if after.turns is not None and self.items.has_uncommitted:
            await self._finalize(self.items.commit)  # else nobody would end this turn
        self.items.session = after
        if self._live is not None:
            await self._hear_as(after, self._live.pipeline)
        await self._say([session_event(after, "updated")])

    async def _hear_as(self, asked: Session, pipeline: TrackPipeline) -> None:
        before = pipeline.options
        changes = {
            "language": asked.transcription.spoken or before.language,
            "hotwords": asked.transcription.hotwords,
            "utterance_silence_ms": before.utterance_silence_ms if asked.turns is None else asked.silence_ms,
        }
        after = before.model_copy(update=changes)
        if after != before:
            if self._finalizing:
                await asyncio.wait(self._finalizing)  # of the recogniser that was asked for them
            await pipeline.change(self._services.asr, after)

    async def run(self) -> None:
        """Tell what is heard, for ever."""
        try:
            await until_first(self._tell(), self._finish_turns())
        finally:
            for finals in self._finalizing:
                finals.cancel()
            await asyncio.gather(*self._finalizing, return_exceptions=True)

    async def _tell(self) -> None:
        await self._begun.wait()
        assert self._live is not None, "begun"
        assert self._telling is not None, "begun"
        subscription = self._services.journal.subscribe(
            self._live.transcript_id,
            after=0,
            types=None,  # so that it is known how far it is told
            queue_max=self._services.settings.subscriber_queue_max,
            among=None,
        )
        async with subscription:
            async for item in subscription:
                async with self._saying:
                    await self._send_all(self._heard(item))
                self._telling.told(subscription.last_seq)

    def _heard(self, item: Event | Interim) -> list[Json]:
        match item:
            case Interim(segment=segment):
                return self.items.heard(segment)
            case Event(body=Transcribed(segment=segment, heard_samples=heard)) if heard:
                return self.items.heard(segment)
        return []

    async def _finish_turns(self) -> None:
        while True:
            await self._is_asked.wait()
            self._is_asked.clear()
            while self._finalizing:
                await self._finalizing[0]
                if self._telling is not None:
                    await self._telling.caught_up()
                async with self._saying:
                    del self._finalizing[0]
                    self._room.release()
                    await self._send_all(self.items.finalized())

    async def _say(self, told: Iterable[Json]) -> None:
        async with self._saying:
            await self._send_all(told)

    async def _send_all(self, told: Iterable[Json]) -> None:
        for each in told:
            await self._send(each)


def error_event(error: EarshotError, event_id: str | None = None) -> Json:
    body = error_body(status_of(error.http_status), error.code, error.message, error.details)
    return event("error", error={**body, "event_id": event_id})
