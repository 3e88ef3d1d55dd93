"""``/vosk``, and ``/`` for clients that know a host and a port alone: sound in, one answer to each message.

Clients wait for the answer before they send more, so it never waits for the recogniser: it is the newest that is known.
Nothing is kept, as whoever speaks this protocol expects; with ``?keep=true`` the transcript stays.
"""

from __future__ import annotations

import asyncio
from collections import deque

from fastapi import APIRouter, WebSocket

from protocol.errors import BadInput, Idle, InvalidMessage, SlowReader
from protocol.vosk import Changed, Config, Control, Json, parse_text, partial, result
from protocol.wire.stream import BYTES_PER_SAMPLE, Encoding, Start
from protocol.words import Segment
from server.auth import Action
from server.doors.access import leaving_of, metrics_of, services_of, settings_of
from server.doors.sockets import SocketConnection, serve_socket, until_first
from server.own_transcript import Channels, OwnTranscript, pieces
from server.speaking import SpeakingSession

router = APIRouter()

FINALS_MAX = 1000  # that wait for a message to answer


@router.websocket("/")
@router.websocket("/vosk")
async def vosk(websocket: WebSocket) -> None:
    await serve_socket(websocket, Action.CREATE, _listen)


async def _listen(connection: SocketConnection) -> None:
    websocket = connection.websocket
    leaving_of(websocket).refuse_new()
    keep = websocket.query_params.getlist("keep")
    if len(keep) > 1:
        raise BadInput("keep is given more than once", details={"parameter": "keep"})
    with metrics_of(websocket).subscribers.labels("vosk").track_inprogress():
        transcript = await OwnTranscript.begin(
            services_of(websocket),
            settings_of(websocket),
            owner=connection.principal.id,
            name="Vosk stream",
            keep=[each.lower() for each in keep] in (["1"], ["true"]),
        )
        try:
            await _Listening(connection, transcript).run()
        finally:
            await transcript.leave()


class _Listening:
    """One connection. The track begins with the first sound, when its sample rate is known."""

    def __init__(self, connection: SocketConnection, transcript: OwnTranscript) -> None:
        self._connection = connection
        self._transcript = transcript
        self._idle_s = settings_of(connection.websocket).idle_deadline_s
        self._config = Config()
        self._session: SpeakingSession | None = None
        self._channels = Channels(Encoding.PCM_S16LE, 1)  # that have whole samples
        self._began = asyncio.Event()
        self._finals: deque[Segment] = deque()
        self._interim: Segment | None = None

    async def run(self) -> None:
        await until_first(
            self._hear(),
            self._transcript.tell(self._take),
            self._ended(),
            self._connection.wait_leaving(),
        )

    async def _hear(self) -> None:
        while True:
            message = await self._next()
            if isinstance(message, bytes):
                await self._sound(message)
                await self._answer()
                continue
            asked = parse_text(message, self._config)
            if isinstance(asked, Changed):
                self._change(asked.config)
            elif asked is Control.RESET:
                if self._session is not None:
                    await self._transcript.finalize(self._session)
                await self._tell_rest()
            else:
                await self._transcript.stop()
                await self._tell_rest()
                return

    async def _next(self) -> str | bytes:
        try:
            async with asyncio.timeout(self._idle_s):
                return await self._connection.receive()
        except TimeoutError:
            raise Idle(f"no message for {self._idle_s:g} s; connect again") from None

    def _change(self, config: Config) -> None:
        began = self._session is not None
        if began and (config.sample_rate, config.hotwords) != (self._config.sample_rate, self._config.hotwords):
            raise InvalidMessage("sample_rate and phrase_list are told before the first sound")
        self._config = config

    async def _sound(self, message: bytes) -> None:
        session = self._session
        if session is None:
            session = self._session = await self._transcript.speak(
                Start(sample_rate=round(self._config.sample_rate), hotwords=self._config.hotwords, diarize=False)
            )
            self._began.set()
        second_bytes = round(self._config.sample_rate) * BYTES_PER_SAMPLE[Encoding.PCM_S16LE]
        async for piece in pieces(message, second_bytes):
            (samples,) = self._channels.deal(piece)
            await session.audio(samples)

    async def _take(self, segment: Segment, is_final: bool) -> None:
        if not is_final:
            self._interim = segment if segment.text else None
            return
        if self._interim is not None and self._interim.segment_id == segment.segment_id:
            self._interim = None
        if not segment.text:
            return
        if len(self._finals) >= FINALS_MAX:
            raise SlowReader("too much was said since the last message")
        self._finals.append(segment)

    async def _answer(self) -> None:
        if self._finals:
            await self._connection.send(result([self._finals.popleft()], self._config))
        else:
            await self._connection.send(partial(self._interim))

    async def _tell_rest(self) -> None:
        said: list[Segment] = list(self._finals)
        self._finals.clear()
        answer: Json = result(said, self._config)
        await self._connection.send(answer)

    async def _ended(self) -> None:
        await self._began.wait()
        await self._transcript.wait_ended()
        await self._transcript.stop()
        await self._tell_rest()
