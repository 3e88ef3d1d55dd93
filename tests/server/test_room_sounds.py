"""Rooms over loopback: participants with a tone each hear the others, and never themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from server.live import SourceOptions
from server.peers import Described
from server.services import Services
from tests.fakes.node import running_services
from tests.net.ear import Ear, level, tone
from tests.net.relay import UdpRelay
from tests.net.rtc_client import RtcClient

TONES_HZ = (400.0, 700.0, 1100.0)
LONG_S = 60.0


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

    async def join(self, *, relay: UdpRelay | None = None, resume: str | None = None) -> None:
        exchange = relay.between(self._exchange) if relay is not None else self._exchange
        self._resume = resume
        await self.client.connect(exchange)

    async def _exchange(self, sdp: str, type_: str) -> tuple[str, str]:
        options = SourceOptions(track=self._name, speaker=self._name)
        self.described = await self._services.peers.answer(
            self._transcript_id, sdp, type_, options, resume_token=self._resume, room=self._room
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
        self, name: str, pcm: bytes, *, relay: UdpRelay | None = None, resume: str | None = None, room: str = "room"
    ) -> Participant:
        made = Participant(self.services, self.transcript_id, name, pcm, room)
        self.stack.push_async_callback(made.leave)
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
        assert level(ada.ear.heard, TONES_HZ[0]) < 0.01
        assert level(bob.ear.heard, TONES_HZ[1]) < 0.01


async def test_three_with_loss_one_late_one_gone_one_muted(services: Services) -> None:
    """Through a network that loses one packet of twenty, both ways."""
    async with meeting(services) as room, UdpRelay(seed=4) as relay, UdpRelay(seed=5) as other:
        ada = await room.joined("ada", tone(TONES_HZ[0], LONG_S), relay=relay)
        bob = await room.joined("bob", tone(TONES_HZ[1], LONG_S), relay=other)
        with relay.both(loss=0.05), other.both(loss=0.05):
            await asyncio.gather(ada.ear.until_hears(TONES_HZ[1]), bob.ear.until_hears(TONES_HZ[0]))
            assert level(ada.ear.heard, TONES_HZ[2]) < 0.01
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
            assert level(each.ear.heard, own_hz) < 0.02


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
        assert level(again.ear.heard, TONES_HZ[1]) < 0.01, "nor what they said before"
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
        assert level(bob.ear.heard, TONES_HZ[0]) < 0.01
        assert level(bob.ear.heard, TONES_HZ[2]) < 0.01
        for each in (ada, bob, cleo):
            await each.leave()
        async with asyncio.timeout(10):
            await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "room sound"))
    assert (sounds.rooms, sounds.members) == (0, 0)
