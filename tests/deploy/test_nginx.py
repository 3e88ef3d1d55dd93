"""The configurations of nginx: taken by a real one, which then leads to two real nodes."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.deploy.files import KUBERNETES, NGINX
from tests.deploy.nginx import check, laid, make_certificate, program, running
from tests.fakes.running_app import RunningApp, running_app
from tests.fakes.waiting import until
from tests.server.databases import NoPostgres, running_postgres

pytestmark = pytest.mark.skipif(
    program() is None or shutil.which("openssl") is None, reason="no nginx (Debian: nginx-light) or openssl here"
)
TRIES_MAX = 64
START: dict[str, Any] = {"type": "start", "data": {"encoding": "pcm_s16le", "sample_rate": 16000}}


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def own_ports(plain: int, tls: int) -> dict[str, str]:
    return {"listen 8080": f"listen 127.0.0.1:{plain}", "listen 8443": f"listen 127.0.0.1:{tls}"}


def test_the_one_of_kubernetes_is_taken(tmp_path: Path) -> None:
    """But for finding nodes by their names again and again, which needs nginx 1.27.3 and a cluster."""
    make_certificate(tmp_path)
    names = {" resolve;": ";", "resolver kube-dns.kube-system.svc.cluster.local": "resolver 127.0.0.1"}
    service = {"server earshot-nodes.earshot.svc.cluster.local service=http": "server 127.0.0.1:8000"}
    conf = laid(KUBERNETES / "nginx.conf", tmp_path, {**own_ports(*free_ports(2)), **names, **service})
    assert check(conf) == ""
    conf.write_text(conf.read_text().replace("consistent", "persistent"))
    assert "persistent" in check(conf)


def test_both_tell_the_same_apart() -> None:
    """What is asked about decides the node, in one as in the other."""

    def about(conf: Path) -> str:
        return conf.read_text().partition("map $uri $about {")[2].partition("}\n")[0]

    assert about(NGINX).count("\n") >= 8
    assert about(NGINX) == about(KUBERNETES / "nginx.conf")


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    try:
        with running_postgres() as server, server.clean_database() as url:
            yield url
    except NoPostgres as error:
        pytest.skip(str(error))


@dataclass
class House:
    """Two nodes behind nginx."""

    a: RunningApp
    b: RunningApp
    http: httpx.AsyncClient
    tls: ssl.SSLContext
    log: Path

    def holder(self, transcript_id: str) -> RunningApp | None:
        holding = [each for each in (self.a, self.b) if transcript_id in each.services.membership.holding.held]
        return holding[0] if holding else None

    def path_of(self, node: RunningApp) -> str:
        return "/nodes/a" if node is self.a else "/nodes/b"

    def url(self, path: str) -> str:
        return f"{str(self.http.base_url).rstrip('/')}{path}".replace("https://", "wss://")

    def connect(self, url: str) -> connect:
        return connect(url, ssl=self.tls, compression=None, proxy=None)

    async def new_transcript(self) -> str:
        return str((await self.http.post("/v1/transcripts")).raise_for_status().json()["id"])


@asynccontextmanager
async def house(folder: Path, database_url: str) -> AsyncIterator[House]:
    plain, tls, store = free_ports(3)
    async with AsyncExitStack() as stack:
        nodes = []
        for letter in "ab":
            nodes.append(
                await stack.enter_async_context(
                    running_app(
                        folder / letter,
                        database_url=database_url,
                        node_url=f"https://localhost:{tls}/nodes/{letter}",
                        shared_secret="0123456789abcdef",
                        resume_grace_s=0,
                    )
                )
            )
        a, b = nodes
        make_certificate(folder)
        names = {
            "server-a:8000": f"127.0.0.1:{a.port}",
            "server-b:8000": f"127.0.0.1:{b.port}",
            "minio:9000": f"127.0.0.1:{store}",
        }
        conf = laid(NGINX, folder, {**own_ports(plain, tls), **names})
        assert check(conf) == ""
        await stack.enter_async_context(running(conf, tls))
        trusted = ssl.create_default_context(cafile=str(folder / "fullchain.pem"))
        http = await stack.enter_async_context(
            httpx.AsyncClient(base_url=f"https://localhost:{tls}", verify=trusted, trust_env=False, timeout=30)
        )
        yield House(a, b, http, trusted, folder / "access.log")


async def told(connection: ClientConnection, type_: str) -> dict[str, object]:
    async with asyncio.timeout(30):
        while True:
            message = json.loads(await connection.recv())
            if message["type"] == type_:
                data: dict[str, object] = message["data"]
                return data


async def test_a_transcript_is_at_one_node_until_that_one_is_gone(tmp_path: Path, postgres_url: str) -> None:
    async with house(tmp_path, postgres_url) as all_of_it, AsyncExitStack() as stack:
        speaking: dict[str, str] = {}  # by node's path: a transcript that it has
        for _ in range(TRIES_MAX):
            id_ = await all_of_it.new_transcript()
            path = f"/v1/transcripts_stream/{id_}"
            connection = await stack.enter_async_context(all_of_it.connect(all_of_it.url(path)))
            await connection.send(json.dumps(START))
            await told(connection, "started")
            node = all_of_it.holder(id_)
            assert node is not None
            # Another socket about it comes to the same node, whichever connection it comes by.
            before = node.app.state.leaving.sockets.count
            reader = await stack.enter_async_context(
                all_of_it.connect(all_of_it.url(f"/v1/transcripts_websocket/{id_}"))
            )
            await reader.send(json.dumps({"action": "get_status"}))
            await told(reader, "status")
            assert node.app.state.leaving.sockets.count == before + 1
            speaking.setdefault(all_of_it.path_of(node), id_)
            if len(speaking) == 2:
                break
        assert len(speaking) == 2, "both nodes get some"

        # Whoever comes to the other one is told where to go, and gets there by the prefix.
        at_a = speaking["/nodes/a"]
        async with all_of_it.connect(all_of_it.url(f"/nodes/b/v1/transcripts_stream/{at_a}")) as elsewhere:
            await elsewhere.send(json.dumps(START))
            error = await told(elsewhere, "error")
        assert error["code"] == "HELD_ELSEWHERE"
        details = error["details"]
        assert isinstance(details, dict)
        there = str(details["server_url"])
        assert there == f"{str(all_of_it.http.base_url).rstrip('/')}/nodes/a"
        listening = f"{there.replace('https://', 'wss://')}/v1/transcripts_stream/{at_a}"
        async with all_of_it.connect(listening) as back:
            await back.send(json.dumps({**START, "data": {**START["data"], "track": "another"}}))
            await told(back, "started")

        await stack.aclose()
        all_of_it.a.serving.stop()
        await all_of_it.a.task
        assert (await all_of_it.http.get("/nodes/a/health")).status_code == 502
        async with all_of_it.connect(all_of_it.url(f"/v1/transcripts_stream/{at_a}")) as moved:
            await moved.send(json.dumps(START))
            await told(moved, "started")
            assert all_of_it.holder(at_a) is all_of_it.b


async def test_what_is_for_us_alone_is_not_outside_and_nothing_is_kept_back_or_logged(
    tmp_path: Path, postgres_url: str
) -> None:
    async with house(tmp_path, postgres_url) as all_of_it:
        http = all_of_it.http
        for path in ("/metrics", "/nodes/a/metrics", "/nodes/b/debug/loop", "/debug/loop.json", "/nodes/c/health"):
            assert (await http.get(path)).status_code == 404, path
        # Any path is passed on beyond the prefix as it was sent.
        answer = await http.get("/nodes/a/v1/transcripts/search?q=caf%C3%A9%2F%20x")
        assert answer.status_code == 200
        assert answer.headers["strict-transport-security"].startswith("max-age=")

        # The first of a large upload is at a node long before its last.
        id_ = await all_of_it.new_transcript()
        is_there = asyncio.Event()

        async def pieces() -> AsyncIterator[bytes]:
            yield b"RIFF" + bytes(100_000)
            await is_there.wait()
            yield bytes(1000)

        upload = asyncio.create_task(http.post(f"/v1/transcripts_audio/{id_}/upload", content=pieces()))
        await until(lambda: any(node.app.state.leaving.uploads.count for node in (all_of_it.a, all_of_it.b)))
        is_there.set()
        assert (await upload).status_code == 400  # it is no sound
        log = all_of_it.log.read_text()
        assert "POST" in log
        assert id_ not in log
        assert "caf" not in log
