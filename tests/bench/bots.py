"""Bots that stream meetings at once: what each participant costs on one core, and how soon their words come.

Each bot is connected as Recall.ai's are: sound of each participant in JSON and base64, ten pieces a second, silence as
well. A reader follows each recording. All of them say known words in tones that the scripted engine hears.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from protocol.blocks import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ
from protocol.participants import MeetingParticipant
from protocol.wire.bot_items import Moment, Sound
from protocol.wire.bot_writing import written
from protocol.wire.dialects import Dialect
from tests.bench.figures import Figures, percentile
from tests.bench.node import Node, busy_s, cores
from tests.bench.streams import SENTENCE_EVERY_S, Heard, add_words, talk, watch, wrong

PARTICIPANTS = 5
PIECE_S = 0.1
COME_EVERY_S = 0.27  # bots come one after the other, and do not send in step
RECONNECT_S = 3.0  # as bots do
ENDED_S = 180.0  # what is not told so long after the end is lost
# Where the four stand in a recording, the transcript last.
DOCUMENTS = (
    ("participant_events", "participants_download_url"),
    ("participant_events", "participant_events_download_url"),
    ("participant_events", "speaker_timeline_download_url"),
    ("transcript", "download_url"),
)
# Kept up with: nothing lost or refused, and words as soon as the loop's bench wants them.
TOLD_MAX_MS = 1000.0
OPTIONS: dict[str, Any] = {"compression": None, "ping_interval": None, "proxy": None}


class Bot:
    """One meeting. ``talks``: of each participant, the words with their times, and their sound."""

    def __init__(
        self, node_url: str, registered: Mapping[str, Any], talks: Sequence[tuple[list[tuple[str, float]], bytes]]
    ) -> None:
        self.id: str = registered["id"]
        self.recording_id: str = registered["recordings"][0]["id"]
        self._url: str = registered["websocket_url"]
        self._events = f"{node_url.replace('http', 'ws', 1)}/v1/transcripts_websocket/{self.recording_id}"
        self._people = [MeetingParticipant(id=number, name=f"Person {number}") for number in range(1, len(talks) + 1)]
        self._sounds = [sound for _, sound in talks]
        self.heard = {f"Person {number}": Heard(words) for number, (words, _) in enumerate(talks, start=1)}
        self.refused: Counter[str] = Counter()  # messages, by why
        self.lost = 0  # connections
        self._is_sent = False
        self.late_ms: list[float] = []  # by how much each piece was sent later than it was spoken

    @property
    def sound_s(self) -> float:
        """Of all participants together."""
        return sum(map(len, self._sounds)) / BYTES_PER_SAMPLE / SAMPLE_RATE_HZ

    async def run(self, http: httpx.AsyncClient) -> None:
        """Streams in real time, leaves, and returns when everything is told, or was not for a long time."""
        listening = asyncio.create_task(self._listen())
        began_s, began_at = time.monotonic(), time.time()
        for heard in self.heard.values():
            heard.began_s = began_s
        while not self._is_sent:
            with suppress(ConnectionClosed, TimeoutError):
                await self._stream(began_s, began_at)
            if not self._is_sent:
                self.lost += 1
                await asyncio.sleep(RECONNECT_S)
        await asked(http, "POST", f"/api/v1/bot/{self.id}/leave_call/")
        await asyncio.wait([listening], timeout=ENDED_S)
        await cancelled(listening)

    async def _stream(self, began_s: float, began_at: float) -> None:
        """Over one connection, from where it is by now: bots keep nothing of what they could not send."""
        async with connect(self._url, **OPTIONS) as socket:
            refusals = asyncio.create_task(self._count_refusals(socket))
            try:
                await self._send(socket, began_s, began_at)
                self._is_sent = True
            finally:
                await cancelled(refusals)

    async def _send(self, socket: ClientConnection, began_s: float, began_at: float) -> None:
        size = round(PIECE_S * SAMPLE_RATE_HZ) * BYTES_PER_SAMPLE
        first = int((time.monotonic() - began_s) / PIECE_S) if self.lost else 0
        for at in range(first * size, len(self._sounds[0]), size):
            start_s = at / BYTES_PER_SAMPLE / SAMPLE_RATE_HZ
            due_s = began_s + start_s + PIECE_S
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            for who, sound in zip(self._people, self._sounds, strict=True):
                piece = Sound(who, sound[at : at + size], SAMPLE_RATE_HZ, Moment(start_s, began_at + start_s))
                message = written(piece, Dialect.RECALL)
                assert message is not None
                self.late_ms.append((time.monotonic() - due_s) * 1000)
                await socket.send(message)

    async def _listen(self) -> None:
        after = 0
        while True:
            with suppress(ConnectionClosed, TimeoutError):
                async with connect(f"{self._events}?after={after}", **OPTIONS) as events:
                    async for text in events:
                        message = json.loads(text)
                        after = message.get("seq", after)
                        if message["type"] == "transcription" and (heard := self.heard.get(message["data"]["speaker"])):
                            heard.take(message, time.monotonic())
                        elif message["type"] == "status" and message["data"]["state"] in ("ended", "failed"):
                            return

    async def _count_refusals(self, socket: ClientConnection) -> None:
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "error":
                self.refused[f"{message['data']['code']}: {message['data']['message']}"] += 1

    async def documents(self, http: httpx.AsyncClient) -> tuple[float, int]:
        """How many ms the four took, one after the other, and how many words of the transcript's are not as said: NaN
        and none while the recording is not done."""
        recording = await asked(http, "GET", f"/api/v1/recording/{self.recording_id}/")
        said: list[dict[str, Any]] = []
        if recording["status"]["code"] != "done":
            return float("nan"), 0
        began_s = time.monotonic()
        for media, name in DOCUMENTS:
            said = await asked(http, "GET", recording["media_shortcuts"][media]["data"][name])
        took_ms = (time.monotonic() - began_s) * 1000
        for who, heard in self.heard.items():
            heard.finals = [
                word["text"] for each in said if each["participant"]["name"] == who for word in each["words"]
            ]
        return took_ms, sum(map(wrong, self.heard.values()))


async def asked(http: httpx.AsyncClient, method: str, path: str) -> Any:
    """The answer's JSON. A server that has too much to do is asked again, for a while."""
    until_s = time.monotonic() + ENDED_S
    while (answer := await http.request(method, path)).status_code == 503 and time.monotonic() < until_s:  # noqa: ASYNC110
        await asyncio.sleep(1.0)
    return answer.raise_for_status().json()


