"""SQL that is compiled once for all databases of a process, instead of once for each engine.

A test opens a database of its own, and SQLAlchemy keeps what it compiled with the engine: two fifths of what a node's
start costs were the same sixty statements again. Dialects of one kind are the same here, so that engines find each
other's.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite

_compiled: dict[Any, Any] = {}


class SharedSqlite(SQLiteDialect_aiosqlite):
    supports_statement_cache = True

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    @classmethod
    def engine_created(cls, engine: sa.Engine) -> None:
        engine.update_execution_options(compiled_cache=_compiled)


class SharedPostgresql(PGDialect_asyncpg):
    supports_statement_cache = True

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    @classmethod
    def engine_created(cls, engine: sa.Engine) -> None:
        engine.update_execution_options(compiled_cache=_compiled)


def share_statements() -> None:
    """From now on, for every engine of this process."""
    registry.register("sqlite.aiosqlite", __name__, SharedSqlite.__name__)
    registry.register("postgresql.asyncpg", __name__, SharedPostgresql.__name__)
