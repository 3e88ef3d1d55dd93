"""Live streams in real time: what they cost on one core, and how soon their words come.

Every stream says sentences of known words at known times, in tones that the scripted engine hears. So what is measured
is the server (transport, recorder, journal, voice activity, scheduling) and not a recogniser. The streams are laid
apart in time, so that they do not speak in step.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx

from protocol.blocks import SAMPLE_RATE_HZ
from tests.bench.figures import Figures, histogram_percentile, percentile
from tests.bench.node import Node, cores
from tests.fakes.scripted_sound import WORD_S, scripted_sound, sentence

SENTENCES = (
    "good morning river stone",
    "alpha bravo charlie delta",
    "yellow silver ocean window",
    "one two three four",
)
SENTENCE_EVERY_S = 4.0  # 1.4 s of speech, 2.6 s of silence: a talk with two sides
SETTLE_S = 2.0  # not measured: while the others are still connecting
IDLE_S = 3.0


@dataclass
class Heard:
    """Times of one stream. ``began_s``: when its sample 0 was sent, by ``time.monotonic``."""

    words: list[tuple[str, float]]
    began_s: float = 0.0
    interim_ms: list[float] = field(default_factory=list)
    final_ms: list[float] = field(default_factory=list)
    finals: list[str] = field(default_factory=list)
    _told: set[float] = field(default_factory=set)

    def take(self, message: Mapping[str, Any], now_s: float) -> None:
        """A message arrived: how long ago was the end of each of its new words sent?"""
        if message.get("type") != "transcription":
            return
        data = message["data"]
        for word in data["words"]:
            spoken = self._spoken(word)
            if spoken is not None and spoken not in self._told:
                self._told.add(spoken)
                if spoken < SETTLE_S:
                    continue
                self.interim_ms.append((now_s - self.began_s - spoken - WORD_S) * 1000)
        if data["is_final"] and data["words"]:
            self.finals += [word["text"] for word in data["words"]]
            last = self._spoken(data["words"][-1])
            if last is not None and last >= SETTLE_S:
                self.final_ms.append((now_s - self.began_s - last - WORD_S) * 1000)

    def _spoken(self, word: Mapping[str, Any]) -> float | None:
        """When it was said on the track, in seconds. Its told time may be a frame off."""
        near = [start for text, start in self.words if text == word["text"] and abs(start - word["start"]) < 0.5]
        return near[0] if near else None


class Stream(Protocol):
    """One way in. ``run`` connects, sends all the sound in real time, and returns when the finals have come."""

    heard: Heard

    async def run(self) -> None: ...


class OpenStream(Protocol):
    def __call__(self, node: Node, transcript_id: str, sound: bytes, heard: Heard) -> Stream: ...


def talk(
    seconds: float, offset_s: float, *, every_s: float = SENTENCE_EVERY_S
) -> tuple[list[tuple[str, float]], bytes]:
    """The words with their times, and their sound: 16 kHz mono PCM. ``every_s``: a sentence begins."""
    words: list[tuple[str, float]] = []
    at_s, number = 0.5 + offset_s, 0
    while at_s + 2.0 < seconds:
        # On whole cells of 20 ms, as the engine hears.
        words += sentence(SENTENCES[number % len(SENTENCES)], round(at_s / 0.02) * 0.02)
        at_s, number = at_s + every_s, number + 1
    return words, scripted_sound(words, length_s=seconds)


Beside = Callable[[Node, httpx.AsyncClient], Awaitable[None]]


async def _nothing(node: Node, http: httpx.AsyncClient) -> None: ...


async def measure(
    figures: Figures,
    open_stream: OpenStream,
    *,
    count: int,
    seconds: float,
    pinned: bool = True,
    engine: str = "scripted",
    every_s: float = SENTENCE_EVERY_S,
    beside: Beside = _nothing,
    after: Beside = _nothing,
    models: Mapping[str, Path] | None = None,
) -> None:
    """``count`` streams for ``seconds``, into ``figures``. Not ``pinned``: the server may use every core.

    ``every_s``: in each of them a sentence begins.

    ``beside``: what else the server is asked for before they begin, and is busy with meanwhile; ``after``: what is
    waited for in the end. ``models``: folders of fetched ones, by name.
    """
    pair = cores() if pinned else None
    node = Node(engine, pair[0] if pair else None, sessions_max=count + 1)
    node.put_models(models or {})
    async with node, node.http() as http:
        idle = await _idle(node)
        streams = []
        for number in range(count):
            words, sound = talk(seconds, every_s * number / count, every_s=every_s)
            heard = Heard(words)
            streams.append(open_stream(node, await node.create_transcript(http), sound, heard))
        await beside(node, http)
        running = [asyncio.create_task(stream.run()) for stream in streams]
        figures.add(streams=count, seconds=seconds)
        await watch(figures, node, http, count=count, seconds=seconds)
        figures.add(idle_cpu_ms_per_second=idle)
        await asyncio.gather(*running)
        await after(node, http)
    add_words(figures, [stream.heard for stream in streams])
    if pair is None and pinned:
        figures.notes.append("Processes could not be pinned here: server and load shared all cores.")


async def watch(figures: Figures, node: Node, http: httpx.AsyncClient, *, count: int, seconds: float) -> None:
    """What ``count`` streams of ``seconds`` that have just begun cost, and how late the event loop is meanwhile."""
    await asyncio.sleep(SETTLE_S)
    cost, lag, began_s = node.cost(), await node.loop_lag(http), time.monotonic()
    await asyncio.sleep(seconds - SETTLE_S - 2.0)
    spent_s = time.monotonic() - began_s
    cost_after, lag_after = node.cost(), await node.loop_lag(http)
    if cost is not None and cost_after is not None:
        per = 1000 / (count * spent_s)
        spent = cost_after.since(cost)
        figures.add(
            server_cpu_ms_per_stream_second=spent.server_s * per,
            inference_cpu_ms_per_stream_second=spent.worker_s * per,
        )
    else:
        figures.notes.append("This system does not tell what a process costs: no figures of the processor.")
    lags = {bound: lag_after[bound] - lag.get(bound, 0.0) for bound in lag_after}
    figures.add(
        loop_lag_p50_ms=histogram_percentile(lags, 50) * 1000, loop_lag_p99_ms=histogram_percentile(lags, 99) * 1000
    )


async def _idle(node: Node) -> float:
    """What the whole server costs with nobody there, in ms of processor a second."""
    before = node.cost()
    await asyncio.sleep(IDLE_S)
    after = node.cost()
    if before is None or after is None:
        return float("nan")
    spent = after.since(before)
    return (spent.server_s + spent.worker_s) * 1000 / IDLE_S


def add_words(figures: Figures, heard: list[Heard]) -> None:
    interim = [ms for each in heard for ms in each.interim_ms]
    final = [ms for each in heard for ms in each.final_ms]
    figures.add(
        word_to_interim_p50_ms=percentile(interim, 50),
        word_to_interim_p95_ms=percentile(interim, 95),
        speech_to_final_p50_ms=percentile(final, 50),
        speech_to_final_p95_ms=percentile(final, 95),
        words_said=sum(len(each.words) for each in heard),
        words_final=sum(len(each.finals) for each in heard),
        words_wrong=sum(wrong(each) for each in heard),
    )


def wrong(heard: Heard) -> int:
    """Words lost, added or changed, position by position."""
    said = [text for text, _ in heard.words]
    return sum(a != b for a, b in zip(said, heard.finals, strict=False)) + abs(len(said) - len(heard.finals))


class WebSocketStream:
    """PCM in frames of 100 ms over the speaking socket, which also tells the words. ``start``: asked for besides."""

    FRAME_SAMPLES = SAMPLE_RATE_HZ // 10

    def __init__(
        self, node: Node, transcript_id: str, sound: bytes, heard: Heard, *, start: Mapping[str, Any] | None = None
    ) -> None:
        self.heard = heard
        self._start = {"encoding": "pcm_s16le", "sample_rate": 16000, **(start or {})}
        self._url = f"{node.url.replace('http', 'ws', 1)}/v1/transcripts_stream/{transcript_id}"
        self._sound = sound

    async def run(self) -> None:
        from websockets.asyncio.client import connect

        async with connect(self._url, compression=None, ping_interval=None) as socket:
            await socket.send(json.dumps({"type": "start", "data": self._start}))
            started = json.loads(await socket.recv())
            while started["type"] != "started":
                started = json.loads(await socket.recv())
            self.heard.began_s = time.monotonic()
            sending = asyncio.create_task(self._send(socket))
            async for text in socket:
                self.heard.take(json.loads(text), time.monotonic())
            await sending

    async def _send(self, socket: Any) -> None:
        size = self.FRAME_SAMPLES * 2
        for at in range(0, len(self._sound), size):
            # A microphone gives a frame when its last sample was spoken.
            due_s = self.heard.began_s + (at + size) / 2 / SAMPLE_RATE_HZ
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            await socket.send(self._sound[at : at + size])
        await socket.send(json.dumps({"type": "stop"}))


class WebRtcStream:
    """Opus by aiortc, as a browser sends it; words come on its data channel."""

    def __init__(self, node: Node, transcript_id: str, sound: bytes, heard: Heard) -> None:
        self.heard = heard
        self._node = node
        self._transcript_id = transcript_id
        self._sound = sound

    async def run(self) -> None:
        from tests.net.rtc_client import RtcClient

        async with RtcClient(self._sound, endless=True) as client:
            watching = asyncio.create_task(self._watch(client))
            await client.connect(self._exchange)
            self.heard.began_s = time.monotonic()
            await client.sent()
            client.send(json.dumps({"cmd": "STOP"}))
            with contextlib.suppress(TimeoutError):  # what is missing shows in the figures
                await client.wait_message(lambda text: '"completed"' in text, timeout_s=15)
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self, client: Any) -> None:
        taken = 0
        while True:
            async with client._changed:
                while len(client.messages) == taken:
                    await client._changed.wait()
            now_s = time.monotonic()
            for text in client.messages[taken:]:
                self.heard.take(json.loads(text), now_s)
            taken = len(client.messages)

    async def _exchange(self, sdp: str, kind: str) -> tuple[str, str]:
        async with httpx.AsyncClient(base_url=self._node.url, timeout=30) as http:
            answer = await http.post(
                f"/v1/transcripts_webrtc/{self._transcript_id}/offer", json={"sdp": sdp, "type": kind}
            )
        answer.raise_for_status()
        body = answer.json()
        return body["sdp"], body["type"]
