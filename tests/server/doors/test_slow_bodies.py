"""Bodies that drip, on the wire: told with 408, their connection closed soon, nothing of them kept."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from server import limits
from tests.fakes.running_app import RunningApp, running_app
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of

DEADLINE_S = 20.0


async def dripped(node: RunningApp, path: str, piece: bytes) -> tuple[bytes, bytes]:
    """Head and body of the answer to a body of which ``piece`` is sent again and again, to the connection's end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    writer.write(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n".encode())

    async def drip() -> None:
        while True:
            writer.write(piece)
            await asyncio.sleep(0.05)

    dripping = asyncio.create_task(drip())
    try:
        async with asyncio.timeout(DEADLINE_S):
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readuntil(b"}}}")
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
            return head, body
    finally:
        dripping.cancel()
        writer.close()


async def test_a_body_that_drips_is_answered_and_its_connection_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BODY_WINDOW_S", 0.5)
    async with running_app(tmp_path) as node:
        node.serving.asking.linger_s = 0.3
        id_ = await node.new_transcript()
        for path in (
            "/v1/transcripts/",
            f"/v1/transcripts_audio/{id_}/upload",
            f"/v1/transcripts_webrtc/{id_}/offer",
        ):
            head, body = await dripped(node, path, b"x")
            assert head.startswith(b"HTTP/1.1 408 "), (path, head)
            assert json.loads(body)["error"]["code"] == "TOO_SLOW"
        assert not list((tmp_path / "incoming").iterdir())


async def test_a_slow_upload_that_moves_is_taken_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_WINDOW_S", 1.5)
    data = wav_of(scripted_sound(sentence("alpha bravo", 0.5)))
    piece_bytes = len(data) // 40 + 1
    monkeypatch.setattr(limits, "BODY_WINDOW_BYTES", 2 * piece_bytes)  # which takes a tenth of a second

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(data), piece_bytes):
            yield data[at : at + piece_bytes]
            await asyncio.sleep(0.05)

    async with running_app(tmp_path) as node:
        id_ = await node.new_transcript()
        began_s = asyncio.get_running_loop().time()
        async with httpx.AsyncClient(base_url=node.serving.url, trust_env=False, timeout=DEADLINE_S) as http:
            answer = await http.post(f"/v1/transcripts_audio/{id_}/upload", content=pieces())
        assert asyncio.get_running_loop().time() - began_s > 1.5
        assert answer.status_code < 300, answer.text
