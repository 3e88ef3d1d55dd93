"""Conversations in chunks, from kiosks to the last word: how many chunks a second, and whether memory stays flat.

The recogniser is the scripted one: what is measured is everything around it.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from tests.bench.cycles import resident_mb, slope
from tests.bench.figures import Figures
from tests.bench.node import all_cores
from tests.fakes.recorder_pieces import streamed
from tests.fakes.scripted_sound import sentence
from tests.fakes.server_process import ServerProcess

PORTAL = "/api/participant"
KIOSKS = 8  # at once
CHECKPOINTS = 10
SAID = "alpha bravo"
CHUNK_S = 3.0
WAIT_S = 600.0
ASK_S = 1.0
UNLIMITED: dict[str, float] = {"upload_urls_per_minute": 0, "creations_per_minute": 0, "conversation_chunks_max": 100}


class Kiosks:
    """Clients that record conversations of ``chunks`` each. ``failed``: what went wrong, by conversation."""

    def __init__(self, http: httpx.AsyncClient, chunks: int) -> None:
        self.http = http
        self.chunks = chunks
        self.failed: list[str] = []
        self.put_s: list[float] = []  # how long announcing, putting and confirming took together
        self._data = streamed("ogg", sentence(SAID, 0.3), length_s=CHUNK_S)

    async def begin(self) -> None:
        answer = await self.http.post("/api/projects", json={"name": "Bench"})
        self.project = str(answer.raise_for_status().json()["id"])

    async def record(self, conversations: int) -> None:
        left = list(range(conversations))

        async def work() -> None:
            while left:
                left.pop()
                await self._counted(self._conversation)

        await asyncio.gather(*(work() for _ in range(KIOSKS)))

    async def _counted(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            async with asyncio.timeout(WAIT_S):
                await work()
        except Exception as error:
            self.failed.append(f"{type(error).__name__}: {error}"[:300])

    async def _asked(self, path: str, body: object) -> dict[str, object]:
        answer = await self.http.post(f"{PORTAL}/{path}", json=body)
        found: dict[str, object] = answer.raise_for_status().json()
        return found

    async def _conversation(self) -> None:
        began = await self._asked("conversations/initiate", {"project_id": self.project, "name": "Anna"})
        path = f"conversations/{began['id']}"
        said_at = datetime.now(UTC) - timedelta(seconds=CHUNK_S * self.chunks)
        for at in range(self.chunks):
            began_s = time.perf_counter()
            given = await self._asked(f"{path}/get-upload-url", {"content_type": "audio/ogg"})
            headers = {"Content-Type": "audio/ogg"}
            (await self.http.put(str(given["upload_url"]), content=self._data, headers=headers)).raise_for_status()
            moment = (said_at + timedelta(seconds=CHUNK_S * at)).isoformat()
            await self._asked(f"{path}/confirm-upload", {"chunk_id": given["chunk_id"], "timestamp": moment})
            self.put_s.append(time.perf_counter() - began_s)
        await self._asked(f"{path}/finish", {"expected_chunks": self.chunks})
        state = f"{PORTAL}/projects/{self.project}/{path}"
        await self._until_written(state)
        found = (await self.http.get(f"{PORTAL}/{path}/chunks")).raise_for_status().json()
        texts = [chunk["transcript"] for chunk in found]
        assert texts == [SAID] * self.chunks, "other words than were said"

    async def _until_written(self, path: str) -> None:
        """As a kiosk does: it asks."""
        while True:
            state = (await self.http.get(path)).raise_for_status().json()
            if state["is_all_chunks_transcribed"]:
                return
            await asyncio.sleep(ASK_S)


async def measure(figures: Figures, *, conversations: int = 500, chunks: int = 20) -> None:
    """Memory is looked at after each tenth; its slope is of the last eight, after what is kept once is there."""
    with tempfile.TemporaryDirectory() as folder, all_cores():
        async with (
            ServerProcess(Path(folder) / "data", log_level="warning", **UNLIMITED) as server,
            httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=60.0) as http,
        ):
            kiosks = Kiosks(http, chunks)
            await kiosks.begin()
            process = Path(f"/proc/{server.process.pid}")
            each, began_s = max(1, conversations // CHECKPOINTS), time.perf_counter()
            memory_mb: list[float] = []
            for _ in range(CHECKPOINTS if conversations >= CHECKPOINTS else conversations):
                await kiosks.record(each)
                memory_mb.append(resident_mb(process))
            spent_s = time.perf_counter() - began_s
            log = server.log
    done = each * len(memory_mb) * chunks
    warm = memory_mb[len(memory_mb) // 5 :]
    times_s = sorted(kiosks.put_s)
    figures.add(
        conversations=each * len(memory_mb),
        chunks=done,
        conversations_failed=len(kiosks.failed),
        chunks_per_s=done / spent_s,
        sound_per_s=done * CHUNK_S / spent_s,
        put_p50_ms=1000 * times_s[len(times_s) // 2],
        put_p99_ms=1000 * times_s[len(times_s) * 99 // 100],
        memory_mb=memory_mb[-1],
        memory_mb_per_1000_chunks=slope(warm, each * chunks) * 1000 if len(warm) > 1 else 0.0,
        tracebacks_in_log=log.count("Traceback"),
    )
    figures.notes.append(f"Memory after each tenth, MB: {', '.join(f'{each:.1f}' for each in memory_mb)}.")
    figures.notes += sorted(set(kiosks.failed))[:5]
