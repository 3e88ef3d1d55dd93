"""``/v1/listen`` as a WebSocket: sound in, Results out. The request's id is that of the transcript."""

from __future__ import annotations

import asyncio
import hashlib
import time

from fastapi import APIRouter, WebSocket

from protocol.deepgram import Control, ListenOptions, parse_control, parse_query
from protocol.deepgram_results import Json, Model, close_of, error_message, metadata, results_metadata
from protocol.deepgram_turns import Turns
from protocol.errors import EarshotError, Idle, RateLimited
from protocol.wire.stream import BYTES_PER_SAMPLE, Start
from protocol.words import Segment
from server.auth import Action
from server.doors.access import leaving_of, metrics_of, services_of, settings_of
from server.doors.deepgram.errors import error_response
from server.doors.sockets import Gone, SocketConnection, serve_connection, until_first
from server.own_transcript import Channels, OwnTranscript, pieces
from server.recorded_tracks import TRACK
from server.speaking import SpeakingSession

router = APIRouter()

IDLE_S = 10.0  # the original's, told in its error
QUIET_MAX_S = 600.0  # without sound, whatever else comes: others want the place
TICK_S = 0.1
MESSAGE_MAX_BYTES = 1 << 20  # files are sent in large pieces, too
FINALIZING_MAX = 64  # each is answered; one more ends the stream


@router.websocket("/v1/listen")
async def listen(websocket: WebSocket) -> None:
    most = max(MESSAGE_MAX_BYTES, settings_of(websocket).message_max_bytes)
    await serve_connection(DeepgramConnection(websocket), Action.CREATE, _listen, message_max_bytes=most)


class DeepgramConnection(SocketConnection):
    """Errors are told as the original tells them: an HTTP answer to the handshake, or a close code with its reason."""

    options: ListenOptions
    transcript: OwnTranscript | None = None
    sessions: list[SpeakingSession]

    @property
    def request_id(self) -> str:
        return self.transcript.id if self.transcript is not None else str(self.websocket.scope["state"]["request_id"])

    async def prepare(self) -> None:
        websocket = self.websocket
        leaving_of(websocket).refuse_new()
        self.options = options = parse_query(websocket.query_params.multi_items(), live=True)
        self.transcript = await OwnTranscript.begin(
            services_of(websocket),
            settings_of(websocket),
            owner=self.principal.id,
            name="Deepgram stream",
            language=options.language,
        )
        starts = starts_of(options, settings_of(websocket).utterance_silence_ms)
        self.sessions = [await self.transcript.speak(start) for start in starts]

    async def release(self) -> None:
        if self.transcript is not None:
            await self.transcript.leave()

    async def accept(self) -> None:
        headers = [(b"dg-request-id", self.request_id.encode())]
        await self.websocket.accept(subprotocol=self.chosen_subprotocol, headers=headers)

    async def turn_away(self, error: EarshotError) -> None:
        await self.websocket.send_denial_response(error_response(error, self.request_id))

    async def refuse(self, error: EarshotError, *, reason: str = "") -> None:
        code, why = close_of(error)
        try:
            await self.send(error_message(error))
            await self.close(code, why)
        except Gone:
            pass


def starts_of(options: ListenOptions, silence_ms: int) -> list[Start]:
    """Of each track. ``silence_ms``: that ends an utterance here."""
    channels = 1 if options.multichannel else options.channels
    return [
        Start(
            encoding=options.encoding,
            sample_rate=options.sample_rate,
            channels=channels,
            language=options.language,
            track=TRACK.format(number),
            utterance_silence_ms=options.pause_ms(silence_ms),
            interim=options.interim_results or options.vad_events or options.utterance_end_ms is not None,
            hotwords=options.hotwords,
            diarize=options.diarize,
        )
        for number in range(options.tracks)
    ]


async def _listen(connection: DeepgramConnection) -> None:
    assert connection.transcript is not None, "prepared"
    with metrics_of(connection.websocket).subscribers.labels("deepgram").track_inprogress():
        await _Listening(connection, connection.transcript).run()