async def cancelled(task: asyncio.Task[None]) -> None:
    """What it raised is raised, unless its connection was lost."""
    task.cancel()
    with suppress(asyncio.CancelledError, ConnectionClosed):
        await task


async def measure(figures: Figures, *, counts: Sequence[int], seconds: float) -> None:
    """The same with more and more bots, each time on a server of its own; the figures are those with the most."""
    rows: list[dict[str, float]] = []
    for count in counts:
        found = Figures("bots", "")
        await at_once(found, count=count, seconds=seconds)
        figures.notes += found.notes
        rows.append(found.values | {"kept_up": _kept_up(found)})
        print(f"  {count} bots: {found.values['words_wrong']:.0f} words wrong", flush=True)
    figures.add(**found.values)
    figures.add(bots_kept_up_with=max((row["bots"] for row in rows if row["kept_up"]), default=0))
    figures.notes += [
        "Bots come one after the other, and are measured while all are there. Each sends the sound of each participant "
        "in ten pieces a second, silence as well, and each says a sentence every four seconds; each recording "
        "has a reader. The figures are those of the most bots.",
        "What a stream costs is that of the time while all are there; how many a core is, is by all from the first "
        "connection to the last final: where the server falls behind, work is left for later.",
        "Kept up: no word wrong, no message refused, no connection lost, and 95 % of the words told within a second of "
        "their end.",
        "sessions_max is the number of participants, and admission_busy_max is 0, so that nobody is sent away.",
    ]
    figures.tables["curve"] = list(rows)


def _kept_up(found: Figures) -> bool:
    names = ("words_wrong", "document_words_wrong", "messages_refused", "connections_lost", "recordings_not_done")
    return not any(found.values[name] for name in names) and found.values["word_to_interim_p95_ms"] <= TOLD_MAX_MS


async def at_once(figures: Figures, *, count: int, seconds: float) -> None:
    pair = cores()
    streams = count * PARTICIPANTS
    node = Node("scripted", pair[0] if pair else None, sessions_max=streams)
    async with node, node.http() as http:
        before_mb = sum(node.resident_mb())
        bots = []
        for number in range(count):
            offsets_s = [SENTENCE_EVERY_S * (number + each * count) / streams for each in range(PARTICIPANTS)]
            registered = (await http.post("/api/v1/bot/", json={"bot_name": "bench"})).raise_for_status().json()
            talks = [talk(seconds + COME_EVERY_S * (count - number), offset_s) for offset_s in offsets_s]
            bots.append(Bot(node.url, registered, talks))
        cost, busy, began_s = node.cost(), busy_s(pair[0]) if pair else 0.0, time.monotonic()
        running = [asyncio.create_task(_delayed(bot, http, COME_EVERY_S * at)) for at, bot in enumerate(bots)]
        figures.add(bots=count, participants_each=PARTICIPANTS, seconds=seconds)
        await asyncio.sleep(COME_EVERY_S * count)
        await watch(figures, node, http, count=streams, seconds=seconds)
        server_mb, inference_mb = node.resident_mb()
        await asyncio.gather(*running)
        cost_after, busy_after = node.cost(), busy_s(pair[0]) if pair else 0.0
        took_s = time.monotonic() - began_s
        add_words(figures, [heard for bot in bots for heard in bot.heard.values()])
        documents = [await bot.documents(http) for bot in bots]
    if cost is not None and cost_after is not None:
        spent = cost_after.since(cost)
        sound_s = sum(bot.sound_s for bot in bots)
        node_s = spent.server_s + spent.worker_s
        figures.add(
            streams_per_core=sound_s / node_s, core_of_others_percent=(busy_after - busy - node_s) / took_s * 100
        )
    for why, times in sum((bot.refused for bot in bots), Counter()).items():
        figures.notes.append(f"With {count} bots {times} messages were refused: {why}.")
    took_ms = [each for each, _ in documents if not math.isnan(each)]
    figures.add(
        connections_lost=sum(bot.lost for bot in bots),
        messages_refused=sum(bot.refused.total() for bot in bots),
        document_words_wrong=sum(count for _, count in documents),
        recordings_not_done=len(documents) - len(took_ms),
        documents_p50_ms=percentile(took_ms, 50),
        documents_p95_ms=percentile(took_ms, 95),
        load_late_p99_ms=percentile([ms for bot in bots for ms in bot.late_ms], 99),
        memory_mb=server_mb,
        inference_memory_mb=inference_mb,
        mb_per_stream=(server_mb + inference_mb - before_mb) / streams,
    )


async def _delayed(bot: Bot, http: httpx.AsyncClient, delay_s: float) -> None:
    await asyncio.sleep(delay_s)
    await bot.run(http)
