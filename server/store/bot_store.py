"""Bots that attend meetings, and the transcripts that they make. Every method is one transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol import ids
from protocol.errors import Conflict, NotFound
from protocol.states import TranscriptState
from protocol.wire.bot_items import Began
from server.store import endpoint_store, transcripts
from server.store.bot_tables import bots, realtime_endpoints
from server.store.database import Transaction
from server.store.endpoint_store import Endpoint, NewEndpoint
from server.store.records import Transcript, storable
from server.store.standing import Viewer, owned_by
from server.store.tables import transcripts as all_transcripts

Cursor = tuple[float, str]  # where a page goes on: when the last one was made, and its id
StatusCode = Literal["processing", "done", "failed", "paused"]
_CODES: Mapping[TranscriptState, StatusCode] = {
    TranscriptState.IDLE: "processing",
    TranscriptState.RECORDING: "processing",
    TranscriptState.PAUSED: "paused",
    TranscriptState.PROCESSING: "processing",
    TranscriptState.ENDED: "done",
    TranscriptState.FAILED: "failed",
}
_MAY_PAUSE = (TranscriptState.IDLE, TranscriptState.RECORDING)


@dataclass(frozen=True, slots=True)
class Bot:
    """``began``: when its recording did; ``left_at``: since when nothing more is taken, in epoch seconds;
    ``paused_at``: since when what it sends is not recorded."""

    id: str
    name: str
    meeting_url: str | None
    metadata: Mapping[str, str]
    language: str | None
    created_at: float
    began: Began | None
    left_at: float | None
    paused_at: float | None
    transcript: Transcript
    signing_secret: str | None = field(default=None, repr=False)
    endpoints: Sequence[Endpoint] = ()

    @property
    def cursor(self) -> Cursor:
        return self.created_at, self.id

    @property
    def status(self) -> StatusCode:
        """Of its recording."""
        state = self.transcript.state
        return "paused" if self.paused_at is not None and state in _MAY_PAUSE else _CODES[state]

    @property
    def status_at(self) -> float:
        """Since when its recording has that, which nothing moves that is written or made of it later."""
        moved_at = self.transcript.state_at or self.transcript.created_at
        return max(moved_at, self.paused_at or 0.0) if self.status == "paused" else moved_at


@dataclass(frozen=True, slots=True)
class BotsWanted:
    """Which of all bots; None: whichever. Times are epoch seconds."""

    bot_id: str | None = None
    transcript_id: str | None = None
    status: StatusCode | None = None
    created_after: float | None = None
    created_before: float | None = None
    has_endpoints: bool = False  # only those that name any


@dataclass(frozen=True, slots=True)
class NewBot:
    """``token_hash``: of what it shows when it connects; ``signing_secret``: with which it signs that, if it does."""

    name: str
    meeting_url: str | None
    metadata: Mapping[str, str]
    language: str | None
    owner: str | None
    token_hash: str = field(repr=False)
    signing_secret: str | None = field(default=None, repr=False)
    endpoints: tuple[NewEndpoint, ...] = ()


class BotStore:
    """Raises as ``Store`` does."""

    def __init__(self, read: Transaction, write: Transaction, clock: Callable[[], float]) -> None:
        self._read = read
        self._write = write
        self._clock = clock

    async def create(self, new: NewBot, *, language: str) -> Bot:
        """A bot, and its transcript. ``language``: that of the server, where the bot has none of its own."""
        now = self._clock()
        bot_id = ids.new_bot_id()
        async with self._write() as conn:
            transcript = await transcripts.create(
                conn,
                ids.new_transcript_id(),
                name=new.name,
                language=new.language or language,
                owner=new.owner,
                now=now,
            )
            values = {
                "id": bot_id,
                "transcript_id": transcript.id,
                "name": storable(new.name),
                "meeting_url": None if new.meeting_url is None else storable(new.meeting_url),
                "metadata": json.dumps({storable(key): storable(value) for key, value in new.metadata.items()}),
                "language": new.language,
                "token_hash": new.token_hash,
                "signing_secret": new.signing_secret,
                "created_at": now,
            }
            await conn.execute(sa.insert(bots).values(**values))
            await endpoint_store.add(conn, transcript.id, new.endpoints, now=now)
            return await _one(conn, bots.c.id == bot_id)

    async def get(self, bot_id: str) -> Bot:
        """Raises ``NotFound``, too, where its transcript is in the bin."""
        async with self._read() as conn:
            return await _one(conn, bots.c.id == bot_id)

    async def of_recording(self, transcript_id: str) -> Bot:
        """Raises as ``get``."""
        async with self._read() as conn:
            return await _one(conn, bots.c.transcript_id == transcript_id)

    async def attending(self, token_hash: str) -> Bot | None:
        """Whose token that is."""
        async with self._read() as conn:
            found = await _bots(conn, _selected().where(bots.c.token_hash == token_hash))
            return found[0] if found else None

    async def newest(
        self,
        viewer: Viewer,
        *,
        limit: int,
        before: Cursor | None = None,
        after: Cursor | None = None,
        wanted: BotsWanted | None = None,
    ) -> list[Bot]:
        """One's own, the newest first: those made before another, or the ``limit`` ones that were made next ``after``
        it."""
        mine = sa.true() if viewer.sees_all else owned_by(all_transcripts, viewer)
        order = [bots.c.created_at.asc(), bots.c.id.asc()] if after else [bots.c.created_at.desc(), bots.c.id.desc()]
        asked = _selected().where(mine, *_conditions(wanted or BotsWanted())).order_by(*order).limit(limit)
        place = sa.tuple_(bots.c.created_at, bots.c.id)
        if before is not None:
            asked = asked.where(place < sa.tuple_(*map(sa.literal, before)))
        if after is not None:
            asked = asked.where(place > sa.tuple_(*map(sa.literal, after)))
        async with self._read() as conn:
            found = await _bots(conn, asked)
        return found[::-1] if after else found

    async def began(self, bot_id: str, began: Began) -> None:
        """Its recording began then, unless that is known already."""
        own = bots.c.id == bot_id, bots.c.began_at.is_(None)
        async with self._write() as conn:
            await conn.execute(sa.update(bots).where(*own).values(began_at=began.at, ahead_s=began.ahead_s))

    async def pause(self, bot_id: str, *, paused: bool) -> Bot:
        """What it sends is not recorded, or is again. Raises ``NotFound``, and ``Conflict`` where it has left."""
        async with self._write() as conn:
            bot = await _one(conn, bots.c.id == bot_id)
            if bot.left_at is not None:
                raise Conflict("this bot has left its call", details={"bot_id": bot_id})
            at = (bot.paused_at or self._clock()) if paused else None
            await conn.execute(sa.update(bots).where(bots.c.id == bot_id).values(paused_at=at))
            return replace(bot, paused_at=at)

    async def leave(self, bot_id: str) -> Bot:
        """Nothing more of it is taken from now on. Raises ``NotFound``."""
        async with self._write() as conn:
            await conn.execute(
                sa.update(bots).where(bots.c.id == bot_id, bots.c.left_at.is_(None)).values(left_at=self._clock())
            )
            return await _one(conn, bots.c.id == bot_id)


def _conditions(wanted: BotsWanted) -> Iterator[sa.ColumnElement[bool]]:
    if wanted.bot_id is not None:
        yield bots.c.id == wanted.bot_id
    if wanted.transcript_id is not None:
        yield bots.c.transcript_id == wanted.transcript_id
    if wanted.created_after is not None:
        yield bots.c.created_at > wanted.created_after
    if wanted.created_before is not None:
        yield bots.c.created_at < wanted.created_before
    if wanted.has_endpoints:
        yield sa.exists().where(realtime_endpoints.c.transcript_id == bots.c.transcript_id)
    if wanted.status is not None:
        pausing = sa.and_(bots.c.paused_at.is_not(None), all_transcripts.c.state.in_(_MAY_PAUSE))
        is_so = all_transcripts.c.state.in_([state for state, code in _CODES.items() if code == wanted.status])
        yield sa.or_(pausing, is_so) if wanted.status == "paused" else sa.and_(is_so, sa.not_(pausing))


def _selected() -> sa.Select[Any]:
    return (
        sa.select(bots)
        .join(all_transcripts, all_transcripts.c.id == bots.c.transcript_id)
        .where(all_transcripts.c.deleted_at.is_(None), all_transcripts.c.destroyed_at.is_(None))
    )


async def _one(conn: AsyncConnection, wanted: sa.ColumnElement[bool]) -> Bot:
    found = await _bots(conn, _selected().where(wanted))
    if not found:
        raise NotFound("no such bot")
    return found[0]


async def _bots(conn: AsyncConnection, wanted: sa.Select[Any]) -> list[Bot]:
    rows = (await conn.execute(wanted)).all()
    of_each = transcripts.selected().where(all_transcripts.c.id.in_([row.transcript_id for row in rows]))
    found = {each.id: each for each in await transcripts.records(conn, (await conn.execute(of_each)).all())}
    endpoints = await endpoint_store.of_transcripts(conn, list(found))
    return [
        Bot(
            id=row.id,
            name=row.name,
            meeting_url=row.meeting_url,
            metadata=json.loads(row.metadata),
            language=row.language,
            created_at=row.created_at,
            began=None if row.began_at is None else Began(row.began_at, row.ahead_s),
            left_at=row.left_at,
            paused_at=row.paused_at,
            signing_secret=row.signing_secret,
            transcript=found[row.transcript_id],
            endpoints=[each for each in endpoints if each.transcript_id == row.transcript_id],
        )
        for row in rows
    ]
