"""``earshot serve --workers 2`` with PostgreSQL and Redis: one address, two nodes, one engine; one node is killed."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.server_process import ServerProcess
from tests.net.rtc_client import Exchange, RtcClient

DEADLINE_S = 30.0
FIRST, SECOND, THIRD, BESIDE = "alpha bravo charlie", "delta echo foxtrot", "papa river window", "golf hotel india"
BLOCK_BYTES = 6400


def neighbouring_ports(count: int) -> int:
    """The first of so many free ones."""
    for first in range(21_000, 30_000, count):
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            return first
    raise AssertionError("no free ports")


class Speaker:
    """One speaking socket, and what was told on it."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.started: dict[str, Any] = {}

    @classmethod
    async def begin(cls, url: str, transcript_id: str, **start: Any) -> Self:
        """Raises ``AssertionError`` when it is told an error."""
        speaker = cls(await connect(f"{url}/v1/transcripts_stream/{transcript_id}", proxy=None))
        # Both at once, as from a client that is in a hurry: what comes behind the start goes with the connection, too.
        await speaker.socket.send(json.dumps({"type": "start", "data": {"events": False, **start}}))
        await speaker.socket.send(json.dumps({"type": "keepalive"}))
        try:
            speaker.started = await speaker.next("started")
        except BaseException:
            await speaker.socket.close()
            raise
        return speaker

    @classmethod
    async def resumed(cls, url: str, transcript_id: str, token: str) -> Self:
        """As a client comes back: again and again."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    return await cls.begin(url, transcript_id, resume=token)
                except (AssertionError, OSError, WebSocketException):
                    await asyncio.sleep(0.2)

    async def next(self, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                message = json.loads(await self.socket.recv())
                assert message["type"] != "error", message
                if message["type"] == kind:
                    told: dict[str, Any] = message["data"]
                    return told

    async def say(self, pcm: bytes) -> None:
        for at in range(0, len(pcm), BLOCK_BYTES):
            await self.socket.send(pcm[at : at + BLOCK_BYTES])

    async def stop(self) -> None:
        await self.socket.send(json.dumps({"type": "stop"}))
        await self.next("stopped")
        await self.socket.close()


async def final_texts(socket: ClientConnection, count: int) -> list[str]:
    """Of the next so many finals that a listener is told."""
    texts: list[str] = []
    async with asyncio.timeout(DEADLINE_S):
        while len(texts) < count:
            message = json.loads(await socket.recv())
            if message["type"] == "transcription" and message["data"].get("is_final"):
                texts.append(message["data"]["text"])
    return texts


async def answered(socket: ClientConnection, action: str) -> tuple[str, str]:
    """What a reader is answered who asks for that: where it stands, and its sound."""
    await socket.send(json.dumps({"action": action}))
    async with asyncio.timeout(DEADLINE_S):
        while True:
            message = json.loads(await socket.recv())
            assert message["type"] != "error", message
            if message["type"] == "status" and "seq" not in message:
                return message["data"]["status"], message["data"]["audio"]


def offering(url: str, transcript_id: str, **options: str) -> Exchange:
    async def exchange(sdp: str, type_: str) -> tuple[str, str]:
        async with httpx.AsyncClient(trust_env=False, timeout=DEADLINE_S) as http:
            body = {"sdp": sdp, "type": type_, **options}
            response = await http.post(f"{url}/v1/transcripts_webrtc/{transcript_id}/offer", json=body)
        assert response.status_code == 200, response.text
        return response.json()["sdp"], response.json()["type"]

    return exchange


def pids_of(server: ServerProcess) -> dict[int, int]:
    """The latest process of each worker, by what the parent's log says."""
    lines = [json.loads(line) for line in server.log.splitlines() if '"worker started"' in line]
    return {line["server_worker"]: line["pid"] for line in lines}


