"""A whole node behind its doors, with the scripted engine in a real inference process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from protocol.events import Event, StatusChanged, Transcribed
from protocol.states import TranscriptState
from protocol.wire.stream import Control, Start
from protocol.words import Segment
from server.services import Services
from server.settings import Settings
from server.speaking import SpeakingSession
from tests.fakes.settings import settings_of
from tests.server.databases import lay_sqlite_file

DEADLINE_S = 90.0


def node_settings(data_dir: Path, **options: Any) -> Settings:
    """Settings of a node for tests: scripted engine, one process of it, quick syncs, no reserve of disk."""
    defaults: dict[str, Any] = {
        "data_dir": data_dir,
        "engine": "scripted",
        "engine_workers": 1,
        "record_sync_interval_ms": 100,
        "record_write_interval_ms": 20,
        "disk_reserve_mb": 0,
        "utterance_silence_ms": 300,
        "resume_grace_s": 30,
    }
    return settings_of(**(defaults | options))


@asynccontextmanager
async def running_services(data_dir: Path, **options: Any) -> AsyncIterator[Services]:
    lay_sqlite_file(data_dir / "earshot.db")
    services = await Services.start(node_settings(data_dir, **options))
    try:
        yield services
    finally:
        await services.stop()


class Client:
    """The client's end of one speaking socket, without a socket."""

    def __init__(self, services: Services, transcript_id: str) -> None:
        self.services = services
        self.transcript_id = transcript_id
        self.messages: list[dict[str, Any]] = []
        self._heard = asyncio.Event()
        self.speaking: SpeakingSession | None = None

    async def begin(self, *, comes_back: bool = True, **start: Any) -> SpeakingSession:
        hub, settings = self.services.hub, self.services.settings
        self.speaking = await SpeakingSession.begin(
            hub, settings, self.transcript_id, Start(**start), self._hear, comes_back=comes_back
        )
        return self.speaking

    def _hear(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        self._heard.set()

    def of(self, type_: str) -> list[dict[str, Any]]:
        return [message["data"] for message in self.messages if message["type"] == type_]

    async def wait_for(self, ready: Callable[[Client], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not ready(self):
                self._heard.clear()
                await self._heard.wait()

    async def say(self, pcm: bytes, *, message_bytes: int = 6400) -> None:
        assert self.speaking is not None
        for at in range(0, len(pcm), message_bytes):
            await self.speaking.audio(pcm[at : at + message_bytes])

    async def control(self, control: Control) -> None:
        assert self.speaking is not None
        await self.speaking.control(control)

    async def stop(self) -> dict[str, Any]:
        assert self.speaking is not None
        async with asyncio.timeout(DEADLINE_S):
            await self.speaking.stop()
        stopped: dict[str, Any] = self.of("stopped")[-1]
        return stopped


async def new_client(services: Services) -> Client:
    transcript = await services.store.create_transcript(name="test")
    return Client(services, transcript.id)


async def events_of(services: Services, transcript_id: str) -> list[Event]:
    return await services.store.events_after(transcript_id, 0, 10_000)


async def finals_of(services: Services, transcript_id: str) -> list[Segment]:
    return [e.body.segment for e in await events_of(services, transcript_id) if isinstance(e.body, Transcribed)]


async def words_of(services: Services, transcript_id: str) -> list[tuple[str, int]]:
    """Every final word and where it starts, in the order of telling."""
    return [
        (word.text, word.start_samples)
        for segment in await finals_of(services, transcript_id)
        for word in segment.words
    ]


async def wait_for_state(services: Services, transcript_id: str, state: TranscriptState) -> None:
    """Read the journal until the transcript stands there."""
    async with (
        asyncio.timeout(DEADLINE_S),
        services.journal.subscribe(transcript_id, after=0, types=frozenset({"status"}), queue_max=1000) as events,
    ):
        async for event in events:
            if isinstance(event, Event) and isinstance(event.body, StatusChanged) and event.body.state is state:
                return


def texts(words: Sequence[tuple[str, int]]) -> str:
    return " ".join(text for text, _ in words)
