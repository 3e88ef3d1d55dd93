"""Two nodes, each with a disk of its own, are restarted one after the other while people speak and listen: nothing is
lost."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import httpx
import pytest

from server.commands.addresses import ServerAddress
from server.load.plan import Plan
from server.load.report import document
from server.load.running import Load
from server.load.sound import load_sound
from tests.fakes.s3 import BUCKET, KEY_ID, REGION, SECRET, S3Server
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.server_process import ServerProcess
from tests.fakes.waiting import until
from tests.fakes.wav import wav_of
from tests.net.balancer import Balancer

SAID = "alpha bravo charlie delta"
DEADLINE_S = 120.0
SPEAKERS = 3


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with S3Server() as running:
        yield running


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


async def until_words(load: Load, count: int) -> None:
    """Until so many finals were told since now, of whomever."""
    wanted = load.tally.final.count + count
    await until(lambda: load.tally.final.count >= wanted)


async def until_ready(http: httpx.AsyncClient, url: str) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while (await http.get(f"{url}/health")).json()["status"] != "ok":  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


@pytest.mark.process
async def test_a_rolling_restart_loses_nothing(tmp_path: Path, postgres_url: str, redis_url: str, s3: S3Server) -> None:
    path = tmp_path / "said.wav"
    path.write_bytes(wav_of(scripted_sound(sentence(SAID, 0.3), length_s=2.1)))
    path.with_suffix(".txt").write_text(SAID)
    duration_s = 360.0  # rounds of 3.6 s: as many as the restarts take
    plan_sound = load_sound(path, path.with_suffix(".txt"), duration_s)
    options = {
        "database_url": postgres_url,
        "redis_url": redis_url,
        "shared_secret": "0123456789abcdef",
        "blobs_url": f"s3://{BUCKET}",
        "s3_endpoint": s3.endpoint,
        "s3_region": REGION,
        "s3_access_key_id": KEY_ID,
        "s3_secret_access_key": SECRET,
        "record_remote_interval_s": 1.0,
        "utterance_silence_ms": 300,
    }
    ports = free_ports(2)
    async with AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(
                ServerProcess(tmp_path / name, port=port, node_url=f"http://127.0.0.1:{port}", **options)
            )
            for name, port in zip("ab", ports, strict=True)
        ]
        balancer = await stack.enter_async_context(Balancer([("127.0.0.1", port) for port in ports]))
        http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=30.0))
        for node in nodes:
            await until_ready(http, node.url)
        plan = Plan(
            [ServerAddress(f"http://127.0.0.1:{balancer.address[1]}")],
            plan_sound,
            duration_s=duration_s,
            ramp_s=0.5,
            sockets=SPEAKERS,
            listeners=SPEAKERS,
            has_words=True,
        )
        load = Load(plan, http)
        running = asyncio.create_task(load.run())
        stack.push_async_callback(asyncio.wait, [running])
        stack.callback(running.cancel)
        for node in nodes:
            await until_words(load, SPEAKERS)
            assert await node.stop() == 0
            await node.start()
            await until_ready(http, node.url)
        await until_words(load, SPEAKERS)
        assert load.tally.speaking == SPEAKERS  # all of it was meanwhile
        load.interrupt()
        async with asyncio.timeout(DEADLINE_S):
            await running
    told = document(load)
    assert told["lost"] == [], told
    words = told["words"]
    assert (words["missing"], words["added"], words["changed"]) == (0, 0, 0)
    assert words["expected"] >= SPEAKERS * 2 * len(SAID.split())  # whole rounds; the third may have been cut
    assert (told["listeners"]["missing"], told["listeners"]["doubled"]) == (0, 0)
    assert told["sessions"]["finished"] == SPEAKERS
    assert told["sessions"]["reconnects"] >= SPEAKERS  # whoever was at the first, at least, and then at the second
    assert not any("Traceback" in node.log for node in nodes)
