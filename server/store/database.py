"""The database behind the store: how it is opened, and what its errors mean. SQLite or PostgreSQL, by the URL."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import sqlalchemy as sa
import structlog
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from protocol.errors import EarshotError, Internal, Overloaded, StoreUnavailable
from server.store.sqlite_connection import SqliteConnection

log = structlog.get_logger(__name__)

# How the parts of the store begin one.
Transaction = Callable[[], AbstractAsyncContextManager[AsyncConnection]]

# A free connection of the pool, or a new one to the server: each takes milliseconds where it is to be had at all, and a
# client that waits for longer is better told to come again.
ACQUIRE_TIMEOUT_S = 2.0
# One statement. The heaviest of ours takes a tenth on a busy disk; searches, whose cost a stranger chooses, have
# a limit of their own. What takes longer waits for a silent server, or for a row that somebody holds.
COMMAND_TIMEOUT_S = 5.0
# PostgreSQL: an event of each of 64 sessions is one transaction, a page of the portal a few, each of milliseconds. All
# nodes and the extra ones together must stay below the server's max_connections (100 unless set): six nodes.
POOL_KEPT = 8
POOL_EXTRA_MAX = 8
# Not older: behind a balancer, an old connection may lead to a server that is none any more.
POOL_RECYCLE_S = 1800
# The server's own limits, above ours. Whoever was cut off in the middle of a transaction holds its rows: without these
# until the server finds out that he is gone, which takes hours by the usual keepalive of TCP.
ABANDONED_S = COMMAND_TIMEOUT_S + 5.0
KEEPALIVE_S = 5  # and as many seconds between the three tries after it
# Of asyncpg, for each connection: our few hundred statements, each planned once. SQLAlchemy's own is as large.
STATEMENTS_CACHED = 256
BUSY_TIMEOUT_MS = 5000  # SQLite: another process has the lock; as long as a statement may take elsewhere
# SQLite has one writer, and each commit waits for the disk: a queue in front of it is a busy disk, not an outage.
SQLITE_TURN_TIMEOUT_S = 15.0
READERS_MAX = 4  # SQLite: each is a thread
CORRUPT_CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


@dataclass(frozen=True)
class Database:
    """Two engines: on SQLite one connection writes and several read; on PostgreSQL both are the same pool."""

    reads: AsyncEngine
    writes: AsyncEngine

    @classmethod
    async def open(cls, url: str) -> Database:
        """Raises ``StoreUnavailable`` when the URL or the file cannot be used."""
        try:
            parsed = make_url(url)
        except ArgumentError:
            raise StoreUnavailable("the database URL cannot be read: use postgresql+asyncpg://... ") from None
        if parsed.get_backend_name() == "sqlite":
            return await cls._open_sqlite(parsed.set(drivername="sqlite+aiosqlite"))
        if parsed.get_backend_name() == "postgresql":
            return cls._open_postgresql(parsed.set(drivername="postgresql+asyncpg"))
        raise StoreUnavailable("the database URL must name SQLite or PostgreSQL", details={"got": parsed.drivername})

    @classmethod
    async def _open_sqlite(cls, url: URL) -> Database:
        if not url.database or url.database == ":memory:":
            raise StoreUnavailable("the SQLite URL must name a file")
        path = Path(url.database)
        await asyncio.to_thread(_prepare_file, path)
        return cls(
            reads=_sqlite_engine(url, connections=READERS_MAX, begin="BEGIN"),
            # One writer: others queue here, in order, not in SQLite's busy loop. IMMEDIATE, because a transaction that
            # reads first and then wants to write can fail at once with "locked", whatever the timeout.
            writes=_sqlite_engine(url, connections=1, begin="BEGIN IMMEDIATE"),
        )

    @classmethod
    def _open_postgresql(cls, url: URL) -> Database:
        engine = create_async_engine(
            url,
            hide_parameters=True,  # they hold speech
            pool_size=POOL_KEPT,
            max_overflow=POOL_EXTRA_MAX,
            pool_timeout=ACQUIRE_TIMEOUT_S,
            pool_recycle=POOL_RECYCLE_S,
            pool_pre_ping=True,  # a restarted database costs one look, not an error per pooled connection
            connect_args={
                "timeout": ACQUIRE_TIMEOUT_S,
                "command_timeout": COMMAND_TIMEOUT_S,
                "prepared_statement_cache_size": STATEMENTS_CACHED,
                "server_settings": _limits(),
            },
        )
        return cls(reads=engine, writes=engine)

    async def check(self) -> None:
        """Raises ``StoreUnavailable`` that says which database does not answer."""
        try:
            async with transaction(self.reads) as connection:
                await connection.exec_driver_sql("SELECT 1")
        except StoreUnavailable:
            shown = self.reads.url.render_as_string(hide_password=True)
            raise StoreUnavailable(
                f"{shown} does not answer: see that it runs, and that database_url is right"
            ) from None

    @asynccontextmanager
    async def patient(self) -> AsyncIterator[AsyncEngine]:
        """For migrations: statements and waiting for another node's may take as long as they take."""
        if self.writes.dialect.name != "postgresql":
            yield self.writes  # its statements have no limit
            return
        engine = create_async_engine(
            self.writes.url, hide_parameters=True, poolclass=sa.NullPool, connect_args={"timeout": ACQUIRE_TIMEOUT_S}
        )
        try:
            yield engine
        finally:
            await engine.dispose()

    async def close(self) -> None:
        await self.reads.dispose()
        if self.writes is not self.reads:
            await self.writes.dispose()