class _Listening:
    """One socket that was let in."""

    def __init__(self, connection: DeepgramConnection, transcript: OwnTranscript) -> None:
        websocket = connection.websocket
        settings, status = settings_of(websocket), services_of(websocket).asr.status
        options = connection.options
        self._connection = connection
        self._transcript = transcript
        self._options = options
        self._sessions = connection.sessions
        self._idle_s = min(IDLE_S, settings.idle_deadline_s)
        self._model = Model(status.engine, status.model)
        told_with = results_metadata(transcript.id, self._model)
        self._turns = {
            session.session.track.id: Turns(
                options,
                channel=number,
                channels=options.tracks,
                metadata=told_with,
                silence_ms=options.pause_ms(settings.utterance_silence_ms),
            )
            for number, session in enumerate(self._sessions)
        }
        raw = options.encoding in BYTES_PER_SAMPLE
        self._channels = Channels(options.encoding, options.tracks) if raw else None
        self._piece_bytes = options.sample_rate * options.channels * BYTES_PER_SAMPLE[options.encoding] if raw else 0
        self._hasher = hashlib.sha256()
        self._created_s = time.time()
        self._sound_at_s = time.monotonic()
        self._finalizing: set[asyncio.Task[None]] = set()
        self._telling = asyncio.Lock()  # what one thing leads to is told in one piece
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        try:
            await until_first(
                self._hear(),
                self._transcript.tell(self._take),
                self._tick(),
                self._ended(),
                self._failure(),
                self._connection.wait_leaving(),
            )
        finally:
            for task in self._finalizing:
                task.cancel()
            await asyncio.gather(*self._finalizing, return_exceptions=True)
            self._failed.cancel()

    async def _hear(self) -> None:
        while True:
            message = await self._next()
            if isinstance(message, bytes):
                if not message:
                    break  # the older way to say CloseStream
                await self._sound(message)
                continue
            control = parse_control(message)
            if control is Control.CLOSE_STREAM:
                break
            if control is Control.FINALIZE:
                self._finalize_soon()
            elif control is Control.CONFIGURE:
                await self._connection.send(self._not_configured())
        await self._stop()

    async def _next(self) -> str | bytes:
        while True:
            try:
                async with asyncio.timeout(self._idle_s):
                    return await self._connection.receive()
            except TimeoutError:
                if not self._finalizing:  # else it is we who are waited for
                    raise Idle(f"neither sound nor a message came for {self._idle_s:g} s; send KeepAlive") from None

    async def _sound(self, message: bytes) -> None:
        self._sound_at_s = time.monotonic()
        self._hasher.update(message)
        if self._channels is None:
            await self._sessions[0].audio(message)
            return
        async for piece in pieces(message, self._piece_bytes):
            for session, samples in zip(self._sessions, self._channels.deal(piece), strict=True):
                await session.audio(samples)

    async def _take(self, segment: Segment, is_final: bool) -> None:
        turns = self._turns.get(segment.track)
        if turns is None:
            return  # somebody else's track
        async with self._telling:
            await self._send(turns.final(segment) if is_final else turns.interim(segment))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            if time.monotonic() - self._sound_at_s > QUIET_MAX_S:
                raise Idle(f"no sound came for {QUIET_MAX_S:g} s; connect again")
            for session in self._sessions:
                pipeline = session.session.pipeline
                turns = self._turns[pipeline.track.id]
                async with self._telling:
                    await self._send(turns.heard(pipeline.settled_samples))

    def _finalize_soon(self) -> None:
        if len(self._finalizing) >= FINALIZING_MAX:
            raise RateLimited("too many Finalize at once: wait for from_finalize")
        task = asyncio.create_task(self._finalize(), name="deepgram finalize")
        self._finalizing.add(task)
        task.add_done_callback(self._finalized)

    def _finalized(self, task: asyncio.Task[None]) -> None:
        self._finalizing.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not self._failed.done():
            self._failed.set_exception(error)

    async def _finalize(self) -> None:
        for turns in self._turns.values():
            turns.finalizing()
        for session in self._sessions:
            pipeline = session.session.pipeline
            await self._transcript.finalize(session)
            async with self._telling:
                await self._send(self._turns[pipeline.track.id].finalized(pipeline.length_samples))

    async def _failure(self) -> None:
        await self._failed

    async def _ended(self) -> None:
        await self._transcript.wait_ended()
        await self._stop()

    async def _stop(self) -> None:
        """The rest of the Results, and Metadata."""
        duration_s = await self._transcript.stop()
        if self._finalizing:
            await asyncio.wait(self._finalizing)
        for turns in self._turns.values():
            await self._send(turns.ended())
        await self._connection.send(
            metadata(
                request_id=self._transcript.id,
                sha256=self._hasher.hexdigest(),
                created_s=self._created_s,
                duration_s=duration_s,
                channels=self._options.tracks,
                model=self._model,
            )
            | {"type": "Metadata"}
        )

    def _not_configured(self) -> Json:
        return {
            "type": "ConfigureFailure",
            "request_id": self._transcript.id,
            "code": "CONFIGURE_KEYTERMS_NOT_SUPPORTED",
            "description": "terms are taken from the address alone: connect again with keyterm",
        }

    async def _send(self, messages: list[Json]) -> None:
        for message in messages:
            await self._connection.send(message)
