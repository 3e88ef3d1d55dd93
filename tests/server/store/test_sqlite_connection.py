from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.store.sqlite_connection import SqliteConnection

DEADLINE_S = 60.0


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[SqliteConnection]:
    connection = await SqliteConnection(str(tmp_path / "a.db"), isolation_level=None)
    await connection.cursor().execute("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT UNIQUE)")
    yield connection
    await connection.close()


async def test_a_statement_brings_all_that_is_known_of_it(connection: SqliteConnection) -> None:
    cursor = await connection.cursor().execute("INSERT INTO things (name) VALUES (?) RETURNING id", ("one",))
    assert (await cursor.fetchall(), await cursor.fetchall(), cursor.rowcount) == ([(1,)], [], 1)
    cursor = await connection.cursor().executemany("INSERT INTO things (name) VALUES (?)", [("two",), ("three",)])
    assert (cursor.rowcount, cursor.description) == (2, None)
    cursor = await connection.cursor().execute("SELECT name FROM things ORDER BY id")
    assert [row for (row,) in await cursor.fetchall()] == ["one", "two", "three"]
    assert cursor.description is not None
    assert cursor.description[0][0] == "name"


async def test_a_statement_that_fails_holds_nothing(connection: SqliteConnection, tmp_path: Path) -> None:
    await connection.cursor().execute("INSERT INTO things (name) VALUES ('one')")
    with pytest.raises(sqlite3.IntegrityError):
        await connection.cursor().execute("INSERT INTO things (name) VALUES ('two'), ('one') RETURNING id")
    other = sqlite3.connect(tmp_path / "a.db", timeout=0)
    assert other.execute("INSERT INTO things (name) VALUES ('three') RETURNING id").fetchone() == (2,)
    other.rollback()
    other.close()


async def test_what_is_under_way_is_waited_for_and_rolled_back(connection: SqliteConnection) -> None:
    await connection.rollback()  # of nothing
    may_begin = threading.Event()
    await connection.create_function("wait", 0, lambda: may_begin.wait(DEADLINE_S))
    statements = "SELECT wait()", "BEGIN IMMEDIATE", "INSERT INTO things (name) VALUES ('one')"
    asking = [asyncio.create_task(connection.cursor().execute(each)) for each in statements]
    await asyncio.sleep(0)
    rolling = asyncio.create_task(connection.rollback())
    await asyncio.sleep(0)
    may_begin.set()
    await asyncio.gather(*asking, rolling)
    assert not connection.in_transaction
    assert await (await connection.cursor().execute("SELECT * FROM things")).fetchall() == []
