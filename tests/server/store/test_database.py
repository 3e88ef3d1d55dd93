"""How the database is opened, and what happens when it fails."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
import structlog

from protocol.errors import Internal, NotFound, StoreUnavailable
from server.store import database, migrate
from server.store.database import Database, transaction
from server.store.store import Store
from tests.server.databases import Postgres, SocketRelay
from tests.server.spoken import final, put


@pytest.fixture
def sqlite_path(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite+aiosqlite:///"))


async def test_sqlite_syncs_every_commit(sqlite_url: str) -> None:
    opened = await Database.open(sqlite_url)
    for engine in (opened.reads, opened.writes):
        async with transaction(engine) as conn:
            found = [
                (await conn.exec_driver_sql(f"PRAGMA {name}")).scalar_one()
                for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
            ]
        assert found == ["wal", 2, 5000, 1]
    await opened.close()


@pytest.mark.parametrize("damage", ["zeros inside", "not a database"])
async def test_a_corrupt_file_is_kept_aside(sqlite_url: str, sqlite_path: Path, damage: str) -> None:
    store = await Store.open(sqlite_url)
    made = await store.create_transcript()
    for i in range(30):
        await put(store, made.id, final(f"seg_{i}", "many words " * 20))
    await store.close()
    good = sqlite_path.read_bytes()
    bad = b"x" * 4096 if damage == "not a database" else good[:8192] + bytes(12288) + good[20480:]
    sqlite_path.write_bytes(bad)
    with structlog.testing.capture_logs() as logs:
        store = await Store.open(sqlite_url)
    with pytest.raises(NotFound):
        await store.get_transcript(made.id)
    await store.create_transcript()
    await store.close()
    assert [line["log_level"] for line in logs] == ["critical"]
    (kept,) = [path for path in sqlite_path.parent.iterdir() if ".corrupt-" in path.name]
    assert kept.read_bytes() == bad


async def test_a_lock_held_too_long_is_unavailable_and_passes(
    sqlite_url: str, sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 100)
    store = await Store.open(sqlite_url)
    made = await store.create_transcript()
    holder = sqlite3.connect(sqlite_path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable):
        await store.update_transcript(made.id, name="x")
    assert (await store.get_transcript(made.id)).name == ""  # readers go on
    holder.execute("ROLLBACK")
    holder.close()
    assert (await store.update_transcript(made.id, name="x")).name == "x"
    await store.close()


async def test_a_failing_statement_shows_no_speech(empty_database_url: str) -> None:
    opened = await Database.open(empty_database_url)

    async def say_twice() -> None:
        async with transaction(opened.writes) as conn:
            await conn.exec_driver_sql("CREATE TABLE said (word TEXT UNIQUE)")
            for _ in range(2):
                await conn.exec_driver_sql("INSERT INTO said VALUES ('secret words')")

    with structlog.testing.capture_logs() as logs, pytest.raises(Internal) as caught:
        await say_twice()
    await opened.close()
    assert "secret" not in str(logs)
    assert [entry["error"] for entry in logs] in (
        ["IntegrityError"],
        ["UniqueViolationError"],
    )  # as drivers say
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


async def test_postgresql_that_goes_and_comes_back(postgres: Postgres, postgres_url: str) -> None:
    name = postgres_url.split("/")[3].split("?")[0]
    async with SocketRelay.running(postgres.folder) as relay:
        store = await Store.open(postgres.url(name, relay.folder))
        made = await store.create_transcript()
        await relay.cut()
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                await store.get_transcript(made.id)
        await relay.heal()
        assert await store.get_transcript(made.id) == made
        await store.close()


async def test_a_migration_may_take_as_long_as_it_takes(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "COMMAND_TIMEOUT_S", 0.05)
    migrated: list[str] = []

    def upgrade(connection: sa.Connection) -> None:
        connection.exec_driver_sql("SELECT pg_sleep(0.2)")
        migrated.append(connection.dialect.name)

    monkeypatch.setattr(migrate, "upgrade", upgrade)
    await (await Store.open(postgres_url)).close()
    assert migrated == ["postgresql"]


async def test_postgresql_that_falls_silent_is_given_up(
    postgres: Postgres, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A busy machine takes a while to make a transcript, too.
    monkeypatch.setattr(database, "COMMAND_TIMEOUT_S", 2.0)
    name = postgres_url.split("/")[3].split("?")[0]
    async with SocketRelay.running(postgres.folder) as relay:
        store = await Store.open(postgres.url(name, relay.folder))
        made = await store.create_transcript()
        relay.silence()
        async with asyncio.timeout(60):
            with pytest.raises(StoreUnavailable):
                await store.get_transcript(made.id)
        await relay.cut()
        await relay.heal()
        assert await store.get_transcript(made.id) == made
        await store.close()
