"""A whole node whose recogniser is a Riva server: it is away at the start, dies in mid-speech, and comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from protocol.blocks import SAMPLE_RATE_HZ
from protocol.words import Word
from tests.fakes.node import words_of
from tests.fakes.riva_server import RivaServer, reciting
from tests.fakes.running_app import RunningApp, Socket, running_app
from tests.fakes.spoken_sample import spoken_sample
from tests.fakes.waiting import until

WAIT_S = 60.0
SAMPLE = spoken_sample()
PCM = SAMPLE.samples.tobytes()
TOKEN = "open sesame"
CUT_S = 7.0  # in the middle of the second turn


def said() -> list[Word]:
    """The words of the sample, evenly over their turns."""
    words: list[Word] = []
    for start_s, end_s, text in SAMPLE.turns:
        each_s = (end_s - start_s) / len(text.split())
        words += (
            Word(
                text=word,
                start_samples=round((start_s + at * each_s) * SAMPLE_RATE_HZ),
                end_samples=round((start_s + (at + 1) * each_s) * SAMPLE_RATE_HZ),
            )
            for at, word in enumerate(text.split())
        )
    return words


TEXT = [word.text for word in said()]


def server() -> RivaServer:
    return RivaServer(reciting(SAMPLE.samples, said()), token=TOKEN)


def options(riva: RivaServer) -> dict[str, Any]:
    return {"engine": "riva", "riva_url": riva.address, "riva_token": TOKEN, "riva_deadline_s": 2.0, "diarize": False}


async def say(socket: Socket, start_s: float, end_s: float) -> None:
    for at in range(round(start_s * SAMPLE_RATE_HZ) * 2, round(end_s * SAMPLE_RATE_HZ) * 2, 6400):
        await socket.send(PCM[at : min(at + 6400, round(end_s * SAMPLE_RATE_HZ) * 2)])


async def health(node: RunningApp) -> dict[str, Any]:
    response = await node.http.get("/health")
    assert response.status_code == 200
    body: dict[str, Any] = response.json()
    return body


async def test_a_riva_server_that_dies_in_mid_speech_and_returns_loses_and_doubles_no_word(tmp_path: Path) -> None:
    with server() as riva:
        async with running_app(tmp_path, **options(riva)) as node:
            await node.services.asr.wait_ready()
            id_ = await node.new_transcript()
            async with node.socket(f"/v1/transcripts_stream/{id_}") as socket:
                await socket.send({"type": "start", "data": {"encoding": "pcm_s16le", "sample_rate": 16000}})
                await socket.until("started")
                await say(socket, 0.0, CUT_S)
                await until_told_final(socket)
                # And in the middle of the next one.
                await until(lambda: len(riva.asked) == 2 and len(riva.asked[1].sound) > 0)
                riva.stop()
                await say(socket, CUT_S, len(SAMPLE.samples) / SAMPLE_RATE_HZ)
                await until(lambda: is_away(node))
                told = await health(node)
                assert told["status"] == told["engine"]["state"] == "degraded"
                assert riva.address in told["engine"]["reason"]
                riva.start()
                await socket.send({"type": "stop"})
                await socket.until("stopped")
            await until(lambda: is_well(node))
            words = await words_of(node.services, id_)
            assert [text for text, _ in words] == TEXT
            starts = [start for _, start in words]
            assert starts == sorted(starts)
            assert node.services.asr.status.gave_up == 0
            assert node.services.asr.status.restarts == 0


async def until_told_final(socket: Socket) -> None:
    await socket.until(lambda message: message["type"] == "transcription" and message["data"]["is_final"])


async def is_away(node: RunningApp) -> bool:
    return bool((await health(node))["engine"]["state"] == "degraded")


async def is_well(node: RunningApp) -> bool:
    return bool((await health(node))["status"] == "ok")


async def test_a_node_serves_while_riva_is_away_and_hears_when_it_is_back(tmp_path: Path) -> None:
    with server() as riva:
        riva.stop()
        async with running_app(tmp_path, **options(riva)) as node:
            await until(lambda: is_away(node))
            id_ = await node.new_transcript()
            async with node.socket(f"/v1/transcripts_stream/{id_}") as socket:
                await socket.send({"type": "start", "data": {"encoding": "pcm_s16le", "sample_rate": 16000}})
                await socket.until("started")
                await say(socket, 0.0, len(SAMPLE.samples) / SAMPLE_RATE_HZ)
                riva.start()
                await socket.send({"type": "stop"})
                await socket.until("stopped")
            assert [text for text, _ in await words_of(node.services, id_)] == TEXT
