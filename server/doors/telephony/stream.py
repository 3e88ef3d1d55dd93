"""``/v1/telephony/stream``: a call's sound, each party on a track of its own.

Who asks is told in the ``start`` message: neither sends a header of ours. Until it came, and was authorised, nothing
is taken.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketState

from protocol.errors import EarshotError, Idle, InvalidMessage, NotAuthorised
from protocol.media_streams import MESSAGE_MAX_BYTES, CallStart, Media, Order, Sound, Stop, parse
from protocol.wire.stream import Encoding, Participant, Start
from server.accounts.principal import Principal
from server.auth import Action
from server.doors.access import admit, enter, leaving_of, metrics_of, services_of, settings_of
from server.doors.sockets import Gone, SocketConnection, serve_connection, until_first
from server.own_transcript import OwnTranscript, pieces
from server.speaking import SpeakingSession

router = APIRouter()

FIRST_MAX = 5  # messages before the start, of which there is one
PIECE_BYTES = 16_000
NAME_MAX_CHARS = 200


@router.websocket("/v1/telephony/stream")
async def telephony_stream(websocket: WebSocket) -> None:
    await serve_connection(TelephonyConnection(websocket), Action.CREATE, _listen, message_max_bytes=MESSAGE_MAX_BYTES)


class TelephonyConnection(SocketConnection):
    """Accepted first; an end is a close code and its reason, and nothing else is ever sent."""

    start: CallStart
    transcript: OwnTranscript | None = None

    async def enter(self, action: Action) -> Principal:
        await self.accept()
        self.start = await self._first()
        return await enter(self.websocket, action, told_secret=self.start.parameters.get("token") or None)

    async def prepare(self) -> None:
        websocket, start = self.websocket, self.start
        services, settings = services_of(websocket), settings_of(websocket)
        leaving_of(websocket).refuse_new()
        named = start.parameters.get("transcript_id")
        if named is not None:
            await admit(websocket, Action.SPEAK, "transcript_id", named)
            self.transcript = OwnTranscript(services, settings, named, is_ours=False)
            return
        self.transcript = await OwnTranscript.begin(
            services,
            settings,
            owner=self.principal.id,
            name=f"{start.provider} {start.call_id}".strip()[:NAME_MAX_CHARS],
            language=start.language,
        )

    async def release(self) -> None:
        if self.transcript is not None:
            await self.transcript.leave()

    async def accept(self) -> None:
        if self.websocket.application_state is WebSocketState.CONNECTING:
            await super().accept()

    async def turn_away(self, error: EarshotError) -> None:
        await self.refuse(error)

    async def refuse(self, error: EarshotError, *, reason: str = "") -> None:
        with suppress(Gone):
            await self.close(error.close_code, reason or error.code)

    async def _first(self) -> CallStart:
        deadline_s = settings_of(self.websocket).first_message_deadline_s
        try:
            async with asyncio.timeout(deadline_s):
                for _ in range(FIRST_MAX):
                    message = parse(await self.receive())
                    if isinstance(message, CallStart):
                        return message
        except TimeoutError:
            pass
        raise NotAuthorised(f"no start message within {deadline_s:g} s")


async def _listen(connection: TelephonyConnection) -> None:
    assert connection.transcript is not None, "prepared"
    with metrics_of(connection.websocket).subscribers.labels("telephony").track_inprogress():
        await _Call(connection, connection.transcript).run()


class _Party:
    def __init__(self, session: SpeakingSession, start: CallStart) -> None:
        self.session = session
        self.order = Order()
        self.sound = Sound(start.encoding, start.sample_rate)
        self.is_whole = start.encoding is Encoding.OPUS  # a packet is one, however long

    async def hear(self, chunks: list[Media]) -> None:
        for media in chunks:
            sound = self.sound.of(media)
            async for piece in pieces(sound, len(sound) if self.is_whole else PIECE_BYTES):
                await self.session.audio(piece)


class _Call:
    """One stream that was let in. A party's track begins with its first sound."""

    def __init__(self, connection: TelephonyConnection, transcript: OwnTranscript) -> None:
        self._connection = connection
        self._transcript = transcript
        self._start = connection.start
        self._idle_s = settings_of(connection.websocket).idle_deadline_s
        self._parties: dict[str, _Party] = {}
        self._began = asyncio.Event()

    async def run(self) -> None:
        await until_first(self._hear(), self._ended(), self._connection.wait_leaving())

    async def _hear(self) -> None:
        while True:
            message = parse(await self._next())
            match message:
                case Media():
                    party = await self._party(message.track)
                    await party.hear(party.order.take(message))
                case Stop():
                    break
                case CallStart():
                    raise InvalidMessage("this stream has started already")
                case None:
                    pass
        for party in self._parties.values():
            await party.hear(party.order.rest())
        await self._transcript.stop()

    async def _next(self) -> str | bytes:
        try:
            async with asyncio.timeout(self._idle_s):
                return await self._connection.receive()
        except TimeoutError:
            raise Idle(f"no message for {self._idle_s:g} s") from None

    async def _party(self, track: str) -> _Party:
        found = self._parties.get(track)
        if found is None:
            name = self._start.parameters.get(f"{track}_name", "")[:NAME_MAX_CHARS]
            session = await self._transcript.speak(
                Start(
                    encoding=self._start.encoding,
                    sample_rate=self._start.sample_rate,
                    language=self._start.language,
                    track=track,
                    participant=Participant(name=name) if name else None,
                    diarize=False,
                )
            )
            found = self._parties[track] = _Party(session, self._start)
            self._began.set()
        return found

    async def _ended(self) -> None:
        await self._began.wait()
        await self._transcript.wait_ended()
        await self._transcript.stop()
