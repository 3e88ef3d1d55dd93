"""The socket ``/v1/realtime``: sound and words in events, as OpenAI's Realtime API has them for transcription."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, ClassVar

from fastapi import APIRouter, WebSocket

from protocol.errors import EarshotError, Idle, ParameterRefused
from protocol.openai_errors import close_of_retryable
from protocol.openai_realtime import Session
from protocol.wire.stream import BYTES_PER_SAMPLE, Start
from server.auth import Action
from server.doors.access import metrics_of, principal_of, services_of, settings_of
from server.doors.openai.sessions import session_of
from server.doors.openai.talk import Talk, error_event
from server.doors.sockets import Gone, SocketConnection, serve_connection, text_of, until_first
from server.doors.v1.stream import slices_of
from server.speaking import SpeakingSession

router = APIRouter()

MESSAGE_MAX_BYTES = 16 << 20  # their clients may send 15 MiB in an event
QUIET_MAX_S = 600.0  # who speaks at the push of a button may say nothing for long


@router.websocket("/v1/realtime")
async def realtime(websocket: WebSocket) -> None:
    most = max(MESSAGE_MAX_BYTES, settings_of(websocket).message_max_bytes)
    await serve_connection(RealtimeConnection(websocket), Action.TALK, _realtime, message_max_bytes=most)


class RealtimeConnection(SocketConnection):
    subprotocols: ClassVar[tuple[str, ...]] = ("realtime",)

    def rendered(self, error: EarshotError) -> dict[str, Any]:
        return error_event(error)

    async def refuse(self, error: EarshotError, *, reason: str = "") -> None:
        if not error.retryable:
            await super().refuse(error, reason=reason)
            return
        with suppress(Gone):
            await self.close(close_of_retryable(error.code), error.message)


async def _realtime(connection: SocketConnection) -> None:
    with metrics_of(connection.websocket).subscribers.labels("realtime").track_inprogress():
        await _Realtime(connection, await session_of(connection.websocket)).run()


class _Realtime:
    """One socket. Its session begins with its first sound: until then it takes nobody's place."""

    def __init__(self, connection: SocketConnection, session: Session) -> None:
        websocket = connection.websocket
        self._connection = connection
        self._services = services_of(websocket)
        self._settings = settings_of(websocket)
        self._talk = Talk(self._services, session, self, connection.send)
        self._speaking: SpeakingSession | None = None
        self._began = asyncio.Event()
        self._start = Start()
        self._rest = b""  # of a sample that is not whole yet

    async def run(self) -> None:
        await self._talk.created()
        reason = "connection lost"
        try:
            await until_first(
                self._hear(),
                self._talk.run(),
                self._ended(),
                self._connection.wait_leaving(),
            )
        except EarshotError as error:
            reason = error.code
            raise
        finally:
            if self._speaking is not None:
                self._speaking.lost(reason)
                self._speaking.session.finish_soon()  # nobody comes back to it
                self._services.fleeting.over(self._speaking.session.transcript_id)

    async def _hear(self) -> None:
        while True:
            try:
                async with asyncio.timeout(QUIET_MAX_S):
                    message = await self._connection.receive()
            except TimeoutError:
                raise Idle(f"nothing came for {QUIET_MAX_S:g} s; connect again") from None
            await self._talk.act(text_of(message))

    async def _ended(self) -> None:
        await self._began.wait()
        assert self._speaking is not None, "began"
        error = await self._speaking.wait_ended()
        if error is not None:
            raise error

    async def append(self, sound: bytes) -> None:
        if self._speaking is None:
            self._speaking = await self._begin(self._talk.session)
            self._began.set()
            self._talk.begun(self._speaking.session)
        sound = self._rest + sound
        whole = len(sound) - len(sound) % BYTES_PER_SAMPLE[self._start.encoding]
        self._rest = sound[whole:]
        for piece in slices_of(sound[:whole], self._start):
            await self._speaking.audio(piece)
            # However long the event is, nobody else waits for more than a second of its sound.
            await asyncio.sleep(0)

    async def _begin(self, asked: Session) -> SpeakingSession:
        spoken = asked.transcription.spoken
        owner = principal_of(self._connection.websocket).id
        self._start = Start(
            encoding=asked.encoding,
            sample_rate=asked.rate_hz,
            language=spoken,
            hotwords=asked.transcription.hotwords,
            utterance_silence_ms=asked.silence_ms,
            diarize=asked.diarize,
        )
        async with self._services.fleeting.beginning(kept=self._settings.openai_kept) as id_:
            await self._services.store.create_transcript(
                transcript_id=id_, name="", language=spoken or self._settings.language, owner=owner
            )
            hub, settings = self._services.hub, self._settings
            return await SpeakingSession.begin(hub, settings, id_, self._start, _unheard, comes_back=False)

    def check_change(self, before: Session, after: Session) -> None:
        if self._speaking is not None and (before.encoding, before.rate_hz) != (after.encoding, after.rate_hz):
            raise ParameterRefused("the format stays as it was when the first sound came", param="session.audio.input")


def _unheard(_message: dict[str, Any]) -> None:
    """What our own speaking socket says of its sound: acknowledgements, which this protocol has not."""
