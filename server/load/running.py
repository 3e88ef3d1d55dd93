"""A load from its beginning to its end: one alone, then all of them, then what became of each."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import httpx

from media.webrtc.udp_ports import UdpPorts, UdpSettings
from protocol.blocks import SAMPLE_RATE_HZ
from server.commands.addresses import Ways
from server.commands.failure import CommandFailed
from server.load.listener import Listener
from server.load.plan import Plan
from server.load.rest import CallFailed, Rest
from server.load.socket_talk import SocketTalk
from server.load.sound import PAUSE_SAMPLES
from server.load.talk import Talk
from server.load.tally import LOSSY_MAX, Tally
from server.load.uploading import as_wav, upload, uploaded
from server.load.webrtc_talk import WebRtcTalk, encoded
from server.load.words import Loss, by_round, compare

NAME = "earshot load"
WATCH_S = 0.05
LEAST_MISSING_S = 0.15  # of sound: a frame and what rounding takes


@dataclass
class Load:
    """One run of a plan. ``expected``: the words of a round by kind, from the text or from whoever spoke alone."""

    plan: Plan
    http: httpx.AsyncClient
    tally: Tally = field(default_factory=Tally)
    alone: Tally = field(default_factory=Tally)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    stage: str = ""
    expected: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.began_s = time.monotonic()
        self._rest = Rest(self.http, self.tally)
        self._made: list[tuple[Ways, str]] = []
        self._talks: list[Talk] = []
        self._ports: UdpPorts | None = None
        self._packets: list[bytes] = []
        self._wav = b""

    async def run(self) -> None:
        """Raises ``CommandFailed`` when there is nothing to compare with. What was made on the server is deleted."""
        try:
            await self._prepare()
            if not self.stop.is_set():
                await self._all()
        finally:
            if not self.plan.keep:
                self.stage = "deleting"
                await self._delete()
            if self._ports is not None:
                self._ports.close()

    async def _prepare(self) -> None:
        plan = self.plan
        if plan.webrtc:
            self._ports = UdpPorts.open(UdpSettings(loopback=True))
            self._packets = await asyncio.to_thread(encoded, plan.sound)
        if plan.uploads:
            self._wav = await asyncio.to_thread(as_wav, plan.sound)
        for kind in plan.kinds:
            self.stage = f"one {kind} alone"
            words = list(plan.sound.text) if plan.has_words else await self._alone(kind)
            if self.stop.is_set():
                return
            if not words:
                raise CommandFailed(
                    "The server understood no word of the sound when it had nothing else to do: a loss could not be "
                    "told. Name another with --sound."
                )
            self.expected[kind] = words

    async def _alone(self, kind: str) -> list[str]:
        """What is understood of a round by a server that has nothing else to do."""
        ways, rest = self.plan.ways(0), Rest(self.http, self.alone)
        try:
            transcript_id = await rest.create(ways, f"{NAME}: one alone", 30.0)
            self._made.append((ways, transcript_id))
            if kind == "file":
                return await upload(rest, ways, transcript_id, self._wav, 30.0)
            talk = self._talk(kind, 0, transcript_id, 1, self.alone, time.monotonic() + 30.0 + self.plan.sound.round_s)
            await self._speak(talk, ways)
            if talk.failure and not self.stop.is_set():
                codes = ", ".join(self.alone.refused.by_code | self.alone.errors.by_code)
                raise CommandFailed(f"One session alone did not come to its end: {talk.failure} ({codes}).")
            await rest.settled(ways, transcript_id)
            told = [(text, at_s) for text, at_s, _ in await rest.words(ways, transcript_id)]
        except CallFailed as failed:
            raise CommandFailed(f"The server at {ways.now} does not take a session ({failed.code}).") from None
        finally:
            self._talks.clear()
        return by_round(told, self.plan.sound.round_s, 1, PAUSE_SAMPLES / SAMPLE_RATE_HZ)[0]

    async def _all(self) -> None:
        plan = self.plan
        self.stage, self.began_s = "load", time.monotonic()
        self.tally.asked = plan.sessions
        uploading = [asyncio.create_task(self._upload(number)) for number in range(plan.uploads)]
        tasks = [asyncio.create_task(self._session(number)) for number in range(plan.sessions)]
        beside = [asyncio.create_task(each) for each in (self._watch(), self._stopped(uploading))]
        try:
            await asyncio.gather(*tasks)
            for done in await asyncio.gather(*uploading, return_exceptions=True):
                if isinstance(done, Exception):
                    raise done
        finally:
            for task in (*tasks, *uploading, *beside):
                task.cancel()
            await asyncio.gather(*tasks, *uploading, *beside, return_exceptions=True)

    async def _session(self, number: int) -> None:
        plan, rest, tally = self.plan, self._rest, self.tally
        begins_s = plan.ramp_s * number / plan.sessions
        if not await self._begins(begins_s):
            return
        ways = plan.ways(number)
        ends_s = self.began_s + begins_s + plan.rounds * plan.sound.round_s
        try:
            transcript_id = await rest.create(ways, f"{NAME} {number + 1}", max(ends_s - time.monotonic(), 1.0))
        except CallFailed as failed:
            tally.without_place += 1
            tally.unanswered += not failed.is_refusal
            return
        self._made.append((ways, transcript_id))
        talk = self._talk(plan.kind_of(number), number, transcript_id, plan.rounds, tally, ends_s)
        listeners = [
            Listener(plan.ways(each), talk, tally) for each in range(number, plan.listeners, max(plan.sessions, 1))
        ]
        tally.listeners += len(listeners)
        try:
            await self._speak(talk, ways)
            if talk.began_s is not None:
                await self._judge(talk, ways, listeners)
        finally:
            for listener in listeners:
                await listener.close()

    async def _judge(self, talk: Talk, ways: Ways, listeners: list[Listener]) -> None:
        """What became of it, as the server has it now."""
        tally, sound, rest = self.tally, self.plan.sound, self._rest
        try:
            record = await rest.settled(ways, talk.transcript_id)
            words = [(text, at_s) for text, at_s, _ in await rest.words(ways, talk.transcript_id)]
        except CallFailed:
            tally.unread += 1
            return
        await asyncio.gather(*(listener.finish(int(record["data"]["last_seq"])) for listener in listeners))
        said = by_round(words, sound.round_s, talk.rounds, PAUSE_SAMPLES / SAMPLE_RATE_HZ)
        # Of somebody who was stopped by hand only what was said to its end; of others all that they should have said.
        rounds = talk.whole_rounds if self.stop.is_set() else talk.rounds
        loss = Loss()
        for got in said[:rounds]:
            loss += compare(self.expected[talk.kind], got)
        tally.words += loss
        missing_s = 0.0
        if isinstance(talk, SocketTalk):
            missing_s = talk.sent_samples / SAMPLE_RATE_HZ - float(record["data"]["duration"])
            missing_s = missing_s if missing_s > LEAST_MISSING_S else 0.0
        tally.sound_missing_s += missing_s
        if (loss.is_any or missing_s) and len(tally.lossy) < LOSSY_MAX:
            tally.lossy.append(talk.transcript_id)

    async def _upload(self, number: int) -> None:
        plan, tally = self.plan, self.tally
        tally.uploads += 1
        if not await self._begins(plan.length_s * number / plan.uploads):
            return
        ways = plan.ways(number)
        try:
            transcript_id = await self._rest.create(ways, f"{NAME}: file {number + 1}", plan.length_s)
        except CallFailed as failed:
            tally.uploads_refused += failed.is_refusal
            tally.uploads_failed += not failed.is_refusal
            return
        self._made.append((ways, transcript_id))
        await uploaded(self._rest, ways, transcript_id, self._wav, self.expected["file"], tally, plan.length_s)

    def _talk(self, kind: str, number: int, transcript_id: str, rounds: int, tally: Tally, ends_s: float) -> Talk:
        make = WebRtcTalk if kind == "webrtc" else SocketTalk
        talk = make(number, transcript_id, self.plan.sound, rounds, tally, ends_s)
        self._talks.append(talk)
        if self.stop.is_set():
            talk.stop()
        return talk

    async def _speak(self, talk: Talk, ways: Ways) -> None:
        if isinstance(talk, WebRtcTalk):
            assert self._ports is not None
            await talk.speak(ways, self._rest, self._ports, self._packets)
        elif isinstance(talk, SocketTalk):
            await talk.speak(ways)

    async def _begins(self, after_s: float) -> bool:
        """Wait for its turn; False when everybody was asked to stop before."""
        try:
            async with asyncio.timeout(max(self.began_s + after_s - time.monotonic(), 0.0)):
                await self.stop.wait()
        except TimeoutError:
            return True
        return False

    def interrupt(self) -> None:
        """Everybody stops, and what was said is still understood. Idempotent."""
        self.stop.set()
        for talk in self._talks:
            talk.stop()

    async def _stopped(self, uploading: list[asyncio.Task[None]]) -> None:
        await self.stop.wait()
        for task in uploading:
            task.cancel()

    async def _watch(self) -> None:
        """How late this process wakes: what it adds to every other figure."""
        while True:
            due_s = time.monotonic() + WATCH_S
            await asyncio.sleep(WATCH_S)
            self.tally.own_late.add(time.monotonic() - due_s)

    async def _delete(self) -> None:
        done = await asyncio.gather(
            *(self._rest.delete(ways, transcript_id) for ways, transcript_id in self._made), return_exceptions=True
        )
        self.tally.left += sum(isinstance(each, CallFailed) for each in done)
