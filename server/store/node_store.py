"""Which nodes there are, and which of them holds a transcript. Every method is one transaction.

Times are by the database's clock: it is one for all nodes, whatever their own say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.errors import HeldElsewhere, NotFound
from server.store.database import Transaction
from server.store.node_tables import duties, nodes
from server.store.project_tables import chunks
from server.store.tables import tracks, transcripts

LEFT = "left"  # in place of a node, of which there is none of that name
FORGOTTEN_AFTER_S = 86_400.0  # rows of nodes that are no more


@dataclass(frozen=True, slots=True)
class Holder:
    """A node that holds a transcript."""

    node_id: str
    url: str


class Before(StrEnum):
    """Why the node that held a transcript before has it no more. Something of it may still be open."""

    STOPPED = "stopped"  # it told the sources to go on elsewhere
    GONE = "gone"  # it may have died in the middle of it


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another node that is there. ``keys_digest``: of the keys it signs with."""

    node_id: str
    url: str
    keys_digest: str


class NodeStore:
    """Raises as ``Store`` does."""

    def __init__(self, read: Transaction, write: Transaction) -> None:
        self._read = read
        self._write = write

    async def join(self, node_id: str, *, url: str, keys_digest: str, gone: Sequence[str] = ()) -> None:
        """There is a node of this id from now on, and those in ``gone`` are no more."""
        async with self._write() as conn:
            now = database_now(conn)
            await _bury(conn, nodes.c.id.in_(gone))
            forgotten = nodes.c.left_at < now - FORGOTTEN_AFTER_S
            await conn.execute(sa.delete(nodes).where(forgotten))  # what they hold is nobody's, as of those not known
            await conn.execute(sa.delete(duties).where(duties.c.node_id.not_in(_there())))
            row = {"id": node_id, "url": url, "keys_digest": keys_digest, "seen_at": now}
            await conn.execute(sa.insert(nodes).values(**row))

    async def others(self, node_id: str, *, seen_within_s: float) -> list[Neighbour]:
        """Those that are there."""
        async with self._read() as conn:
            rows = await conn.execute(
                sa.select(nodes.c.id, nodes.c.url, nodes.c.keys_digest)
                .where(
                    nodes.c.left_at.is_(None),
                    nodes.c.id != node_id,
                    nodes.c.seen_at > database_now(conn) - seen_within_s,
                )
                .order_by(nodes.c.id)
            )
            return [Neighbour(*row) for row in rows]

    async def beat(self, node_id: str) -> bool:
        """It is there. False when others found that it is not: it holds nothing any more, and joins anew."""
        async with self._write() as conn:
            done = await conn.execute(
                sa.update(nodes)
                .where(nodes.c.id == node_id, nodes.c.left_at.is_(None))
                .values(seen_at=database_now(conn))
            )
            return bool(done.rowcount)

    async def leave(self, node_id: str) -> None:
        """It is no more, as it says itself. Idempotent."""
        async with self._write() as conn:
            await _bury(conn, nodes.c.id == node_id)

    async def bury(self, *, lease_s: float) -> list[str]:
        """Those that were not seen for so long are no more; which these were."""
        async with self._write() as conn:
            return await _bury(conn, nodes.c.seen_at < database_now(conn) - lease_s)

    async def hold(self, transcript_id: str, node_id: str) -> Holder | Before | None:
        """Who holds it, if another node does. Else this one does from now on; None: it was nobody's, or this node's
        already.

        Of one in the bin, too: what was live on it comes to its end. Raises ``NotFound``, and ``HeldElsewhere`` where
        others found that this node is gone.
        """
        is_it = transcripts.c.id == transcript_id
        async with self._write() as conn:
            # Its row is held: whoever has it lets go of it before this looks, or afterwards.
            there = sa.select(transcripts.c.held_by).where(is_it, transcripts.c.destroyed_at.is_(None))
            found = (await conn.execute(there.with_for_update(key_share=True))).one_or_none()
            if found is None:
                raise NotFound("no such transcript", details={"transcript_id": transcript_id})
            is_free = is_free_for(node_id), is_there(node_id)
            done = await conn.execute(sa.update(transcripts).where(is_it, *is_free).values(held_by=node_id))
            if done.rowcount:
                return None if found.held_by in (None, node_id) else _before(found.held_by)
            row = (await conn.execute(_holder(transcript_id).where(nodes.c.id != node_id))).one_or_none()
            if row is None:
                raise HeldElsewhere("this node was found to be gone: connect again", retry_after_s=1.0)
            return Holder(row.id, row.url)

    async def holder(self, transcript_id: str) -> Holder | None:
        """The node that holds it and is there, if one does."""
        async with self._read() as conn:
            row = (await conn.execute(_holder(transcript_id).where(nodes.c.left_at.is_(None)))).one_or_none()
            return None if row is None else Holder(row.id, row.url)

    async def held_elsewhere(self, transcript_ids: Sequence[str], node_id: str) -> frozenset[str]:
        """Of these, those that another node holds that is there."""
        async with self._read() as conn:
            rows = await conn.execute(
                sa.select(transcripts.c.id).where(transcripts.c.id.in_(transcript_ids), ~is_free_for(node_id))
            )
            return frozenset(rows.scalars())

    async def let_go(self, transcript_id: str, node_id: str, *, unfinished: bool = False) -> None:
        """It works on it no more; others ``adopt`` one that is ``unfinished``. Nothing happens where it does not hold
        it."""
        async with self._write() as conn:
            await conn.execute(
                sa.update(transcripts)
                .where(transcripts.c.id == transcript_id, transcripts.c.held_by == node_id)
                .values(held_by=LEFT if unfinished else None)
            )

    async def adopt(self, node_id: str, *, limit: int, unheld: bool = False) -> dict[str, Before]:
        """Up to so many transcripts of nodes that are no more are this node's from now on, the oldest first. Without
        those in the bin: they go on when they are restored. ``unheld``: those with an unfinished track, too, that
        nobody could go on with; what is of chunks waits with them."""
        async with self._write() as conn:
            held = transcripts.c.held_by.is_not(None)
            of_nobody = held & transcripts.c.held_by.not_in(_there())
            if unheld:
                own = chunks.c.conversation_id == transcripts.c.id, chunks.c.key.is_not(None)
                is_of_chunk = sa.exists().where(*own, chunks.c.track_id == tracks.c.id)
                begun = tracks.c.transcript_id == transcripts.c.id, tracks.c.state == "open", ~is_of_chunk
                of_nobody |= ~held & sa.exists().where(*begun)
            left = (
                sa.select(transcripts.c.id, transcripts.c.held_by)
                .where(of_nobody, transcripts.c.deleted_at.is_(None))
                .order_by(transcripts.c.created_at, transcripts.c.id)
                .limit(limit)
                # Each of several nodes that look at once takes others.
                .with_for_update(skip_locked=True, key_share=True)
            )
            found = {row.id: _before(row.held_by) for row in await conn.execute(left)}
            if found:
                await conn.execute(sa.update(transcripts).where(transcripts.c.id.in_(found)).values(held_by=node_id))
            return found

    # What is done once in the whole fleet.

    async def take_duty(self, name: str, node_id: str) -> bool:
        """Whether this node has it from now on, or had it already. It does until it lets go of it or is no more; one
        that is no more, whether it knows or not, gets none."""
        own = sa.select(duties.c.node_id, is_there(node_id)).where(
            duties.c.name == name, duties.c.node_id.in_(_there())
        )
        async with self._read() as conn:
            row = (await conn.execute(own)).one_or_none()
        if row is not None:
            return row.node_id == node_id and bool(row[1])
        async with self._write() as conn:
            mine = sa.select(sa.literal(name), sa.literal(node_id)).where(is_there(node_id))
            dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
            taken = (
                dialect.insert(duties)
                .from_select(["name", "node_id"], mine)
                .on_conflict_do_update(
                    index_elements=[duties.c.name],
                    set_={"node_id": node_id},
                    where=sa.or_(duties.c.node_id == node_id, duties.c.node_id.not_in(_there())),
                )
                .returning(duties.c.name)
            )
            return (await conn.execute(taken)).one_or_none() is not None

    async def drop_duty(self, name: str, node_id: str) -> None:
        """Others may take it. Nothing happens where it is not this node's."""
        async with self._write() as conn:
            await conn.execute(sa.delete(duties).where(duties.c.name == name, duties.c.node_id == node_id))


