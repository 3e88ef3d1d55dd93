"""The server as a process: it says where it is, stops when told, and at once when told twice."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from server.leaving import FAULT_S, GOODBYE_S, LEFTOVERS_S
from server.services import Services
from server.serving import EXIT_HARD, Serving, listen
from tests.fakes.node import node_settings
from tests.fakes.waiting import until

SCRIPT = """
import gc
import sys
from pathlib import Path
from server.serving import serve
from tests.fakes.node import node_settings
settings = node_settings(Path(sys.argv[1]), port=0, drain_deadline_s=float(sys.argv[2]))
if "stuck" in sys.argv:
    import threading
    from server import leaving
    from server.services import Services
    leaving.CLOSING_S = 0.1
    async def never(self):
        threading.Event().wait()  # nor does the event loop go on
    Services.stop = never
code = serve(settings, announce=lambda line: print(line, flush=True))
print("kept", gc.get_freeze_count(), file=sys.stderr)
sys.exit(code)
"""


@asynccontextmanager
async def process(
    data_dir: Path, drain_deadline_s: float = 5, *more: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A server of its own; and its address, without the last slash."""
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SCRIPT,
        str(data_dir),
        str(drain_deadline_s),
        *more,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert started.stdout is not None
    try:
        async with asyncio.timeout(60):
            line = (await started.stdout.readline()).decode()
        assert line.startswith("Earshot is at http://localhost:"), (
            line,
            await started.stderr.read() if started.stderr else b"",
        )
        yield started, line.split()[-1].rstrip("/")
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


@pytest.mark.process
async def test_it_serves_says_where_and_stops_with_zero(tmp_path: Path) -> None:
    async with process(tmp_path) as (server, url):
        async with httpx.AsyncClient(trust_env=False) as client:
            health = await client.get(f"{url}/health")
            assert health.status_code == 200
            assert (await client.get(f"{url}/v1/transcripts/?search=canary")).status_code == 200
        server.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            _, log = await server.communicate()
        assert server.returncode == 0
        assert b"canary" not in log
        assert b"Traceback" not in log
        # What it has to its end is not looked at again and again, while everybody waits.
        assert int(log.partition(b"kept ")[2].split()[0]) > 100_000


@pytest.mark.process
async def test_told_twice_it_stops_at_once(tmp_path: Path) -> None:
    async with process(tmp_path, 600) as (server, url), httpx.AsyncClient(base_url=url, trust_env=False) as client:
        id_ = (await client.post("/v1/transcripts")).json()["id"]
        host, port = url.removeprefix("http://").split(":")
        _, upload = await asyncio.open_connection(host, int(port))
        try:
            upload.write(
                f"POST /v1/transcripts_audio/{id_}/upload HTTP/1.1\r\nHost: {host}\r\n"
                "Content-Length: 1000\r\n\r\nR".encode()
            )
            await upload.drain()
            async with asyncio.timeout(30):
                await until(lambda: any((tmp_path / "incoming").glob("*")))
                server.send_signal(signal.SIGTERM)
                while (await client.get("/health")).status_code == 200:  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.02)
                assert (await client.get("/health/live")).status_code == 204
                server.send_signal(signal.SIGTERM)
                _, log = await server.communicate()
        finally:
            upload.transport.abort()
    assert server.returncode == EXIT_HARD
    assert b"stopped at once" in log


@pytest.mark.process
async def test_a_stop_that_does_not_end_is_cut_short_and_is_still_a_stop(tmp_path: Path) -> None:
    async with process(tmp_path, 0, "stuck") as (server, _):
        server.send_signal(signal.SIGTERM)
        async with asyncio.timeout(FAULT_S + GOODBYE_S + LEFTOVERS_S + 20):
            _, log = await server.communicate()
    assert server.returncode == 0
    assert b"stopping took too long" in log


async def test_one_that_is_told_to_stop_while_it_starts_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, may_go_on = asyncio.Event(), asyncio.Event()
    real = Services.start

    async def slowly(*args: Any, **options: Any) -> Services:
        begun.set()
        await may_go_on.wait()
        return await real(*args, **options)

    monkeypatch.setattr(Services, "start", slowly)
    serving = Serving(node_settings(tmp_path, port=0))
    with capture_logs() as lines:
        running = asyncio.create_task(serving.run(handle_signals=False))
        async with asyncio.timeout(60):
            await begun.wait()
            serving.stop()
            assert serving._stopping is not None
            await serving._stopping
            may_go_on.set()
            await running
    assert [line for line in lines if line["log_level"] in ("warning", "error")] == []


@pytest.mark.process
async def test_an_address_in_use_ends_it_with_one(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = node_settings(tmp_path, port=taken.getsockname()[1])
        with pytest.raises(OSError, match="in use"):
            listen(settings)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="TCP_USER_TIMEOUT is Linux's")
def test_accepted_connections_inherit_the_user_timeout(tmp_path: Path) -> None:
    settings = node_settings(tmp_path, port=0, write_deadline_s=3, ping_interval_s=4)
    with listen(settings) as listening, socket.create_connection(listening.getsockname()):
        listening.setblocking(True)
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 7000
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
