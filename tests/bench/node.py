"""The real server for a bench: a process of its own on one core, and what it costs."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

START_DEADLINE_S = 90.0
ADDRESS = re.compile(r"http://[\w.\[\]:-]+:\d+")
# Pinned before Python of the server starts, so that its threads and the inference process inherit it.
_PINNED = (
    "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])}); "
    "os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"
)


@functools.cache  # as it was before the load pinned itself
def cores() -> tuple[int, int] | None:
    """One core for the server and one for the load; None where processes cannot be pinned, or there is only one."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    allowed = sorted(_allowed())
    return (allowed[-1], allowed[0]) if len(allowed) > 1 else None


@functools.cache
def _allowed() -> frozenset[int]:
    return frozenset(os.sched_getaffinity(0))


def pin_load() -> None:
    pair = cores()
    if pair is not None:
        os.sched_setaffinity(0, {pair[1]})


@contextlib.contextmanager
def all_cores() -> Iterator[None]:
    """For a server that is not pinned: it would inherit the load's one core."""
    if cores() is None:
        yield
        return
    os.sched_setaffinity(0, _allowed())
    try:
        yield
    finally:
        pin_load()


@dataclass(frozen=True)
class Cost:
    """Processor seconds so far, user and system: of the server's process, and of its inference process."""

    server_s: float
    worker_s: float

    def since(self, before: Cost) -> Cost:
        return Cost(self.server_s - before.server_s, self.worker_s - before.worker_s)


class Node:
    """``async with Node("scripted") as node``. Its data are in a temporary folder, gone afterwards."""

    def __init__(self, engine: str, core: int | None, **settings: Any) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="earshot-bench-")
        self._core = core
        values: dict[str, Any] = {"engine": engine, "port": 0, "disk_reserve_mb": 0, "log_level": "warning"}
        # A bench goes on where a speaker would be sent away.
        values |= {"admission_busy_max": 0, **settings}
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("EARSHOT_")} | {
            f"EARSHOT_{name.upper()}": str(value) for name, value in values.items()
        }
        self._environment["EARSHOT_DATA_DIR"] = self._folder.name
        self._environment["EARSHOT_CONFIG"] = str(Path(self._folder.name) / "none.toml")
        self._process: asyncio.subprocess.Process | None = None
        self._drain: asyncio.Task[None] | None = None
        self.url = ""

    def put_models(self, folders: Mapping[str, Path]) -> None:
        """Before it begins: what is in these folders is there as if it was fetched under these names."""
        for name, folder in folders.items():
            shutil.copytree(folder, Path(self._folder.name) / "models" / name, copy_function=shutil.copyfile)

    async def __aenter__(self) -> Self:
        serve = ["-m", "server.cli", "serve"]
        command = [sys.executable, *serve]
        if self._core is not None:
            command = [sys.executable, "-c", _PINNED, str(self._core), *serve]
        self._process = await asyncio.create_subprocess_exec(
            *command, env=self._environment, stdout=asyncio.subprocess.PIPE, start_new_session=True
        )
        async with asyncio.timeout(START_DEADLINE_S):
            await self._read_address()
            await self._wait_ready()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(30):
                    await self._process.wait()
            except TimeoutError:
                os.killpg(self._process.pid, signal.SIGKILL)
                await self._process.wait()
        if self._drain is not None:
            await self._drain
        self._folder.cleanup()

    async def _read_address(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            found = ADDRESS.search(line.decode())
            if found:
                self.url = found[0]
                self._drain = asyncio.create_task(self._read_rest())
                return
        raise RuntimeError("the server ended before it served; start it by hand to see why")

    async def _read_rest(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while await self._process.stdout.read(4096):
            pass

    async def _wait_ready(self) -> None:
        async with httpx.AsyncClient(base_url=self.url) as http:
            while (await http.get("/health")).json()["engine"]["state"] != "ok":  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.1)

    def http(self) -> httpx.AsyncClient:
        """For calls by paths. Use it once, as a context, while the node runs."""
        return httpx.AsyncClient(base_url=self.url, timeout=30)

    async def create_transcript(self, http: httpx.AsyncClient) -> str:
        answer = await http.post("/v1/transcripts", json={"name": "bench"})
        answer.raise_for_status()
        return str(answer.json()["id"])

    def resident_mb(self) -> tuple[float, float]:
        """Of the server's process, and of its inference processes together; not numbers where the system is silent."""
        assert self._process is not None
        pid = self._process.pid
        return _resident_mb(pid), sum(_resident_mb(child) for child in _children(pid))

    def cost(self) -> Cost | None:
        """None where the system does not tell (there is no /proc)."""
        assert self._process is not None
        pid = self._process.pid
        if not Path(f"/proc/{pid}/stat").exists():
            return None
        children = _children(pid)
        return Cost(_cpu_s(pid), sum(_cpu_s(child) for child in children))

    async def loop_lag(self, http: httpx.AsyncClient) -> dict[float, float]:
        """Cumulative counts of the event loop's lag by upper bound, in seconds."""
        counts = {}
        for line in (await http.get("/metrics")).text.splitlines():
            found = re.match(r'earshot_event_loop_lag_seconds_bucket\{le="([^"]+)"\} (\S+)', line)
            if found:
                counts[float(found[1])] = float(found[2])
        return counts


def busy_s(core: int) -> float:
    """Seconds that a core worked so far, whoever for; NaN where the system does not tell."""
    try:
        lines = Path("/proc/stat").read_text().splitlines()
    except OSError:
        return float("nan")
    # proc(5): user, nice, system, idle, iowait, irq, softirq, steal
    times = next((line.split()[1:9] for line in lines if line.startswith(f"cpu{core} ")), None)
    if times is None:
        return float("nan")
    return (sum(map(int, times)) - int(times[3]) - int(times[4])) / os.sysconf("SC_CLK_TCK")


def _resident_mb(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return float("nan")


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *_children(int(child))]
    return found


def _cpu_s(pid: int) -> float:
    # proc(5): the name in parentheses may hold anything; utime and stime are the 12th and 13th after it.
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")
