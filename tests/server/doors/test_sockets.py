"""Peers of sockets that die, break the protocol, or send what costs us more than them: seen, told, cut."""

from __future__ import annotations

import asyncio
import re
import socket as sockets
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.websocket_connection import FRAGMENTS_MAX, PONGS_WAITING_MAX_BYTES, WebSocketConnection
from tests.fakes.running_app import RunningApp, running_app
from tests.fakes.waiting import until
from tests.net.relay import TcpRelay

DEADLINE_S = 20.0
FIN, TEXT, BINARY, CONTINUATION, PING = 0x80, 0x1, 0x2, 0x0, 0x9
HANDSHAKE = (
    "GET {} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RunningApp]:
    async with running_app(tmp_path) as running:
        yield running


def frame(first: int, payload: bytes, *, masked: bool = True) -> bytes:
    """RFC 6455, 5.2. ``first`` is the first byte: FIN, reserved bits, opcode."""
    mask = 0x80 if masked else 0
    if len(payload) < 126:
        head = struct.pack("!BB", first, mask | len(payload))
    elif len(payload) < 1 << 16:
        head = struct.pack("!BBH", first, mask | 126, len(payload))
    else:
        head = struct.pack("!BBQ", first, mask | 127, len(payload))
    return head + (bytes(4) if masked else b"") + payload  # a mask of zeros changes nothing


class RawSocket:
    """A WebSocket of which every byte is ours."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, node: RunningApp) -> RawSocket:
        reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
        path = f"/v1/transcripts_websocket/{await node.new_transcript()}"
        writer.write(HANDSHAKE.format(path).encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        return cls(reader, writer)

    async def close_code(self) -> int:
        """Read frames until the close and then the end of the connection."""
        code = 1006
        async with asyncio.timeout(DEADLINE_S):
            try:
                while True:
                    first, length = await self.reader.readexactly(2)
                    if length == 126:
                        (length,) = struct.unpack("!H", await self.reader.readexactly(2))
                    payload = await self.reader.readexactly(length)
                    if first & 0xF == 0x8:
                        (code,) = struct.unpack("!H", payload[:2])
            except (asyncio.IncompleteReadError, ConnectionError):
                return code
            finally:
                self.writer.close()


def connections_of(node: RunningApp) -> list[WebSocketConnection]:
    server = node.serving._server
    assert server is not None
    return [each for each in server.server_state.connections if isinstance(each, WebSocketConnection)]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ([frame(FIN | TEXT, b"\xff\xfe{}")], 1007),
        ([frame(TEXT, b"\xc3"), frame(FIN | CONTINUATION, b"(")], 1007),
        ([frame(TEXT, b"")] + [frame(CONTINUATION, b"")] * (FRAGMENTS_MAX + 10), 1009),
        ([frame(BINARY, b"x")] + [frame(CONTINUATION, b"x")] * (FRAGMENTS_MAX + 10), 1009),
        ([frame(FIN | TEXT, bytes(300_000))], 1009),
        ([frame(TEXT, bytes(200_000)), frame(CONTINUATION, bytes(200_000))], 1009),
        ([struct.pack("!BBQ", FIN | BINARY, 0x80 | 127, 1 << 62) + bytes(4)], 1009),
        ([frame(FIN | TEXT, b"{}", masked=False)], 1002),
        ([frame(FIN | 0x40 | TEXT, b"{}")], 1002),
        ([frame(FIN | 0x3, b"")], 1002),
        ([frame(FIN | 0xB, b"")], 1002),
        ([frame(FIN | CONTINUATION, b"of nothing")], 1002),
        ([frame(TEXT, b"{"), frame(FIN | TEXT, b"}")], 1002),
        ([frame(PING, b"")], 1002),
        ([frame(FIN | PING, bytes(126))], 1002),
        ([frame(FIN | 0x8, b"\x03")], 1002),
        ([frame(FIN | 0x8, struct.pack("!H", 999))], 1002),
        ([frame(FIN | 0x8, struct.pack("!H", 1000) + b"\xff")], 1007),
    ],
)
async def test_who_breaks_the_protocol_is_told_how_and_closed_without_a_traceback(
    node: RunningApp, caplog: pytest.LogCaptureFixture, sent: list[bytes], code: int
) -> None:
    raw = await RawSocket.connect(node)
    raw.writer.write(b"".join(sent))
    assert await raw.close_code() == code
    await until(lambda: not connections_of(node))
    assert not [record for record in caplog.records if record.exc_info or record.levelname == "ERROR"]


async def test_messages_in_pieces_are_whole(node: RunningApp) -> None:
    raw = await RawSocket.connect(node)
    text = b'{"action": "get_status"}'
    raw.writer.write(frame(TEXT, text[:1]))
    for at in range(1, len(text)):
        raw.writer.write(frame(CONTINUATION, text[at : at + 1]) + frame(FIN | PING, b"still here"))
    raw.writer.write(frame(FIN | CONTINUATION, b""))
    async with asyncio.timeout(DEADLINE_S):
        assert b'"type":"status"' in await raw.reader.readuntil(b'"audio":"none"}}')
    raw.writer.write(frame(FIN | 0x8, struct.pack("!H", 1000)))
    assert await raw.close_code() == 1000


async def test_pings_of_a_peer_that_reads_no_pongs_fill_no_memory(node: RunningApp) -> None:
    loop = asyncio.get_running_loop()
    with sockets.socket() as raw:
        raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        raw.setblocking(False)
        await loop.sock_connect(raw, ("127.0.0.1", node.port))
        path = f"/v1/transcripts_websocket/{await node.new_transcript()}"
        await loop.sock_sendall(raw, HANDSHAKE.format(path).encode())
        assert (await loop.sock_recv(raw, 12)) == b"HTTP/1.1 101"
        # Far more than the buffers of both sockets and of the server take.
        pings = frame(FIN | PING, bytes(125)) * 8000
        most = 0
        async with asyncio.timeout(DEADLINE_S):
            for _ in range(16):
                await loop.sock_sendall(raw, pings)
                most = max([most, *(each.transport.get_write_buffer_size() for each in connections_of(node))])
    assert 0 < most <= PONGS_WAITING_MAX_BYTES + 127 * 8000


async def test_a_peer_that_is_gone_is_seen_within_two_pings_and_its_descriptor_is_freed(tmp_path: Path) -> None:
    async with running_app(tmp_path, ping_interval_s=1, write_deadline_s=1) as node:
        async with TcpRelay(("127.0.0.1", node.port)) as relay:
            host, port = relay.address
            id_ = await node.new_transcript()
            # Once in peace, so that what the node opens for good, such as connections to the database, is open.
            async with node.socket(f"/v1/transcripts_websocket/{id_}") as socket:
                await socket.receive()
            await until(lambda: not connections_of(node))
            before = descriptors()
            reader, writer = await asyncio.open_connection(host, port)
            path = f"/v1/transcripts_websocket/{id_}"
            writer.write(HANDSHAKE.format(path).encode())
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
            await until(lambda: len(connections_of(node)) == 1)
            with relay.black_hole():
                async with asyncio.timeout(15):  # as the settings come, it takes twenty
                    await until(lambda: not connections_of(node))
            writer.close()
        await until(lambda: descriptors() <= before)
        assert await figure(node, "sockets_open") == 0


async def test_many_small_messages_are_held_back_and_none_is_lost(node: RunningApp) -> None:
    id_ = await node.new_transcript()
    count = 2300  # the first 2000 at once, then 1000 a second
    async with node.socket(f"/v1/transcripts_stream/{id_}") as socket:
        await socket.send({"type": "start", "data": {"encoding": "mulaw", "sample_rate": 8000, "events": False}})
        await socket.until("started")
        began_s = asyncio.get_running_loop().time()
        for _ in range(count):
            await socket.send(b"\xff")
        await socket.send({"type": "stop"})
        await socket.until("stopped")
        assert asyncio.get_running_loop().time() - began_s > 0.25
        assert socket.of("ack")[-1]["data"]["position"] == count


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def figure(node: RunningApp, name: str) -> float:
    found = re.search(rf"^earshot_{name} ([0-9.]+)$", (await node.http.get("/metrics")).text, re.MULTILINE)
    assert found is not None
    return float(found[1])
