"""The bench of the journal: events stored a second, and the same event told to a thousand readers.

Readers are told by the whole server (door, journal, SQLite) and, beside it in the same run, by the bare
``websockets.broadcast``, which stores nothing: each in a process of its own on one core, the readers on another.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

from protocol.events import EventBody
from server.bus import InProcessBus
from server.journal import Journal
from server.store.store import Store
from tests.bench.fan_out_server import WAYS, said
from tests.bench.figures import Figures, percentile
from tests.bench.node import cores
from tests.server.databases import fresh_postgres

APPENDERS = 64  # sessions that each wait for their event to be stored before they tell the next
CONNECTING_AT_ONCE = 50
PACE_S = 0.5
WARM = 4  # tellings that are not counted


async def measure(figures: Figures, *, quick: bool) -> None:
    await _store_events(figures, seconds=3.0 if quick else 15.0)
    readers = 100 if quick else 1000
    figures.add(fan_out_readers=readers)
    for way in WAYS:
        await _fan_out(figures, way, readers=readers, tellings=10 if quick else 40)
    figures.add(
        fan_out_cpu_times_broadcast=figures.values["earshot_us_per_reader"] / figures.values["broadcast_us_per_reader"]
    )
    figures.notes.append(
        f"Events stored: {APPENDERS} sessions tell finals of twelve words, each the next when the last is stored, with "
        "words indexed for the search; the journal and its database are on all cores, in this process (PostgreSQL in "
        "its own)."
    )
    figures.notes.append(
        f"Readers: every {PACE_S} s the same final is told to each, by a process on one core; from its telling to the "
        "last reader that has it. `websockets.broadcast` renders it once and stores nothing."
    )


# Stored.


async def _store_events(figures: Figures, *, seconds: float) -> None:
    with tempfile.TemporaryDirectory(prefix="earshot-bench-") as folder:
        await _rate(figures, f"sqlite+aiosqlite:///{folder}/earshot.db", "sqlite", seconds)
    async with fresh_postgres() as url:
        await _rate(figures, url, "postgresql", seconds)


async def _rate(figures: Figures, url: str, name: str, seconds: float) -> None:
    store = await Store.open(url)
    commits: list[float] = []
    journal = Journal(store, InProcessBus(), commit_interval_s=0.02, on_commit=commits.append)
    journal.start()
    waits: list[float] = []
    transcripts = [(await store.create_transcript()).id for _ in range(APPENDERS)]
    end_s = time.perf_counter() + seconds

    async def tell(transcript_id: str, first: int) -> None:
        number = first
        while (began_s := time.perf_counter()) < end_s:
            body: EventBody = said(number)
            await journal.append(transcript_id, body, patient=True)
            waits.append(time.perf_counter() - began_s)
            number += 1

    await asyncio.gather(*(tell(each, index << 32) for index, each in enumerate(transcripts)))
    await journal.stop()
    await store.close()
    figures.add(
        **{
            f"{name}_events_per_s": len(waits) / seconds,
            f"{name}_append_p50_ms": percentile(waits, 50) * 1000,
            f"{name}_append_p99_ms": percentile(waits, 99) * 1000,
            f"{name}_commit_p50_ms": percentile(commits, 50) * 1000,
        }
    )


# Told.


class _Reader(asyncio.Protocol):
    """A reader that only notes when bytes came: a thousand that read words would be the load, not the server."""

    def __init__(self, path: str, port: int) -> None:
        self.open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.came_s = 0.0
        self._hello = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._hello.encode())

    def data_received(self, data: bytes) -> None:
        self.came_s = time.monotonic()
        if not self.open.done():
            if b" 101 " in data.partition(b"\r\n")[0]:
                self.open.set_result(None)
            else:
                self.open.set_exception(RuntimeError(f"no socket: {data[:80]!r}"))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.open.done():
            self.open.set_exception(exc or RuntimeError("closed"))


async def _fan_out(figures: Figures, way: str, *, readers: int, tellings: int) -> None:
    async with _serving(way) as (port, path, process), _connected(path, port, readers) as others:
        last_s: list[float] = []
        async with connect(f"ws://127.0.0.1:{port}{path}", compression=None, ping_interval=None) as probe:
            before_s = after_s = 0.0
            for number in range(WARM + tellings + 1):
                moment_s = await _next_final(probe)
                if number == WARM:
                    before_s = await _spent_s(process)
                await asyncio.sleep(PACE_S * 0.7)  # they all have it by then, and the next is not told yet
                if number >= WARM and number < WARM + tellings:
                    last_s.append(max(reader.came_s for reader in others) - moment_s)
            after_s = await _spent_s(process)
    figures.add(
        **{
            f"{way}_last_reader_p50_ms": percentile(last_s, 50) * 1000,
            f"{way}_last_reader_p95_ms": percentile(last_s, 95) * 1000,
            f"{way}_us_per_reader": (after_s - before_s) / tellings / (readers + 1) * 1e6,
        }
    )


async def _next_final(probe: Any) -> float:
    """The moment at which the next one was told."""
    while True:
        message = json.loads(await probe.recv())
        if message["type"] == "transcription":
            return float(message["data"]["text"].split()[0])


@asynccontextmanager
async def _serving(way: str) -> AsyncIterator[tuple[int, str, asyncio.subprocess.Process]]:
    pair = cores()
    command = [sys.executable, "-m", "tests.bench.fan_out_server", way, str(pair[0] if pair else -1), str(PACE_S)]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=Path.cwd()
    )
    assert process.stdin is not None
    assert process.stdout is not None
    port, _, path = (await process.stdout.readline()).decode().strip().partition(" ")
    try:
        yield int(port), path, process
    finally:
        process.stdin.close()
        await process.wait()


async def _spent_s(process: asyncio.subprocess.Process) -> float:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"\n")
    return float(await process.stdout.readline())


@asynccontextmanager
async def _connected(path: str, port: int, count: int) -> AsyncIterator[list[_Reader]]:
    loop = asyncio.get_running_loop()
    readers: list[_Reader] = []
    with _many_files(count + 100):
        try:
            for at in range(0, count, CONNECTING_AT_ONCE):
                made = [
                    loop.create_connection(lambda: _Reader(path, port), "127.0.0.1", port)
                    for _ in range(min(CONNECTING_AT_ONCE, count - at))
                ]
                fresh = [reader for _, reader in await asyncio.gather(*made)]
                readers += fresh
                await asyncio.gather(*(reader.open for reader in fresh))
            yield readers
        finally:
            for reader in readers:
                reader.transport.abort()
            await asyncio.sleep(0)


@contextmanager
def _many_files(count: int) -> Any:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))
    yield
