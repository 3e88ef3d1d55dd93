"""SQLite's connection as SQLAlchemy sees it, whose thread is visited once for each statement.

aiosqlite goes to the thread for a cursor, for the statement, for its rows and for the cursor's end, one after the
other; and each way there and back costs more than most of our statements. Here a statement is one visit, with all its
rows, which SQLAlchemy would take at once anyway. Measured in microseconds of the process's CPU, on two cores that had
other work: a statement takes 175 to 270 in place of 430 to 450, and the GET of one transcript a fifth less.

aiosqlite has no public way for that: its private ``_thread``, ``_conn`` and ``_execute`` are taken. One of another
version that has them no more fails with the first connection, and not later.
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, Self

import aiosqlite


class SqliteConnection:
    """To be awaited, as aiosqlite's own, which does all that is not said here."""

    def __init__(self, database: str, **options: Any) -> None:
        self._driver = aiosqlite.connect(database, **options)
        # As SQLAlchemy's own way to connect does it: what is not closed keeps no process from its end.
        self._driver._thread.daemon = True
        # A task that is cancelled again, while its connection is being closed, stops the connection's thread a second
        # time; the first close would then wait for ever for a thread that is gone.
        vars(self._driver)["stop"] = functools.cache(self._driver.stop)
        self._under_way = 0

    def __await__(self) -> Generator[Any, None, Self]:
        yield from self._driver.__await__()
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)

    def cursor(self) -> SqliteCursor:
        return SqliteCursor(self)

    async def rollback(self) -> None:
        if self._under_way or self._driver.in_transaction:
            await self._driver.rollback()

    async def visit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        self._under_way += 1
        try:
            driver: Any = self._driver
            return await driver._execute(function, driver._conn, *arguments)
        finally:
            self._under_way -= 1


class SqliteCursor:
    """What a statement left, once it was executed."""

    arraysize = 1

    def __init__(self, connection: SqliteConnection) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Sequence[Any] | None = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Self:
        await self._connection.visit(self._execute, statement, parameters)
        return self

    async def executemany(self, statement: str, parameters: Iterable[Sequence[Any]]) -> Self:
        await self._connection.visit(self._executemany, statement, parameters)
        return self

    async def fetchall(self) -> list[Any]:
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        self._rows = []

    # In the connection's thread.

    def _execute(self, connection: sqlite3.Connection, statement: str, parameters: Sequence[Any]) -> None:
        self._take(connection.execute(statement, parameters))

    def _executemany(self, connection: sqlite3.Connection, statement: str, parameters: Iterable[Sequence[Any]]) -> None:
        self._take(connection.executemany(statement, parameters))

    def _take(self, cursor: sqlite3.Cursor) -> None:
        try:
            if cursor.description is not None:
                self._rows = cursor.fetchall()
            self.description, self.rowcount, self.lastrowid = cursor.description, cursor.rowcount, cursor.lastrowid
        finally:
            cursor.close()
