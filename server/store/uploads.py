"""Statements about files that come in chunks. Each runs inside the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.errors import Conflict, NotFound, Overloaded, TooLarge
from server.store.changes import check_takes_sound, hold
from server.store.records import VoicesAsked, storable
from server.store.tables import transcripts, upload_chunks, uploads

# open: chunks are taken. joining: it was told to be complete, and is on its way to the intake. done: it is there.
UploadState = Literal["open", "joining", "done"]


@dataclass(frozen=True, slots=True)
class ChunkedUpload:
    """A file on its way. What the client did not say is None. ``received_*`` are of the chunks that are here."""

    id: str
    transcript_id: str
    name: str
    language: str | None
    chunks: int
    length_bytes: int | None
    sha256: str | None
    state: UploadState
    created_at: float
    updated_at: float
    diarize: bool | None = None
    speakers_expected: int | None = None
    max_speakers: int | None = None
    received_chunks: int = 0
    received_bytes: int = 0

    @property
    def voices(self) -> VoicesAsked:
        return VoicesAsked(self.diarize, self.speakers_expected, self.max_speakers)


@dataclass(frozen=True, slots=True)
class Chunk:
    number: int
    length_bytes: int
    sha256: str


def not_found(upload_id: str) -> NotFound:
    return NotFound("no such upload", details={"upload_id": upload_id})


async def begin(
    conn: AsyncConnection, upload: ChunkedUpload, *, per_transcript_max: int, owner_max: int | None, open_max: int
) -> ChunkedUpload:
    """``owner_max`` None: its owner may have as many as there may be. Raises ``NotFound`` without the transcript,
    ``Conflict`` when it is locked, or it or its owner has too many, ``Overloaded``."""
    # The row is held, so that of two that begin at once the second one counts the first.
    check_takes_sound(await hold(conn, upload.transcript_id))
    if known := await _select(conn, uploads.c.id == upload.id):
        return known[0]  # another node began it just now
    is_open = uploads.c.state != "done"
    mine = (
        sa.select(sa.func.count()).select_from(uploads).where(is_open, uploads.c.transcript_id == upload.transcript_id)
    )
    if (await conn.execute(mine)).scalar_one() >= per_transcript_max:
        raise Conflict(
            "too many uploads of this transcript are unfinished; complete or delete one",
            details={"uploads_max": per_transcript_max},
        )
    if owner_max is not None:
        # Of what nobody owns there is none: NULL equals nothing.
        this = transcripts.alias()
        owner = sa.select(this.c.owner).where(this.c.id == upload.transcript_id).scalar_subquery()
        owned = sa.select(transcripts.c.id).where(transcripts.c.owner == owner)
        owners = sa.select(sa.func.count()).select_from(uploads).where(is_open, uploads.c.transcript_id.in_(owned))
        if (await conn.execute(owners)).scalar_one() >= owner_max:
            raise Conflict(
                "too many of your uploads are unfinished; complete or delete one", details={"uploads_max": owner_max}
            )
    everyone = sa.select(sa.func.count()).select_from(uploads).where(is_open)
    if (await conn.execute(everyone)).scalar_one() >= open_max:
        raise Overloaded("too many uploads are unfinished; try again later", retry_after_s=60)
    values = {column.name: getattr(upload, column.name) for column in uploads.c}
    await conn.execute(sa.insert(uploads).values(**{**values, "name": storable(upload.name)}))
    return await get(conn, upload.transcript_id, upload.id)


async def get(conn: AsyncConnection, transcript_id: str, upload_id: str) -> ChunkedUpload:
    """Only of this transcript: an id of another one's is not found."""
    found = await _select(conn, uploads.c.id == storable(upload_id), uploads.c.transcript_id == transcript_id)
    if not found:
        raise not_found(upload_id)
    return found[0]


async def of_transcript(conn: AsyncConnection, transcript_id: str) -> list[ChunkedUpload]:
    return await _select(conn, uploads.c.transcript_id == transcript_id)