def _limits() -> dict[str, str]:
    abandoned_ms = str(round(ABANDONED_S * 1000))
    return {
        "application_name": "earshot",
        "statement_timeout": abandoned_ms,
        "idle_in_transaction_session_timeout": abandoned_ms,
        "tcp_keepalives_idle": str(KEEPALIVE_S),
        "tcp_keepalives_interval": str(KEEPALIVE_S),
        "tcp_keepalives_count": "3",
    }


def _sqlite_engine(url: URL, *, connections: int, begin: str) -> AsyncEngine:
    engine = create_async_engine(
        url,
        hide_parameters=True,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=SQLITE_TURN_TIMEOUT_S,
        connect_args={"async_creator_fn": SqliteConnection},
    )

    @sa.event.listens_for(engine.sync_engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver starts no transaction of its own
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout = {BUSY_TIMEOUT_MS}",
            "journal_mode = WAL",
            # FULL: the log is synced at every commit, so a stored event survives a power cut. With NORMAL only a
            # killed process is survived, and the last commits are lost with the power.
            "synchronous = FULL",
            "foreign_keys = ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine.sync_engine, "invalidate")
    def _invalidated(connection: Any, _record: object, _error: object) -> None:
        # A task that was cancelled in the middle of a statement leaves its connection to be closed; SQLite keeps one
        # with an unfinished statement open, and its lock with it: nobody could write any more. The rollback goes into
        # the queue of the connection's thread, before the close.
        driver = connection.driver_connection
        with suppress(ValueError):  # it is closed already
            driver._tx.put_nowait((None, driver._conn.rollback))

    @sa.event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _prepare_file(path: Path) -> None:
    """Make the folder; look the file over; keep a corrupt one aside. Blocking."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not _is_sound(path):
            _keep_aside(path)
    except (OSError, sqlite3.Error) as error:
        log.error("database file cannot be opened", path=str(path), error=type(error).__name__)
        raise StoreUnavailable("the database file cannot be opened", details={"path": str(path)}) from None


def _is_sound(path: Path) -> bool:
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_MS / 1000)
    try:
        return bool(connection.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",))
    except sqlite3.DatabaseError as error:
        # The low byte is the primary code. Locked, unreadable or no space is not corrupt.
        if error.sqlite_errorcode & 0xFF in CORRUPT_CODES:
            return False
        raise
    finally:
        connection.close()


def _keep_aside(path: Path) -> None:
    suffix = f".corrupt-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{time.time_ns() % 10**6:06d}"
    for part in ("", "-wal", "-shm"):
        file = Path(f"{path}{part}")
        if file.exists():
            file.rename(f"{path}{suffix}{part}")
    log.critical("database file is corrupt; it is kept aside and an empty one is made", kept=f"{path}{suffix}")


@asynccontextmanager
async def within(connection: AsyncConnection, limit_s: float) -> AsyncIterator[None]:
    """End what the connection does when it takes longer: ``Overloaded``. For reads whose cost a stranger chooses."""
    if connection.dialect.name == "postgresql":
        await connection.exec_driver_sql(f"SET LOCAL statement_timeout = {round(limit_s * 1000)}")
    driver: Any = (await connection.get_raw_connection()).driver_connection
    interrupts: list[asyncio.Task[None]] = []

    def interrupt() -> None:
        interrupts.append(asyncio.create_task(driver.interrupt()))

    is_sqlite = connection.dialect.name == "sqlite"
    timer = asyncio.get_running_loop().call_later(limit_s, interrupt) if is_sqlite else None
    try:
        yield
    except DBAPIError as error:
        if interrupts or "QueryCanceled" in type(error.orig).__name__ or "statement timeout" in str(error.orig):
            raise Overloaded("this takes too long; ask for less", retry_after_s=5.0) from None
        raise
    finally:
        if timer is not None:
            timer.cancel()
        for task in interrupts:
            await task


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One transaction. Library errors become ``StoreUnavailable`` (try again) or ``Internal`` (our statement is wrong).

    Their texts are dropped, not chained: some drivers put the values, which hold speech, into the message.
    """
    try:
        async with engine.begin() as connection:
            yield connection
    except EarshotError:
        raise
    except (IntegrityError, DataError, ProgrammingError) as error:
        log.error("database refused a statement", error=_name_of(error))
        raise Internal("the store could not do this") from None
    except (DBAPIError, PoolTimeout, TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        log.warning("database unavailable", error=_name_of(error))
        raise StoreUnavailable("the store is unavailable; try again", retry_after_s=1.0) from None


def _name_of(error: BaseException) -> str:
    """Of what the driver raised: SQLAlchemy's own classes, and those it puts in the place of asyncpg's, say less."""
    known = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return type(known.__cause__ or known).__name__
