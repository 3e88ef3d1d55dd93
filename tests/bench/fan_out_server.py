"""The serving half of the bench of readers: ``python -m tests.bench.fan_out_server WAY CORE PACE_S``.

Prints its port and the path of its readers, then tells every reader the same every ``PACE_S``, with the moment in it,
and prints its processor time for each line on its standard input. ``earshot`` is the whole server, whose journal stores
each event before it tells it; ``broadcast`` is the bare ``websockets.broadcast``, which stores nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, broadcast, serve

from protocol.events import Event, Transcribed
from protocol.wire import v1
from protocol.words import Segment, Word
from server.logs import set_up_logs
from server.serving import Serving, keep_what_is_there
from tests.fakes.node import node_settings

WAYS = ("earshot", "broadcast")
READERS_MAX = 10_000
WORDS = 12

Tell = Callable[[int], Any]


def said(number: int) -> Transcribed:
    """A final of twelve words; its first word is the moment at which it was said."""
    texts = [f"{time.monotonic():.6f}", *(f"word{each}" for each in range(WORDS - 1))]
    words = tuple(
        Word(text=text, start_samples=16_000 * at, end_samples=16_000 * (at + 1)) for at, text in enumerate(texts)
    )
    segment = Segment(
        segment_id=f"seg_{number:016x}",
        track="t",
        text=" ".join(texts),
        start_samples=0,
        end_samples=16_000 * WORDS,
        words=words,
        is_final=True,
        revision=1,
    )
    return Transcribed(segment=segment, track_started_at=1_700_000_000.0)


@asynccontextmanager
async def earshot(folder: Path) -> AsyncIterator[tuple[str, Tell]]:
    settings = node_settings(folder, port=0, subscribers_max=READERS_MAX, ping_interval_s=60, log_level="error")
    set_up_logs(settings)
    serving = Serving(settings, on_ready=keep_what_is_there)
    running = asyncio.create_task(serving.run(handle_signals=False))
    await serving.ready.wait()
    services = serving.app.state.services
    transcript = await services.store.create_transcript(name="bench")

    async def tell(number: int) -> None:
        await services.journal.append(transcript.id, said(number))

    port = serving.url.rpartition(":")[2].rstrip("/")
    yield f"{port} /v1/transcripts_websocket/{transcript.id}?after=now", tell
    serving.stop()
    await running


@asynccontextmanager
async def bare(_: Path) -> AsyncIterator[tuple[str, Tell]]:
    readers: set[ServerConnection] = set()

    async def hold(connection: ServerConnection) -> None:
        readers.add(connection)
        try:
            await connection.wait_closed()
        finally:
            readers.discard(connection)

    async def tell(number: int) -> None:
        event = Event(transcript_id="t", seq=number, at=time.time(), body=said(number))
        broadcast(readers, json.dumps(v1.render(event)))

    async with serve(hold, "127.0.0.1", 0, compression=None, ping_interval=None, backlog=1024) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"{port} /", tell


async def run(way: str, pace_s: float) -> None:
    with tempfile.TemporaryDirectory(prefix="earshot-bench-") as folder:
        async with (earshot if way == "earshot" else bare)(Path(folder)) as (where, tell):
            print(where, flush=True)
            lines = asyncio.StreamReader()
            protocol = asyncio.StreamReaderProtocol(lines)
            await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
            telling = asyncio.create_task(_tell(tell, pace_s))
            while await lines.readline():
                print(time.process_time(), flush=True)
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)


async def _tell(tell: Tell, pace_s: float) -> None:
    number = 0
    while True:
        number += 1
        await tell(number)
        await asyncio.sleep(pace_s)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("core", type=int)
    parser.add_argument("pace_s", type=float)
    given = parser.parse_args()
    if given.core >= 0 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {given.core})
    asyncio.run(run(given.way, given.pace_s))
