"""A bridge from Wyoming to a server: each recording that a client sends is spoken into a transcript of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping
from importlib.metadata import version
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from protocol import wyoming
from protocol.errors import EarshotError, InvalidMessage
from protocol.wyoming import WyomingEvent
from server.commands.addresses import ServerAddress
from server.commands.failure import CommandFailed
from server.commands.transcripts import create_transcript, delete_transcript

CLIENTS_MAX = 32
IDLE_S = 300.0  # a client that keeps its connection between two commands is asked for nothing
SPEAKING_IDLE_S = 30.0  # one that has begun to speak goes on, or says that it has ended
WORDS_S = 60.0  # the rest of the words, when the sound has ended
WRITE_S = 10.0
LINGER_S = 2.0
UNDELETED_MAX = 1000
GONE = (OSError, TimeoutError, asyncio.IncompleteReadError)


class Bridge:
    """``keep``: whether what was said stays on the server; else it goes as soon as it was told."""

    def __init__(self, address: ServerAddress, http: httpx.AsyncClient, *, language: str | None, keep: bool) -> None:
        self.address = address
        self.http = http
        self.language = language
        self.keep = keep
        self._clients: set[asyncio.Task[None]] = set()
        self._undeleted: deque[str] = deque(maxlen=UNDELETED_MAX)

    @contextlib.asynccontextmanager
    async def serving(self, host: str, port: int) -> AsyncIterator[int]:
        """Serve while the context lasts; the port. Raises ``OSError``."""
        server = await asyncio.start_server(self._accept, host, port, limit=wyoming.HEADER_MAX_BYTES)
        try:
            yield int(server.sockets[0].getsockname()[1])
        finally:
            server.close()
            for client in self._clients:
                client.cancel()
            await asyncio.gather(*self._clients, return_exceptions=True)
            await server.wait_closed()

    async def delete(self, transcript_id: str) -> None:
        """What a server has still that is away is deleted when it is back."""
        try:
            await delete_transcript(self.http, transcript_id)
        except CommandFailed:
            self._undeleted.append(transcript_id)

    async def delete_rest(self) -> None:
        """The server answers: what cannot be deleted now is not there, or never can be."""
        while self._undeleted:
            with contextlib.suppress(CommandFailed):
                await delete_transcript(self.http, self._undeleted.popleft())

    async def info(self) -> WyomingEvent:
        try:
            answer = await self.http.get("/v1/engine")
            engine: Mapping[str, Any] = answer.json() if answer.is_success else {}
        except (httpx.HTTPError, ValueError):
            engine = {}
        languages = [*engine.get("languages", ())] or [self.language or "en"]
        return wyoming.info(str(engine.get("model") or "earshot"), languages, version("earshot"))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        try:
            client = _Client(self, reader, writer)
            if len(self._clients) <= CLIENTS_MAX:
                await client.run()
            else:
                await client.fail("RATE_LIMITED", f"at most {CLIENTS_MAX} may be connected at once")
            await client.linger()
        except GONE:
            pass
        finally:
            self._clients.discard(task)
            writer.close()
            with contextlib.suppress(*GONE):
                await writer.wait_closed()


class _Client:
    """One connection: any number of recordings, one after the other."""

    def __init__(self, bridge: Bridge, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._bridge = bridge
        self._reader = reader
        self._writer = writer
        self._asked: Mapping[str, Any] = {}  # of the last ``transcribe``
        self._speaking: _Speaking | None = None

    async def run(self) -> None:
        try:
            while (event := await self._read()) is not None:
                await self._do(event)
        except (EarshotError, CommandFailed, ConnectionClosed, InvalidHandshake) as failure:
            code = failure.code if isinstance(failure, EarshotError) else "SERVER_FAILED"
            message = getattr(failure, "message", "") or "the server does not answer"
            with contextlib.suppress(*GONE):
                await self.fail(code, message)
        finally:
            if self._speaking is not None:
                await self._speaking.leave()

    async def write(self, event: WyomingEvent) -> None:
        async with asyncio.timeout(WRITE_S):
            self._writer.write(wyoming.render(event))
            await self._writer.drain()

    async def fail(self, code: str, message: str) -> None:
        await self.write(wyoming.error(code, message))
        self._writer.write_eof()

    async def linger(self) -> None:
        """What the client sends still is thrown away: a close while it comes would take back what was told."""
        async with asyncio.timeout(LINGER_S):
            while await self._reader.read(wyoming.HEADER_MAX_BYTES):
                pass

    async def _read(self) -> WyomingEvent | None:
        async with asyncio.timeout(IDLE_S if self._speaking is None else SPEAKING_IDLE_S):
            try:
                line = await self._reader.readline()
            except ValueError:
                raise InvalidMessage(f"a line may hold {wyoming.HEADER_MAX_BYTES} bytes") from None
            if not line:
                return None
            header = wyoming.parse_header(line)
            data = await self._reader.readexactly(header.data_bytes)
            return header.event(data, await self._reader.readexactly(header.payload_bytes))

    async def _do(self, event: WyomingEvent) -> None:
        match event.type:
            case "describe":
                await self.write(await self._bridge.info())
            case "ping":
                await self.write(WyomingEvent("pong", {"text": event.data.get("text")}))
            case "transcribe":
                self._asked = event.data
            case "audio-start":
                await self._begin(event.data)
            case "audio-chunk":
                speaking = self._speaking or await self._begin(event.data)
                await speaking.say(event)
            case "audio-stop" if self._speaking is not None:
                speaking, self._speaking = self._speaking, None
                await speaking.stop()
                self._asked = {}
            case _:
                pass  # as the protocol has it: what is unknown is dropped

    async def _begin(self, sound: Mapping[str, Any]) -> _Speaking:
        if self._speaking is not None:
            raise InvalidMessage("audio-stop comes before the next audio-start")
        language = self._bridge.language
        asked = {"language": language, **self._asked} if language else self._asked
        self._speaking = await _Speaking.begin(self._bridge, self, wyoming.start_data(asked, sound))
        return self._speaking


class _Speaking:
    """One recording on its way to the server, and its words back."""

    def __init__(self, bridge: Bridge, client: _Client, transcript_id: str, start: Mapping[str, Any]) -> None:
        self._bridge = bridge
        self._client = client
        self._id = transcript_id
        self._start = start
        self._language: str | None = start.get("language")
        self._socket: ClientConnection | None = None
        self._reading: asyncio.Task[None] | None = None
        self._finals: dict[str, str] = {}

    @classmethod
    async def begin(cls, bridge: Bridge, client: _Client, start: dict[str, Any]) -> _Speaking:
        """Raises ``CommandFailed`` when the server has no place, or is gone."""
        id_ = await create_transcript(bridge.http, "Wyoming command", start.get("language"))
        speaking = cls(bridge, client, id_, start)
        try:
            await bridge.delete_rest()
            await speaking._connect()
        except (OSError, TimeoutError):
            await speaking.leave()
            raise CommandFailed("The server does not answer.") from None
        except BaseException:
            await speaking.leave()
            raise
        return speaking

    async def _connect(self) -> None:
        url = f"{self._bridge.address.websocket}/v1/transcripts_stream/{self._id}"
        self._socket = await connect(
            url, additional_headers=self._bridge.address.headers, compression=None, ping_interval=None, open_timeout=10
        )
        with contextlib.suppress(ConnectionClosed):  # why, is read
            await self._socket.send(json.dumps({"type": "start", "data": self._start}))
        self._reading = asyncio.create_task(self._read(self._socket), name="wyoming words")

    async def say(self, chunk: WyomingEvent) -> None:
        assert self._socket is not None, "begun"
        assert self._reading is not None, "begun"
        wyoming.check_form(chunk.data, self._start)
        if not self._reading.done():
            with contextlib.suppress(ConnectionClosed):
                for piece in wyoming.pieces(chunk.payload, self._start):
                    await self._socket.send(piece)
                return
        await self._reading  # which knows why
        raise CommandFailed("The server ended the recording.")

    async def stop(self) -> None:
        """The rest of the words."""
        assert self._socket is not None, "begun"
        assert self._reading is not None, "begun"
        try:
            with contextlib.suppress(ConnectionClosed):
                await self._socket.send(json.dumps({"type": "stop"}))
            async with asyncio.timeout(WORDS_S):
                await self._reading
        except TimeoutError:
            raise CommandFailed("The words did not come in time.") from None
        finally:
            await self.leave()
        if not self._finals:
            await self._client.write(WyomingEvent("transcript-start", self._told_language()))
        await self._client.write(wyoming.transcript(list(self._finals.values()), self._language))
        await self._client.write(WyomingEvent("transcript-stop"))

    async def leave(self) -> None:
        """Idempotent."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._socket is not None:
            await self._socket.close()
        if not self._bridge.keep and self._id:
            id_, self._id = self._id, ""
            await self._bridge.delete(id_)

    async def _read(self, socket: ClientConnection) -> None:
        why = "The server closed the connection."
        with contextlib.suppress(ConnectionClosed):
            async for text in socket:
                message = json.loads(text)
                data = message.get("data") or {}
                if message.get("type") == "stopped":
                    return
                if message.get("type") == "error":
                    why = f"The server refused: {data.get('message', 'it does not say why')}"
                    if not data.get("recoverable", True):
                        break
                if message.get("type") == "transcription" and data.get("is_final"):
                    await self._final(str(data["segment_id"]), str(data["text"]))
        raise CommandFailed(why)

    async def _final(self, segment_id: str, text: str) -> None:
        if not text or segment_id in self._finals:
            return
        if not self._finals:
            await self._client.write(WyomingEvent("transcript-start", self._told_language()))
        await self._client.write(wyoming.chunk(text, is_first=not self._finals))
        self._finals[segment_id] = text

    def _told_language(self) -> dict[str, str]:
        return {"language": self._language} if self._language else {}
