"""Every way to come and go, against the server as a process: afterwards it holds what it held before."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from tests.bench.cycles import QUICK, Cycles
from tests.fakes.server_process import ServerProcess

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="what a process holds is looked up in /proc"),
]

WARM, COUNT, AT_ONCE = 10, 20, 10  # ten ways there are: each once, and then twice
# Pools that are not full yet: threads of the executor, connections of the database with two files and a thread each.
# No more than two of those: one descriptor left behind by three of the ten ways is seen.
POOLS_DESCRIPTORS, POOLS_THREADS = 4, 8
READS_AT_ONCE = 32
MEMORY_MB = 20.0
OFFERS = 24


async def test_whoever_comes_and_however_they_go_nothing_is_left(tmp_path: Path) -> None:
    async with (
        ServerProcess(tmp_path / "data", log_level="warning", **QUICK) as server,
        httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=60) as http,
    ):
        cycles = Cycles(server, http)
        await cycles.run(WARM, at_once=AT_ONCE)
        await _fill_pools(http)
        before = await cycles.settled()
        await cycles.run(COUNT, at_once=AT_ONCE)
        after = await cycles.settled()
        assert not cycles.failed
        assert after.tasks == before.tasks
        assert after.descriptors <= before.descriptors + POOLS_DESCRIPTORS
        assert after.threads <= before.threads + POOLS_THREADS
        assert after.memory_mb <= before.memory_mb + MEMORY_MB
        assert "Traceback" not in server.log, server.log[-4000:]


async def test_offers_without_end_cost_a_bounded_share_and_are_all_freed(tmp_path: Path) -> None:
    options = QUICK | {"connect_deadline_s": 10, "peers_connecting_max": OFFERS}
    async with (
        ServerProcess(tmp_path / "data", log_level="warning", **options) as server,
        httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=60) as http,
    ):
        cycles = Cycles(server, http)
        first = (await http.post("/v1/transcripts/", json={})).json()["id"]
        assert (await _offer(http, first, 0)).status_code == 200  # what is imported and made for it stays
        assert (await http.delete(f"/v1/transcripts/{first}")).is_success
        await _fill_pools(http)
        before = await cycles.settled()
        id_ = (await http.post("/v1/transcripts/", json={})).json()["id"]
        answers = await asyncio.gather(*(_offer(http, id_, number) for number in range(OFFERS + 5)))
        assert sorted(answer.status_code for answer in answers) == [200] * OFFERS + [503] * 5
        refused = next(answer for answer in answers if answer.status_code == 503)
        assert refused.json()["error"]["code"] == "TOO_MANY_PEERS"
        assert int(refused.headers["retry-after"]) == 10
        after = await cycles.settled()
        assert after.tasks == before.tasks
        assert after.descriptors <= before.descriptors + POOLS_DESCRIPTORS
        assert after.memory_mb <= before.memory_mb + 0.5 * OFFERS


async def _offer(http: httpx.AsyncClient, id_: str, number: int) -> httpx.Response:
    return await http.post(f"/v1/transcripts_webrtc/{id_}/offer", json={"track": f"desk-{number}"})


async def _fill_pools(http: httpx.AsyncClient) -> None:
    await asyncio.gather(*(http.get("/v1/transcripts") for _ in range(READS_AT_ONCE)))
