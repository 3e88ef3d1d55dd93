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
    def __init__(self, services: Services, transcript_id: str, name: str, pcm: bytes) -> None:
        self.client = RtcClient(pcm)
        self.ear = Ear(self.client.pc)
        self.described: Described | None = None
        self._services = services
        self._transcript_id = transcript_id
        self._name = name

    async def join(self, *, relay: UdpRelay | None = None, resume: str | None = None) -> None:
        exchange = relay.between(self._exchange) if relay is not None else self._exchange
        self._resume = resume
        await self.client.connect(exchange)

    async def _exchange(self, sdp: str, type_: str) -> tuple[str, str]:
        options = SourceOptions(track=self._name, speaker=self._name)
        self.described = await self._services.peers.answer(
            self._transcript_id, sdp, type_, options, resume_token=self._resume, room="room"
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

    def participant(self, name: str, pcm: bytes) -> Participant:
        made = Participant(self.services, self.transcript_id, name, pcm)
        self.stack.push_async_callback(made.leave)
        return made

    async def joined(
        self, name: str, pcm: bytes, *, relay: UdpRelay | None = None, resume: str | None = None
    ) -> Participant:
        made = self.participant(name, pcm)
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
