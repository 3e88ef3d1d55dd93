"""Where files lie that grow bit by bit: in which data folder, and whether all of them is in the bucket. Every method is
one transaction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

import sqlalchemy as sa

from server.store.database import Transaction
from server.store.tables import transcripts


class KeptFile(Protocol):
    """Sound of a track, or pictures of a part of a meeting."""

    @property
    def id(self) -> str: ...

    @property
    def path(self) -> str:
        """Of its file, relative to the folder of recordings."""

    @property
    def kept_turn(self) -> int:
        """How many times a folder was taken for it; 0: nobody said which."""

    @property
    def is_whole(self) -> bool:
        """All of it is in the bucket, and nothing more comes."""


F = TypeVar("F", bound=KeptFile)


class KeptRows(ABC, Generic[F]):
    """Raises as ``Store`` does. ``is_at_end``: of a row, whether nothing more comes into its file just now."""

    def __init__(
        self,
        read: Transaction,
        write: Transaction,
        table: sa.Table,
        record: Callable[[sa.Row[Any]], F],
        is_at_end: sa.ColumnElement[bool],
    ) -> None:
        self._read = read
        self._write = write
        self._table = table
        self._record = record
        self._is_at_end = is_at_end
        self._may_be = sa.exists().where(
            transcripts.c.id == table.c.transcript_id,
            transcripts.c.audio_deleted.is_(False),
            transcripts.c.destroyed_at.is_(None),
        )

    @abstractmethod
    async def take(self, id_: str, folder: str) -> int:
        """The file in that folder is the one that grows from now on; returns its turn, greater than any before. Raises
        ``NotFound``."""

    async def next_turn(self, id_: str, turn: int) -> int | None:
        """The one after ``turn``, of the same folder; None when another has begun, or there is no such file."""
        columns = self._table.c
        async with self._write() as conn:
            done = await conn.execute(
                sa.update(self._table).where(columns.id == id_, columns.kept_turn == turn).values(kept_turn=turn + 1)
            )
            return turn + 1 if done.rowcount else None

    async def arrived(self, id_: str, turn: int) -> bool:
        """All of its file is in the bucket, unless another turn has begun. False where none of it may be there: it was
        deleted."""
        columns = self._table.c
        async with self._write() as conn:
            await conn.execute(
                sa.update(self._table)
                .where(columns.id == id_, columns.kept_turn == turn, self._may_be)
                .values(is_remote=True)
            )
            found = await conn.execute(sa.select(columns.id).where(columns.id == id_, self._may_be))
            return found.scalar_one_or_none() is not None

    async def left(self, folder: str, after: str, *, limit: int, nobodys: bool = False) -> list[F]:
        """Those at their end whose file lies in that folder, or in nobody knows which (``nobodys``), and is not all in
        the bucket; by id, behind ``after``."""
        columns = self._table.c
        here = columns.kept_in == folder
        wanted = (
            sa.select(self._table)
            .where(columns.id > after, columns.is_remote.is_(False), self._is_at_end, self._may_be)
            .where(sa.or_(here, columns.kept_in.is_(None)) if nobodys else here)
            .order_by(columns.id)
            .limit(limit)
        )
        async with self._read() as conn:
            return [self._record(row) for row in await conn.execute(wanted)]

    async def folders(self, ids: Sequence[str]) -> dict[str, str | None]:
        """In which folder the file of each lies; without those that there are not."""
        columns = self._table.c
        wanted = sa.select(columns.id, columns.kept_in).where(columns.id.in_(ids), self._may_be)
        async with self._read() as conn:
            return {row.id: row.kept_in for row in await conn.execute(wanted)}
