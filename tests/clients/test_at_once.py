"""Clients of different kinds at once on one server: each gets the words that it would get alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from protocol.states import TranscriptState
from server.commands.addresses import ServerAddress
from server.commands.wyoming_bridge import Bridge
from tests.fakes.calls import mulaw, twilio_call
from tests.fakes.node import wait_for_state
from tests.fakes.running_app import DEADLINE_S, RunningApp, running_app
from tests.fakes.scripted_sound import scripted_sound, sentence

pytestmark = pytest.mark.process

SAID = (
    *("alpha bravo", "charlie delta", "good morning", "river stone", "bridge garden"),
    *("echo foxtrot", "golf hotel", "india juliet", "kilo lima", "mike november"),
)

Speak = Callable[[RunningApp, str], Awaitable[str]]


def sound(text: str, rate_hz: int = 16_000) -> bytes:
    return scripted_sound(sentence(text, 0.5), length_s=2.5, sample_rate=rate_hz)


async def by_deepgram(node: RunningApp, text: str) -> str:
    words: list[str] = []
    async with connect(node.ws_url("/v1/listen?encoding=linear16&sample_rate=16000"), proxy=None) as socket:
        for at in range(0, len(pcm := sound(text)), 3200):
            await socket.send(pcm[at : at + 3200])
        await socket.send('{"type": "CloseStream"}')
        async for message in socket:
            told = json.loads(message)
            if told["type"] == "Results":
                words.append(told["channel"]["alternatives"][0]["transcript"])
    return " ".join(words)


async def by_vosk(node: RunningApp, text: str) -> str:
    words: list[str] = []
    async with connect(node.ws_url("/vosk"), proxy=None) as socket:
        await socket.send('{"config": {"sample_rate": 16000}}')
        pcm = sound(text)
        messages: list[bytes | str] = [pcm[at : at + 3200] for at in range(0, len(pcm), 3200)]
        for message in (*messages, '{"eof": 1}'):
            await socket.send(message)
            words.append(json.loads(await socket.recv()).get("text", ""))
    return " ".join(filter(None, words))


async def by_telephone(node: RunningApp, text: str) -> str:
    id_ = await node.new_transcript()
    async with connect(node.ws_url("/v1/telephony/stream"), proxy=None) as socket:
        for message in twilio_call({"inbound": mulaw(sound(text, 8_000))}, {"transcript_id": id_}):
            await socket.send(json.dumps(message))
        with pytest.raises(ConnectionClosed):
            await socket.recv()
    await wait_for_state(node.services, id_, TranscriptState.ENDED)
    stored = await node.services.store.segments_of(id_, offset=0, limit=10)
    return " ".join(each.segment.text for each in stored)


async def by_wyoming(port: int, _node: RunningApp, text: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b'{"type": "audio-start", "data": {"rate": 16000, "width": 2, "channels": 1}}\n')
    for at in range(0, len(pcm := sound(text)), 3200):
        piece = pcm[at : at + 3200]
        writer.write(json.dumps({"type": "audio-chunk", "payload_length": len(piece)}).encode() + b"\n" + piece)
    writer.write(b'{"type": "audio-stop"}\n')
    while (header := json.loads(await reader.readline()))["type"] != "transcript":
        await reader.readexactly(header.get("data_length", 0))
    told: dict[str, Any] = json.loads(await reader.readexactly(header["data_length"]))
    writer.close()
    await writer.wait_closed()
    return str(told["text"])


@asynccontextmanager
async def a_server(data_dir: Path) -> AsyncIterator[tuple[RunningApp, int]]:
    async with running_app(data_dir, sessions_max=20, admission_busy_max=0) as node:
        bridge = Bridge(ServerAddress(str(node.http.base_url)), node.http, language=None, keep=False)
        async with bridge.serving("127.0.0.1", 0) as port:
            yield node, port


async def test_ten_clients_at_once_get_each_its_own_words(tmp_path: Path) -> None:
    async with a_server(tmp_path) as (node, port):
        ways: Iterator[Speak] = cycle((by_deepgram, by_vosk, by_telephone, partial(by_wyoming, port)))
        async with asyncio.timeout(DEADLINE_S):
            heard = await asyncio.gather(*(speak(node, text) for speak, text in zip(ways, SAID, strict=False)))
    assert tuple(heard) == SAID
