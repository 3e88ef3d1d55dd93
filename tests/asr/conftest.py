"""A client with the fake worker, and a listener that keeps what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

import asr.child
from asr.client import AsrClient, AsrSession, WorkerSettings
from asr.contract import SessionOptions
from asr.known_voices import KnownVoices
from asr.watch import Backoff
from asr.wire import VoicePrints
from protocol.blocks import Block
from protocol.words import Segment
from tests.fakes.warm_workers import WarmWorkers
from tests.fakes.worker import command

WAIT_S = 60.0  # a process starts slowly on a machine full of other tests


@pytest.fixture
def real_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that look at the start of the process itself."""
    monkeypatch.setattr(asr.child, "run", WarmWorkers.cold)


class WordsHeard:
    """What one session told, in order, to a listener that wants no voice prints."""

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self.lags_ms: list[int] = []
        self.settled: list[int] = []
        self.states: list[str] = []
        self.gave_up: list[tuple[int, int]] = []
        self._told = asyncio.Event()

    def on_segment(self, segment: Segment, lag_ms: int) -> None:
        self.segments.append(segment)
        self.lags_ms.append(lag_ms)
        self._told.set()

    def on_settled(self, samples: int) -> None:
        self.settled.append(samples)
        self._told.set()

    def on_engine_state(self, state: str) -> None:
        self.states.append(state)
        self._told.set()

    def on_gave_up(self, start_samples: int, end_samples: int, message: str) -> None:
        self.gave_up.append((start_samples, end_samples))
        self._told.set()

    @property
    def finals(self) -> list[Segment]:
        return [segment for segment in self.segments if segment.is_final]

    @property
    def text(self) -> str:
        return " ".join(segment.text for segment in self.finals)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what was told fulfils the condition."""
        async with asyncio.timeout(WAIT_S):
            while not condition():
                self._told.clear()
                await self._told.wait()


class Heard(WordsHeard):
    """And to one that does."""

    def __init__(self) -> None:
        super().__init__()
        self.prints: list[VoicePrints] = []
        self.segments_before_prints: list[int] = []

    def on_prints(self, prints: VoicePrints) -> None:
        self.prints.append(prints)
        self.segments_before_prints.append(len(self.segments))


def nothing_recorded(start_samples: int, end_samples: int) -> Iterator[Block]:
    assert start_samples == end_samples, "everything should be in memory"
    return iter(())


def settings(**changes: float) -> WorkerSettings:
    return WorkerSettings(**{"engine": "fake", "start_deadline_s": 20.0, "step_deadline_s": 10.0, **changes})  # type: ignore[arg-type]


MakeClient = Callable[..., Awaitable[AsrClient]]


@pytest.fixture
async def make_client(tmp_path: Path) -> AsyncIterator[MakeClient]:
    """Start a client with the fake worker; ``options`` go to the worker, the rest are its settings."""
    clients: list[AsrClient] = []

    async def make(*options: str, **changes: float) -> AsrClient:
        client = AsrClient(
            settings(**changes),
            command=command("--state", str(tmp_path / "starts"), *options),
            backoff=Backoff(first_s=0.05, cap_s=0.2),
        )
        clients.append(client)
        await client.start()
        return client

    yield make
    for client in clients:
        await client.stop()


def open_session(
    client: AsrClient,
    heard: Heard,
    *,
    start_samples: int = 0,
    options: SessionOptions | None = None,
    voices: KnownVoices | None = None,
) -> AsrSession:
    return client.open(
        track="trk_a",
        start_samples=start_samples,
        options=options or SessionOptions(),
        listener=heard,
        read_back=nothing_recorded,
        voices=voices,
    )


def feed(session: AsrSession, pcm: bytes, *, block_samples: int = 320) -> None:
    """Feed sound that follows what was fed, as 20 ms blocks."""
    start = session.fed_samples
    for at in range(0, len(pcm), 2 * block_samples):
        session.feed(Block(start + at // 2, pcm[at : at + 2 * block_samples]))


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine even a willing process may need longer than the grace."""
    monkeypatch.setattr(asr.child, "GRACE_S", WAIT_S)