async def held_by_others(conn: AsyncConnection, claims: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those ``(transcript, node)`` pairs of which the node does not hold the transcript. Their rows are held until the
    transaction ends, so that nobody takes one over in the middle of it."""
    claimed = set(claims)
    rows = await conn.execute(
        sa.select(transcripts.c.id, transcripts.c.held_by)
        .where(transcripts.c.id.in_(sorted({transcript_id for transcript_id, _ in claimed})))
        .order_by(transcripts.c.id)
        .with_for_update(key_share=True)
    )
    holders = {row.id: row.held_by for row in rows}
    return {claim for claim in claimed if claim[0] in holders and holders[claim[0]] != claim[1]}


async def check_held(conn: AsyncConnection, transcript_id: str, node_id: str) -> None:
    """Raises ``HeldElsewhere`` unless that node holds it; until the transaction ends, nobody takes it over."""
    if await held_by_others(conn, [(transcript_id, node_id)]):
        raise HeldElsewhere("another node has this transcript now", details={"transcript_id": transcript_id})


def is_free_for(node_id: str) -> sa.ColumnElement[bool]:
    """A transcript that this node holds, or nobody who is there."""
    holder = transcripts.c.held_by
    return sa.or_(holder.is_(None), holder == node_id, holder.not_in(_there()))


def is_waiting_for(node_id: str) -> sa.ColumnElement[bool]:
    """As ``is_free_for``, without those of which a node before left something open: who takes these ``adopts`` them."""
    return sa.or_(transcripts.c.held_by.is_(None), transcripts.c.held_by == node_id)


def is_held() -> sa.ColumnElement[bool]:
    """A transcript that some node holds that is there."""
    return transcripts.c.held_by.in_(_there())


def is_there(node_id: str) -> sa.ColumnElement[bool]:
    return sa.exists().where(nodes.c.id == node_id, nodes.c.left_at.is_(None))


def is_done_elsewhere(name: sa.ColumnElement[str], node_id: str) -> sa.ColumnElement[bool]:
    """Whether another node that is there has the duty of that name."""
    return sa.exists().where(duties.c.name == name, duties.c.node_id != node_id, duties.c.node_id.in_(_there()))


def _before(held_by: str | None) -> Before:
    return Before.STOPPED if held_by == LEFT else Before.GONE


def _there() -> sa.Select[tuple[str]]:
    return sa.select(nodes.c.id).where(nodes.c.left_at.is_(None))


def _holder(transcript_id: str) -> sa.Select[tuple[str, str]]:
    return (
        sa.select(nodes.c.id, nodes.c.url)
        .join(transcripts, transcripts.c.held_by == nodes.c.id)
        .where(transcripts.c.id == transcript_id)
    )


async def _bury(conn: AsyncConnection, which: sa.ColumnElement[bool]) -> list[str]:
    buried = await conn.execute(
        sa.update(nodes)
        .where(which, nodes.c.left_at.is_(None))
        .values(left_at=database_now(conn))
        .returning(nodes.c.id)
    )
    return sorted(buried.scalars())


def database_now(conn: AsyncConnection) -> sa.ColumnElement[float]:
    """Epoch seconds by the database's clock."""
    if conn.dialect.name == "postgresql":
        return sa.cast(sa.func.extract("epoch", sa.func.clock_timestamp()), sa.Double)
    return (sa.func.julianday("now", type_=sa.Double) - 2_440_587.5) * 86_400.0
