"""Rooms over loopback: participants with a tone each hear the others, and never themselves."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path

import av
import pytest
import structlog

from media import mixed_streams
from media.mixer import FRAME_BYTES, FRAME_SAMPLES
from protocol.blocks import BYTES_PER_SAMPLE, Block
from server.live import SourceOptions
from server.metrics import Metrics
from server.peer_source import Described
from server.room_sounds import RoomMember, RoomSounds
from server.services import Services
from tests.fakes.node import running_services
from tests.net.ear import Ear, level, tone
from tests.net.relay import UdpRelay
from tests.net.rtc_client import RtcClient

TONES_HZ = (400.0, 700.0, 1100.0)
LONG_S = 120.0
SILENT = 0.1  # a voice is 1; each packet that is late or lost leaves a little of every tone


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with running_services(tmp_path) as services:
        yield services


class Participant:
    def __init__(self, services: Services, transcript_id: str, name: str, pcm: bytes, room: str) -> None:
        self.client = RtcClient(pcm)
        self.ear = Ear(self.client.pc)
        self.described: Described | None = None
        self._services = services
        self._transcript_id = transcript_id
        self._name = name
        self._room = room
        self._resume: str | None = None
        self.direction = "sendrecv"

    async def join(self, *, relay: UdpRelay | None = None, resume: str | None = None) -> None:
        exchange = relay.between(self._exchange) if relay is not None else self._exchange
        self._resume = resume
        await self.client.connect(exchange)

    async def _exchange(self, sdp: str, type_: str) -> tuple[str, str]:
        options = SourceOptions(track=self._name, speaker=self._name)
        self.described = await self._services.peers.answer(
            self._transcript_id,
            sdp.replace("a=sendrecv", f"a={self.direction}"),
            type_,
            options,
            resume_token=self._resume,
            room=self._room,
        )
        return self.described.sdp, self.described.type

    async def leave(self) -> None:
        await self.ear.close()
        await self.client.close()


class Meeting:
    def __init__(self, services: Services, transcript_id: str, stack: AsyncExitStack) -> None:
        self.services = services
        self.transcript_id = transcript_id
        self.stack = stack

    async def joined(
        self,
        name: str,
        pcm: bytes,
        *,
        relay: UdpRelay | None = None,
        resume: str | None = None,
        room: str = "room",
        direction: str = "sendrecv",
    ) -> Participant:
        made = Participant(self.services, self.transcript_id, name, pcm, room)
        self.stack.push_async_callback(made.leave)
        made.direction = direction
        await made.join(relay=relay, resume=resume)
        return made


@asynccontextmanager
async def meeting(services: Services) -> AsyncIterator[Meeting]:
    async with AsyncExitStack() as stack:
        yield Meeting(services, (await services.store.create_transcript(name="room")).id, stack)


async def test_two_hear_each_other_and_never_themselves(services: Services) -> None:
    async with meeting(services) as room:
        ada = await room.joined("ada", tone(TONES_HZ[0], LONG_S))
        bob = await room.joined("bob", tone(TONES_HZ[1], LONG_S))
        await asyncio.gather(ada.ear.until_hears(TONES_HZ[1]), bob.ear.until_hears(TONES_HZ[0]))
        assert level(ada.ear.heard, TONES_HZ[0]) < SILENT
        assert level(bob.ear.heard, TONES_HZ[1]) < SILENT


async def test_three_with_loss_one_late_one_gone_one_muted(services: Services) -> None:
    """Through a network that loses one packet of twenty, both ways."""
    async with meeting(services) as room, UdpRelay(seed=4) as relay, UdpRelay(seed=5) as other:
        ada = await room.joined("ada", tone(TONES_HZ[0], LONG_S), relay=relay)
        bob = await room.joined("bob", tone(TONES_HZ[1], LONG_S), relay=other)
        with relay.both(loss=0.05), other.both(loss=0.05):
            await asyncio.gather(ada.ear.until_hears(TONES_HZ[1]), bob.ear.until_hears(TONES_HZ[0]))
            assert level(ada.ear.heard, TONES_HZ[2]) < SILENT
            cleo = await room.joined("cleo", tone(TONES_HZ[2], LONG_S))  # late
            await asyncio.gather(
                ada.ear.until_hears(TONES_HZ[1], TONES_HZ[2]),
                bob.ear.until_hears(TONES_HZ[0], TONES_HZ[2]),
                cleo.ear.until_hears(TONES_HZ[0], TONES_HZ[1]),
            )
            bob.client.send('{"cmd":"PAUSE"}')  # mute
            await asyncio.gather(ada.ear.until_quiet(TONES_HZ[1]), cleo.ear.until_quiet(TONES_HZ[1]))
            await bob.ear.until_hears(TONES_HZ[0], TONES_HZ[2])
            bob.client.send('{"cmd":"RESUME"}')
            await cleo.ear.until_hears(TONES_HZ[0], TONES_HZ[1])
            await ada.leave()
            await asyncio.gather(bob.ear.until_quiet(TONES_HZ[0]), cleo.ear.until_quiet(TONES_HZ[0]))
            await asyncio.gather(bob.ear.until_hears(TONES_HZ[2]), cleo.ear.until_hears(TONES_HZ[1]))
        for each, own_hz in zip((ada, bob, cleo), TONES_HZ, strict=True):
            assert level(each.ear.heard, own_hz) < SILENT


async def test_who_comes_back_has_the_same_track_and_hears_again(services: Services) -> None:
    async with meeting(services) as room:
        ada = await room.joined("ada", tone(TONES_HZ[0], LONG_S))
        bob = await room.joined("bob", tone(TONES_HZ[1], LONG_S))
        await ada.ear.until_hears(TONES_HZ[1])
        bob.client.vanish()  # the server does not know yet
        assert bob.described is not None
        again = await room.joined("bob", tone(TONES_HZ[2], LONG_S), resume=bob.described.resume_token)
        await asyncio.gather(again.ear.until_hears(TONES_HZ[0]), ada.ear.until_hears(TONES_HZ[2]))
        await ada.ear.until_quiet(TONES_HZ[1])
        assert level(again.ear.heard, TONES_HZ[1]) < SILENT, "nor what they said before"
        assert services.peers.sounds.members == 2
        assert again.described is not None
        assert again.described.session_id == bob.described.session_id
    names = [track.name for track in await services.store.tracks_of(room.transcript_id)]
    assert sorted(names) == ["ada", "bob"]


async def test_rooms_do_not_hear_each_other_and_are_gone_with_the_last(services: Services) -> None:
    sounds = services.peers.sounds
    async with meeting(services) as room:
        ada = await room.joined("ada", tone(TONES_HZ[0], LONG_S))
        bob = await room.joined("bob", tone(TONES_HZ[1], LONG_S), room="another")
        cleo = await room.joined("cleo", tone(TONES_HZ[2], LONG_S))
        assert (sounds.rooms, sounds.members) == (2, 3)
        await asyncio.gather(ada.ear.until_hears(TONES_HZ[2]), cleo.ear.until_hears(TONES_HZ[0]))
        assert level(bob.ear.heard, TONES_HZ[0]) < SILENT
        assert level(bob.ear.heard, TONES_HZ[2]) < SILENT
        for each in (ada, bob, cleo):
            await each.leave()
        async with asyncio.timeout(60):
            await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "room sound"))
    assert (sounds.rooms, sounds.members) == (0, 0)


async def test_who_only_listens_hears_the_others(services: Services) -> None:
    async with meeting(services) as room:
        ada = await room.joined("ada", tone(TONES_HZ[0], LONG_S))
        guest = await room.joined("guest", tone(TONES_HZ[1], LONG_S), direction="recvonly")
        await guest.ear.until_hears(TONES_HZ[0])
        assert level(ada.ear.heard, TONES_HZ[1]) < SILENT


class Listener:
    """A member without a connection: what it is told to hear."""

    def __init__(self, sounds: RoomSounds, name: str, room: str = "room") -> None:
        self.heard: list[tuple[bytes | None, int]] = []
        self.replaced = 0
        self.fails = False
        self._changed = asyncio.Event()
        self.member = RoomMember(sounds, room, name, self._speak, self._on_replaced)
        self.member.join()

    def say(self, pcm: bytes) -> None:
        for at in range(0, len(pcm), FRAME_BYTES):
            self.member.hear(Block(at // BYTES_PER_SAMPLE, pcm[at : at + FRAME_BYTES]))

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not true():
                self._changed.clear()
                await self._changed.wait()

    @property
    def packets(self) -> list[bytes]:
        return [packet for packet, _ in self.heard if packet is not None]

    def _speak(self, packet: bytes | None, at_samples: int) -> None:
        if self.fails:
            raise RuntimeError("as a bug would")
        self.heard.append((packet, at_samples))
        self._changed.set()

    def _on_replaced(self) -> None:
        self.replaced += 1


@pytest.fixture
async def sounds() -> AsyncIterator[RoomSounds]:
    made = RoomSounds(Metrics())
    yield made
    await made.stop()
    assert not any(thread.name.startswith("room-sound") for thread in threading.enumerate())
    assert not any(task.get_name() == "room sound" for task in asyncio.all_tasks())
    await made.stop()


async def test_a_member_that_cannot_be_told_is_out_and_the_others_go_on(sounds: RoomSounds) -> None:
    ada, bob, cleo = (Listener(sounds, name) for name in ("ada", "bob", "cleo"))
    bob.fails = True
    ada.say(tone(300, 0.1))
    await cleo.until(lambda: len(cleo.packets) > 3)
    assert sounds.members == 2
    assert not ada.packets
    assert not bob.heard


async def test_a_room_that_fails_takes_no_other_with_it(sounds: RoomSounds, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, whole = Listener(sounds, "ada", "broken"), Listener(sounds, "bob", "whole")
    room = sounds._rooms["broken"]
    monkeypatch.setattr(room.mixer, "mix", lambda: 1 / 0)
    heard = len(whole.heard)
    await whole.until(lambda: len(whole.heard) > heard + 2)
    assert sounds.rooms == 1
    broken.member.leave()
    again = Listener(sounds, "ada", "broken")
    await again.until(lambda: bool(again.heard))


class BrokenEncoder:
    """As FFmpeg's may break: with an error that is no OSError."""

    def __init__(self) -> None:
        self.failed = 0

    def encode(self, frame: bytes) -> bytes:
        self.failed += 1
        raise av.ExternalError(1, "broken")

    def reset(self) -> None:
        """Nothing changes."""