async def everyone(conn: AsyncConnection) -> list[ChunkedUpload]:
    return await _select(conn)


async def chunks_of(conn: AsyncConnection, upload_id: str) -> list[Chunk]:
    rows = await conn.execute(
        sa.select(upload_chunks.c.number, upload_chunks.c.length_bytes, upload_chunks.c.sha256)
        .where(upload_chunks.c.upload_id == upload_id)
        .order_by(upload_chunks.c.number)
    )
    return [Chunk(*row) for row in rows]


async def chunk(conn: AsyncConnection, upload_id: str, number: int) -> Chunk | None:
    row = await conn.execute(
        sa.select(upload_chunks.c.number, upload_chunks.c.length_bytes, upload_chunks.c.sha256).where(
            upload_chunks.c.upload_id == upload_id, upload_chunks.c.number == number
        )
    )
    found = row.one_or_none()
    return None if found is None else Chunk(*found)


async def add_chunk(
    conn: AsyncConnection, transcript_id: str, upload_id: str, added: Chunk, *, bytes_max: int, now: float
) -> ChunkedUpload:
    """Raises ``NotFound``, ``Conflict`` when it takes no more chunks, ``TooLarge`` when all of it would be."""
    held = await conn.execute(sa.select(uploads.c.state).where(uploads.c.id == upload_id).with_for_update())
    state = held.scalar_one_or_none()
    if state is None:
        raise not_found(upload_id)
    if state != "open":
        raise Conflict("this upload is complete and takes no more chunks")
    upload = await get(conn, transcript_id, upload_id)
    if upload.received_bytes + added.length_bytes > bytes_max:
        raise TooLarge("the chunks are larger than the whole may be", details={"max_bytes": bytes_max})
    await conn.execute(
        sa.insert(upload_chunks).values(
            upload_id=upload_id, number=added.number, length_bytes=added.length_bytes, sha256=added.sha256
        )
    )
    await conn.execute(sa.update(uploads).where(uploads.c.id == upload_id).values(updated_at=now))
    return await get(conn, transcript_id, upload_id)


async def set_state(conn: AsyncConnection, upload_id: str, state: UploadState, *, now: float) -> None:
    await conn.execute(sa.update(uploads).where(uploads.c.id == upload_id).values(state=state, updated_at=now))


async def forget_chunk(conn: AsyncConnection, upload_id: str, number: int) -> None:
    """Its bytes are gone: it must be sent again."""
    await conn.execute(
        sa.delete(upload_chunks).where(upload_chunks.c.upload_id == upload_id, upload_chunks.c.number == number)
    )


async def delete(conn: AsyncConnection, upload_id: str) -> None:
    """Idempotent. Its chunks go with it (foreign keys cascade)."""
    await conn.execute(sa.delete(uploads).where(uploads.c.id == upload_id))


async def _select(conn: AsyncConnection, *wanted: sa.ColumnElement[bool]) -> list[ChunkedUpload]:
    received = (
        sa.select(
            upload_chunks.c.upload_id,
            sa.func.count().label("received_chunks"),
            sa.func.sum(upload_chunks.c.length_bytes).label("received_bytes"),
        )
        .group_by(upload_chunks.c.upload_id)
        .subquery()
    )
    rows = await conn.execute(
        sa.select(uploads, received.c.received_chunks, received.c.received_bytes)
        .join(received, received.c.upload_id == uploads.c.id, isouter=True)
        .where(*wanted)
        .order_by(uploads.c.created_at, uploads.c.id)
    )
    return [_record(row) for row in rows]


def _record(row: sa.Row[Any]) -> ChunkedUpload:
    values = dict(row._mapping)
    # PostgreSQL adds big integers up to a decimal.
    values["received_chunks"] = int(values["received_chunks"] or 0)
    values["received_bytes"] = int(values["received_bytes"] or 0)
    return ChunkedUpload(**values)
