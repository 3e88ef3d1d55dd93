"""The whole app on a real server and a real port, or in process; and clients for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from server.app import build_app
from server.services import Services
from server.serving import Serving
from server.settings import Settings
from tests.fakes.described import watched
from tests.fakes.node import node_settings
from tests.server.databases import lay_sqlite_file

DEADLINE_S = 90.0
Message = dict[str, Any]


@dataclass
class RunningApp:
    """A served node. ``http`` carries no token by itself."""

    serving: Serving
    http: httpx.AsyncClient
    task: asyncio.Task[None]

    @property
    def app(self) -> FastAPI:
        return self.serving.app

    @property
    def settings(self) -> Settings:
        return self.serving.settings

    @property
    def services(self) -> Services:
        services: Services = self.app.state.services
        return services

    @property
    def port(self) -> int:
        port = httpx.URL(self.serving.url).port
        assert port is not None
        return port

    async def new_transcript(self) -> str:
        return (await self.services.store.create_transcript(name="test")).id

    def ws_url(self, path: str) -> str:
        return f"ws://127.0.0.1:{self.port}{path}"

    @asynccontextmanager
    async def socket(self, path: str, **options: Any) -> AsyncIterator[Socket]:
        async with connect(self.ws_url(path), **{"compression": None, "proxy": None, **options}) as connection:
            yield Socket(connection)


class Socket:
    """A client's WebSocket that keeps what it heard."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.messages: list[Message] = []

    async def send(self, message: Message | bytes) -> None:
        await self.connection.send(message if isinstance(message, bytes) else json.dumps(message))

    async def receive(self) -> Message:
        async with asyncio.timeout(DEADLINE_S):
            message: Message = json.loads(await self.connection.recv())
        self.messages.append(message)
        return message

    async def until(self, wanted: str | Callable[[Message], bool]) -> Message:
        """The next message of a type, or that fits."""
        while True:
            message = await self.receive()
            if message["type"] == wanted if isinstance(wanted, str) else wanted(message):
                return message

    async def closed(self) -> tuple[int, str]:
        """Read to the end: its code and reason."""
        try:
            while True:
                await self.receive()
        except ConnectionClosed as error:
            return (error.rcvd.code, error.rcvd.reason) if error.rcvd else (1006, "")

    def of(self, type_: str) -> Sequence[Message]:
        return [message for message in self.messages if message["type"] == type_]


@asynccontextmanager
async def running_app(data_dir: Path, **options: Any) -> AsyncIterator[RunningApp]:
    """A node on a free loopback port, stopped as a signal would stop it."""
    lay_sqlite_file(data_dir / "earshot.db")
    settings = node_settings(data_dir, **{"port": 0, **options})
    serving = Serving(settings)
    faults = watched(serving.app)
    task = asyncio.create_task(serving.run(handle_signals=False), name="serving")
    ready = asyncio.create_task(serving.ready.wait())
    await asyncio.wait([ready, task], timeout=DEADLINE_S, return_when=asyncio.FIRST_COMPLETED)
    if not ready.done():
        ready.cancel()
        await task
    try:
        async with httpx.AsyncClient(base_url=serving.url, trust_env=False, verify=False, timeout=DEADLINE_S) as http:
            yield RunningApp(serving, http, task)
    finally:
        serving.stop()
        async with asyncio.timeout(DEADLINE_S):
            await task
    assert not faults, "\n".join(faults)


class AppClient(httpx.AsyncClient):
    """A client of an app without a network."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(transport=httpx.ASGITransport(app), base_url="http://localhost")
        self.app = app


@asynccontextmanager
async def in_process(settings: Settings, services: Services) -> AsyncIterator[AppClient]:
    """A client of the app without a network; errors that the app lets out would be raised here."""
    app = build_app(settings, services=services)
    faults = watched(app)
    async with app.router.lifespan_context(app), AppClient(app) as client:
        yield client
    assert not faults, "\n".join(faults)