async def test_an_encoder_that_fails_is_that_room_s_alone_and_told_once(
    sounds: RoomSounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = BrokenEncoder()
    with monkeypatch.context() as patched, structlog.testing.capture_logs() as logs:
        patched.setattr(mixed_streams, "open_encoder", lambda: broken)
        speaker, listener = Listener(sounds, "ada", "broken"), Listener(sounds, "bob", "broken")
        speaker.say(tone(300, 0.5))
        await listener.until(lambda: broken.failed > 3)
        patched.undo()
        other, hears = Listener(sounds, "ada", "whole"), Listener(sounds, "bob", "whole")
        other.say(tone(300, 0.5))
        await hears.until(lambda: bool(hears.packets and hears.packets[-1]))
    assert [line["event"] for line in logs] == ["a room lost sound"]
    assert sounds._metrics.registry.get_sample_value("earshot_room_sounds_failed_total") == 1
    assert sounds.members == 4


async def test_who_joins_again_takes_the_place_of_the_one_before(sounds: RoomSounds) -> None:
    before, other = Listener(sounds, "ada"), Listener(sounds, "bob")
    after = Listener(sounds, "ada")
    assert (before.replaced, sounds.members) == (1, 2)
    before.say(tone(300, 0.1))  # a dead connection's last words
    before.member.leave()
    heard = len(after.heard)
    await after.until(lambda: len(after.heard) > heard + 10)
    assert not other.packets
    assert sounds.members == 2


async def test_nothing_joins_that_left_before_it_came(sounds: RoomSounds) -> None:
    member = RoomMember(sounds, "room", "ada", lambda packet, at_samples: None, lambda: None)
    member.leave()
    member.join()
    RoomMember(sounds, None, "bob", lambda packet, at_samples: None, lambda: None).join()
    assert (sounds.rooms, sounds.members) == (0, 0)


def hold_the_loop() -> None:
    """As nothing should do."""
    time.sleep(0.5)


async def test_a_loop_that_was_busy_is_caught_up_with_in_the_room_s_time(sounds: RoomSounds) -> None:
    ada = Listener(sounds, "ada")
    await ada.until(lambda: len(ada.heard) > 3)
    hold_the_loop()
    heard = len(ada.heard)
    await ada.until(lambda: len(ada.heard) > heard + 3)
    times = [at_samples for _, at_samples in ada.heard]
    assert max(after - before for before, after in pairwise(times)) > 15 * FRAME_SAMPLES, "what was missed is left out"
    assert times == sorted(set(times))
    missed = sounds._metrics.registry.get_sample_value("earshot_room_ticks_missed_total")
    assert missed is not None
    assert missed > 15