@pytest.mark.process
async def test_two_workers_are_one_server(tmp_path: Path, postgres_url: str, redis_url: str) -> None:
    first_port = neighbouring_ports(2)
    own = [f"127.0.0.1:{first_port + index}" for index in range(2)]
    options = {"database_url": postgres_url, "redis_url": redis_url, "worker_port": first_port, "node_lease_s": 2.0}
    async with AsyncExitStack() as stack:
        server = ServerProcess(tmp_path / "data", workers=2, utterance_silence_ms=300, **options)
        await stack.enter_async_context(server)
        http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=30.0))

        async def live(index: int) -> int:
            health = (await http.get(f"http://{own[index]}/health")).json()
            assert health["worker"] == index
            count: int = health["sessions"]["live"]
            return count

        async def create() -> str:
            made = await http.post(f"{server.url}/v1/transcripts", json={})
            made_id: str = made.json()["id"]
            return made_id

        transcript_id, beside_id = await create(), await create()
        speaker = await Speaker.begin(f"ws://{own[0]}", transcript_id, track="one")
        beside = await Speaker.begin(f"ws://{own[1]}", beside_id)
        listener = await connect(f"ws://{own[1]}/v1/transcripts_websocket/{transcript_id}", proxy=None)
        stack.push_async_callback(listener.close)
        await speaker.say(scripted_sound(sentence(FIRST)))
        await beside.say(scripted_sound(sentence(BESIDE))[:20_000])
        assert await final_texts(listener, 1) == [FIRST]

        # Who comes to the wrong one is led to the right one: a socket with what it sent already, and a request.
        guest = await Speaker.begin(f"ws://{own[1]}", transcript_id, track="two")
        assert [await live(0), await live(1)] == [2, 1]
        await guest.say(scripted_sound(sentence(SECOND)))
        assert await final_texts(listener, 1) == [SECOND]
        await guest.stop()
        assert "earshot_worker 1.0" in (await http.get(f"http://{own[1]}/metrics")).text
        for state in ("paused", "recording"):
            changed = await http.patch(f"http://{own[1]}/v1/transcripts/{transcript_id}", json={"status": state})
            assert changed.status_code == 200, changed.text
        # What follows on the same connection is answered there, too.
        assert (await http.get(f"http://{own[1]}/health")).json()["worker"] == 0

        # A reader's own socket stays where it is, and what it asks for is done.
        told = [await answered(listener, action) for action in ("get_status", "pause", "start")]
        assert told == [("processing", "live"), ("paused", "paused"), ("processing", "live")]

        # An offer goes there as well, and its sound comes to that worker's port.
        async with RtcClient(scripted_sound(sentence(THIRD))) as peer:
            await peer.connect(offering(f"http://{own[1]}", transcript_id, track="three"))
            assert await live(0) == 2
            assert await final_texts(listener, 1) == [THIRD]

        # One is killed in mid-speech.
        rest = scripted_sound(sentence("juliet kilo lima"))
        await speaker.say(rest[:24_000])
        os.kill(pids_of(server)[0], signal.SIGKILL)
        token = speaker.started["resume_token"]
        again = await Speaker.resumed(server.websocket_url, transcript_id, token)
        sent = 2 * again.started["position"] - len(scripted_sound(sentence(FIRST)))
        assert 0 <= sent <= 24_000
        await again.say(rest[sent:])
        await beside.say(scripted_sound(sentence(BESIDE))[20_000:])  # and has noticed nothing
        await asyncio.gather(again.stop(), beside.stop())
        found = (await http.get(f"{server.url}/v1/transcripts/{transcript_id}/segments")).json()
        texts = sorted(segment["text"] for segment in found["items"])
        assert texts == sorted([FIRST, SECOND, THIRD, "juliet kilo lima"])
        found = (await http.get(f"{server.url}/v1/transcripts/{beside_id}/segments")).json()
        assert [segment["text"] for segment in found["items"]] == [BESIDE]

        assert await server.stop() == 0
    assert "Traceback" not in server.log
    assert len(re.findall('"inference process started"', server.log)) == 1
    for pid in pids_of(server).values():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
