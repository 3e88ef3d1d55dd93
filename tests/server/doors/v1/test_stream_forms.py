"""Every form of sound that the speaking socket takes gives the same words; who is faster than time is held back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import server.speaking
from media import g711
from tests.fakes.running_app import RunningApp, Socket, running_app
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of
from tests.media.made_files import make
from tests.media.opus_sound import opus_packets

SENTENCE = sentence("alpha bravo charlie", 0.5)
WORDS = [word for word, _ in SENTENCE]
LENGTH_S = 3.0


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RunningApp]:
    async with running_app(tmp_path, admission_busy_max=0) as running:
        yield running


def sound(rate_hz: int, channels: int = 1) -> npt.NDArray[np.int16]:
    mono = np.frombuffer(scripted_sound(SENTENCE, length_s=LENGTH_S, sample_rate=rate_hz), "<i2")
    return np.repeat(mono, channels)


def companded(table: npt.NDArray[np.float32], samples: npt.NDArray[np.int16]) -> bytes:
    """The nearest code of each sample."""
    order = np.argsort(table)
    middles = (table[order][1:] + table[order][:-1]) / 2
    return order[np.searchsorted(middles, samples / 32768)].astype(np.uint8).tobytes()


def pieces(data: bytes, size_bytes: int) -> list[bytes]:
    return [data[at : at + size_bytes] for at in range(0, len(data), size_bytes)]


def made(kind: str) -> bytes:
    return make(kind, 0, sound=(sound(48_000) / np.float32(32768)).astype(np.float32)[None])


Form = tuple[str, int, int, Sequence[bytes], int]  # encoding, rate, channels, messages, position at the end


def forms() -> list[Form]:
    found: list[Form] = []

    def add(encoding: str, rate_hz: int, channels: int, data: bytes, message_bytes: int) -> None:
        found.append((encoding, rate_hz, channels, pieces(data, message_bytes), round(LENGTH_S * rate_hz)))

    add("pcm_s16le", 8_000, 1, sound(8_000).tobytes(), 320)
    add("linear16", 16_000, 1, sound(16_000).tobytes(), 3200)
    add("pcm_s16le", 48_000, 2, sound(48_000, 2).tobytes(), 19_200)
    add("pcm_s32le", 22_050, 1, (sound(22_050).astype("<i4") << 16).tobytes(), 4400)
    add("pcm_f32le", 44_100, 8, (sound(44_100, 8) / np.float32(32768)).astype("<f4").tobytes(), 64_000)
    add("mulaw", 8_000, 1, companded(g711.MULAW, sound(8_000)), 160)
    add("alaw", 8_000, 2, companded(g711.ALAW, sound(8_000, 2)), 1600)
    for rate_hz, packet_ms in ((48_000, 20), (16_000, 60)):
        packets = opus_packets(sound(rate_hz).tobytes(), rate_hz=rate_hz, packet_ms=packet_ms)
        found.append(("opus", rate_hz, 1, packets, len(packets) * packet_ms * rate_hz // 1000))
    containers = {"wav": wav_of(sound(16_000).tobytes()), "ogg": made("ogg"), "webm": made("webm")}
    containers["mp4"] = made("mp4_fragmented")
    for name, data in containers.items():
        for encoding in (name, "container"):
            found.append((encoding, 48_000, 1, pieces(data, 2000), len(data)))
    return found


async def test_every_encoding_rate_and_container_gives_the_words_and_its_own_positions(node: RunningApp) -> None:
    async def speak(form: Form) -> None:
        encoding, rate_hz, channels, messages, position = form
        async with node.socket(f"/v1/transcripts_stream/{await node.new_transcript()}") as socket:
            start = {"encoding": encoding, "sample_rate": rate_hz, "channels": channels}
            await socket.send({"type": "start", "data": start})
            await socket.until("started")
            for message in messages:
                await socket.send(message)
            await socket.send({"type": "stop"})
            stopped = (await socket.until("stopped"))["data"]
            assert words_of(socket) == WORDS, form[:3]
            assert socket.of("ack")[-1]["data"]["position"] == position, form[:3]
            assert abs(stopped["duration"] - LENGTH_S) < 0.1, form[:3]
            assert (await socket.closed())[0] == 1000

    await asyncio.gather(*map(speak, forms()))


def words_of(socket: Socket) -> list[str]:
    finals = [message["data"] for message in socket.of("transcription") if message["data"]["is_final"]]
    return [word["text"] for final in finals for word in final["words"]]


async def test_faster_than_the_factor_is_held_back_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.speaking, "FREE_AHEAD_S", 0.5)
    monkeypatch.setattr(server.speaking, "BURST_S", 1.0)
    said = [word for n in range(4) for word in sentence("alpha bravo charlie", 0.5 + LENGTH_S * n)]
    data = scripted_sound(said, length_s=4 * LENGTH_S)
    loop = asyncio.get_running_loop()
    async with (
        running_app(tmp_path, catch_up_factor=10) as node,
        node.socket(f"/v1/transcripts_stream/{await node.new_transcript()}") as socket,
    ):
        await socket.send({"type": "start", "data": {}})
        assert (await socket.until("started"))["data"]["catch_up_factor"] == 10
        began_s = loop.time()
        for piece in pieces(data, 6400):
            await socket.send(piece)
        await socket.send({"type": "stop"})
        await socket.until("stopped")
        # 12 s of sound, one of them free, at ten times the speed of time; the last piece is not waited for.
        assert loop.time() - began_s > 0.9
        assert words_of(socket) == WORDS * 4
        assert socket.of("ack")[-1]["data"]["position"] == len(data) // 2


async def test_answers_to_our_pings_are_welcome(tmp_path: Path) -> None:
    async with (
        running_app(tmp_path, ping_interval_s=1) as node,
        node.socket(f"/v1/transcripts_stream/{await node.new_transcript()}") as socket,
    ):
        await socket.send({"type": "start", "data": {}})
        await socket.until("ping")
        for message in ({"type": "pong"}, {"type": "keepalive"}, {"type": "dance"}, {"type": "get_status"}):
            await socket.send(message)
        answers: list[Any] = [await socket.until(lambda message: message["type"] in ("error", "status"))]
        while answers[-1]["type"] != "error":
            answers.append(await socket.until(lambda message: message["type"] in ("error", "status")))
        assert answers[-1]["data"]["details"]["type"] == "dance"
        await socket.until("status")
        assert len(socket.of("error")) == 1
