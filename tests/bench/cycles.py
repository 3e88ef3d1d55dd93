"""Connect, speak, drop, again and again, against the server as a process: what each way to leave leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import random
import re
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from tests.bench.figures import Figures
from tests.bench.node import all_cores
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.server_process import ServerProcess
from tests.net.rtc_client import Exchange, RtcClient

SOUND = scripted_sound(sentence("alpha", 0.1), length_s=0.6)
AT_ONCE = 8
SETTLE_S = 40.0
CYCLE_S = 60.0
CHECKPOINTS = 10
# So that nobody has to be waited for long: who is lost is given up soon.
QUICK: dict[str, float] = {
    "resume_grace_s": 2,
    "peer_gone_after_s": 4,
    "connect_deadline_s": 4,
    "sessions_max": 1000,
    "peers_connecting_max": 1000,
    "peers_per_address_max": 1000,
    "utterance_silence_ms": 300,
    "creations_per_minute": 100_000,
}


@dataclass(frozen=True)
class Held:
    """What the server holds. ``worker_mb``: of its inference process."""

    descriptors: int
    threads: int
    tasks: int
    sessions: int
    peers: int
    sockets: int
    memory_mb: float
    worker_mb: float

    @property
    def is_idle(self) -> bool:
        return not (self.sessions or self.peers or self.sockets)


async def held(server: ServerProcess, http: httpx.AsyncClient) -> Held:
    text = (await http.get("/metrics")).text

    def figure(name: str) -> int:
        found = re.search(rf"^earshot_{name} ([0-9.]+)$", text, re.MULTILINE)
        assert found is not None, name
        return int(float(found[1]))

    process = Path(f"/proc/{server.process.pid}")
    children = (process / f"task/{server.process.pid}/children").read_text().split()
    return Held(
        descriptors=len(list((process / "fd").iterdir())),
        threads=len(list((process / "task").iterdir())),
        tasks=figure("tasks"),
        sessions=figure("sessions_live"),
        peers=figure("peers"),
        sockets=figure("sockets_open"),
        memory_mb=resident_mb(process),
        worker_mb=sum(resident_mb(Path(f"/proc/{child}")) for child in children),
    )


def resident_mb(process: Path) -> float:
    return int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


class Cycles:
    """Clients of one server, each for one cycle, in turn every way to come and go."""

    def __init__(self, server: ServerProcess, http: httpx.AsyncClient, *, seed: int = 1) -> None:
        self.server = server
        self.http = http
        self.done = 0
        self.failed: list[str] = []
        self._chance = random.Random(seed)
        self._ways: tuple[Callable[[str], Awaitable[None]], ...] = (
            self.clean,
            self.goodbye,
            self.vanish,
            self.refused,
            self.drop_while_connecting,
            self.drop_and_resume,
            self.never_come,
            self.socket_clean,
            self.socket_lost,
            self.socket_resumed,
        )
        self._turns = itertools.cycle(self._ways)

    async def run(self, count: int, *, at_once: int = AT_ONCE) -> None:
        turns = [next(self._turns) for _ in range(count)]

        async def work() -> None:
            while turns:
                await self._one(turns.pop())

        await asyncio.gather(*(work() for _ in range(at_once)))

    async def _one(self, way: Callable[[str], Awaitable[None]]) -> None:
        try:
            async with asyncio.timeout(CYCLE_S):
                made = await self.http.post("/v1/transcripts/", json={})
                await way(made.json()["id"])
        except Exception as error:
            self.failed.append(f"{way.__name__}: {type(error).__name__}: {error}"[:300])
        self.done += 1

    async def settled(self) -> Held:
        """When nobody is there any more, and what was cut has been seen to be."""
        async with asyncio.timeout(SETTLE_S):
            while not (await held(self.server, self.http)).is_idle:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.25)
        await asyncio.sleep(1.0)
        return await held(self.server, self.http)

    # Peers.

    def _exchange(self, id_: str, told: dict[str, str], resume_token: str | None = None) -> Exchange:
        async def exchange(sdp: str, type_: str) -> tuple[str, str]:
            body = {"sdp": sdp, "type": type_, "resume_token": resume_token}
            answer = await self.http.post(f"/v1/transcripts_webrtc/{id_}/offer", json=body)
            assert answer.status_code == 200, answer.text
            told.update(answer.json())
            return told["sdp"], told["type"]

        return exchange

    async def _speak(self, id_: str, told: dict[str, str], resume_token: str | None = None) -> RtcClient:
        """A client that is heard."""
        client = RtcClient(SOUND)
        try:
            await client.connect(self._exchange(id_, told, resume_token), timeout_s=CYCLE_S)
            await client.sent()
        except BaseException:
            await client.close()
            raise
        return client

    async def clean(self, id_: str) -> None:
        client = await self._speak(id_, {})
        client.send('{"cmd": "STOP"}')
        await client.closed.wait()
        await client.close()

    async def goodbye(self, id_: str) -> None:
        await (await self._speak(id_, {})).close()

    async def vanish(self, id_: str) -> None:
        client = await self._speak(id_, {})
        client.vanish()
        await client.close()

    async def drop_and_resume(self, id_: str) -> None:
        told: dict[str, str] = {}
        client = await self._speak(id_, told)
        if self._chance.random() < 0.5:
            client.vanish()
        await client.close()
        again: dict[str, str] = {}
        client = await self._speak(id_, again, told["resume_token"])
        client.send('{"cmd": "STOP"}')
        await client.closed.wait()
        await client.close()

    async def drop_while_connecting(self, id_: str) -> None:
        client, exchange = RtcClient(SOUND), self._exchange(id_, {})
        described = asyncio.Event()

        async def watched(sdp: str, type_: str) -> tuple[str, str]:
            described.set()
            return await exchange(sdp, type_)

        connecting = asyncio.create_task(client.connect(watched, timeout_s=CYCLE_S))
        await described.wait()  # before that aiortc's client opens sockets, which it loses when it is cancelled
        await asyncio.wait([connecting], timeout=self._chance.uniform(0.0, 0.6))
        client.vanish()
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
        await client.close()

    async def refused(self, id_: str) -> None:
        path = f"/v1/transcripts_webrtc/{id_}/offer"
        unknown = "/v1/transcripts_webrtc/05aaa04e-dc59-4e2f-af18-9fce6bf66068/offer"
        answers = [
            await self.http.post(path, json={"sdp": "nonsense", "type": "offer"}),
            await self.http.post(path, json={"resume_token": "never given"}),
            await self.http.post(unknown, json={}),
        ]
        assert [answer.status_code for answer in answers] == [400, 409, 404]

    async def never_come(self, id_: str) -> None:
        assert (await self.http.post(f"/v1/transcripts_webrtc/{id_}/offer", json={})).status_code == 200

    # Sockets.

    @contextlib.asynccontextmanager
    async def _socket(self, id_: str, token: str | None = None) -> AsyncIterator[tuple[ClientConnection, str]]:
        url = f"{self.server.websocket_url}/v1/transcripts_stream/{id_}"
        async with connect(url, compression=None, proxy=None) as socket:
            await socket.send(json.dumps({"type": "start", "data": {"resume": token}}))
            started = json.loads(await socket.recv())
            await socket.send(SOUND)
            yield socket, started["data"]["resume_token"]

    async def _stop(self, socket: ClientConnection) -> None:
        await socket.send('{"type": "stop"}')
        async for text in socket:
            if json.loads(text)["type"] == "stopped":
                return
        raise AssertionError("closed before it stopped")

    async def socket_clean(self, id_: str) -> None:
        async with self._socket(id_) as (socket, _):
            await self._stop(socket)

    async def socket_lost(self, id_: str) -> None:
        async with self._socket(id_) as (socket, _):
            socket.transport.abort()

    async def socket_resumed(self, id_: str) -> None:
        async with self._socket(id_) as (socket, token):
            socket.transport.abort()
        async with self._socket(id_, token) as (socket, _):
            await self._stop(socket)


async def measure(figures: Figures, *, count: int) -> None:
    """``count`` cycles; slopes from the last eight tenths of them, after what is kept once is there."""
    with tempfile.TemporaryDirectory() as folder, all_cores():
        async with (
            ServerProcess(Path(folder) / "data", log_level="warning", **QUICK) as server,
            httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=CYCLE_S) as http,
        ):
            cycles = Cycles(server, http)
            rows: list[Held] = []
            for _ in range(CHECKPOINTS + 1):
                rows.append(await cycles.settled())
                print(f"  {cycles.done} cycles, {len(cycles.failed)} failed: {rows[-1]}", flush=True)
                if len(rows) <= CHECKPOINTS:
                    await cycles.run(count // CHECKPOINTS)
            log = server.log
    warm = rows[CHECKPOINTS // 5 :]
    figures.add(
        cycles=cycles.done,
        cycles_failed=len(cycles.failed),
        memory_mb_per_1000_cycles=slope([row.memory_mb for row in warm], count / CHECKPOINTS) * 1000,
        worker_memory_mb_per_1000_cycles=slope([row.worker_mb for row in warm], count / CHECKPOINTS) * 1000,
        memory_mb=warm[-1].memory_mb,
        descriptors_left=warm[-1].descriptors - warm[0].descriptors,
        threads_left=warm[-1].threads - warm[0].threads,
        tasks_left=warm[-1].tasks - warm[0].tasks,
        tracebacks_in_log=log.count("Traceback"),
    )
    figures.tables["cycles"] = [asdict(row) for row in rows]
    figures.notes += sorted(set(cycles.failed))[:5]


def slope(values: list[float], step: float) -> float:
    """Of the straight line through values that are ``step`` apart."""
    return float(np.polyfit(np.arange(len(values)) * step, values, 1)[0])
