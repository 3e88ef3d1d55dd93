"""Finding transcripts by their words. Inside the caller's transaction.

What is found and in what order is decided here, by counting, not by the databases' own ranks, of which no two agree:
each passage that holds one of the terms gives points, by its kind and by how many of the terms it holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.words import Segment
from server.store.listing import Wanted, conditions
from server.store.records import Transcript
from server.store.search_words import Term, spelled
from server.store.tables import passages, segments, tracks, transcripts
from server.store.transcripts import records, selected

SNIPPETS_MAX = 3
# Passages with one term; of a word that everybody says, the newest count.
HITS_MAX = 20_000
POINTS = {"title": 1000, "name": 1000, "summary": 400, "segment": 200}
HALF_POINTS = 1000  # give the rank 0.5

Conditions = Sequence[sa.ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Passage:
    """A text that was found. Of a segment also who says it and where on which track."""

    kind: str
    text: str
    segment: Segment | None = None
    track_started_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Hit:
    """``rank`` is 0..1, ``matches`` counts the passages with any of the terms."""

    transcript: Transcript
    began_at: float  # when its first track did
    rank: float
    matches: int
    passages: tuple[Passage, ...]


async def search(
    conn: AsyncConnection, terms: Sequence[Term] | None, wanted: Wanted, *, limit: int, offset: int
) -> tuple[list[Hit], int]:
    """A page of the transcripts that have all ``terms`` (None: of all there are, the newest first), and how many there
    are. No terms: none."""
    if terms is not None and not terms:
        return [], 0
    ranked = _ranked(conn.dialect.name, terms, _conditions(wanted))
    query = (
        sa.select(ranked.c.id, ranked.c.points, ranked.c.matches, sa.func.count().over().label("total"))
        .join(transcripts, transcripts.c.id == ranked.c.id)
        .order_by(ranked.c.points.desc(), transcripts.c.created_at.desc(), transcripts.c.id)
    )
    rows = (await conn.execute(query.limit(limit).offset(offset))).all()
    if not rows:
        first = None if offset == 0 else (await conn.execute(query.limit(1))).one_or_none()
        return [], 0 if first is None else first.total
    ids = [row.id for row in rows]
    found = await _passages(conn, terms, ids) if terms else {}
    full = await records(conn, (await conn.execute(selected().where(transcripts.c.id.in_(ids)))).all())
    about = {each.id: each for each in full}
    began_at = await _began_at(conn, ids)
    hits = [
        Hit(
            about[row.id],
            began_at.get(row.id, 0.0),
            rank=round(row.points / (row.points + HALF_POINTS), 4),
            matches=row.matches,
            passages=tuple(found.get(row.id, ())),
        )
        for row in rows
    ]
    return hits, rows[0].total


def _conditions(wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    found = list(conditions(wanted))
    if wanted.deleted != "without" and not wanted.viewer.sees_all:
        # What somebody shares is not looked for in their bin.
        found.append(
            transcripts.c.deleted_at.is_(None) | transcripts.c.owner.is_not_distinct_from(wanted.viewer.user_id)
        )
    return found


def _ranked(dialect: str, terms: Sequence[Term] | None, wanted: Conditions) -> sa.Subquery:
    """``id``, ``points`` and ``matches`` of every transcript that has all terms."""
    if terms is None:
        zero = sa.literal(0, sa.Integer)
        everything = sa.select(transcripts.c.id, zero.label("points"), zero.label("matches"))
        return everything.where(*wanted).subquery()
    hits = _hits(dialect, terms, wanted)
    found = _found(hits)
    whole = (
        sa.select(hits.c.transcript_id)
        .group_by(hits.c.transcript_id)
        .having(sa.func.count(sa.distinct(hits.c.term)) == len(terms))
        .cte("whole")
    )
    return (
        sa.select(
            found.c.transcript_id.label("id"),
            sa.cast(sa.func.sum(found.c.points), sa.BigInteger).label("points"),
            sa.func.count().label("matches"),
        )
        .join(whole, whole.c.transcript_id == found.c.transcript_id)
        .group_by(found.c.transcript_id)
        .subquery()
    )


def _hits(dialect: str, terms: Sequence[Term], wanted: Conditions) -> sa.CTE:
    """A row for each passage and term that it holds."""
    each = [_hits_of(dialect, term, number, wanted) for number, term in enumerate(terms)]
    return sa.union_all(*each).cte("hits")


def _hits_of(dialect: str, term: Term, number: int, wanted: Conditions) -> sa.Select[tuple[int, str, str, int]]:
    joined = sa.join(passages, transcripts, transcripts.c.id == passages.c.transcript_id)
    order: sa.ColumnElement[int] = passages.c.id
    if dialect == "sqlite":
        index = sa.table("passages_index", sa.column("rowid", sa.Integer))
        joined = index.join(joined, passages.c.id == index.c.rowid)
        order = index.c.rowid
        phrase = " ".join(map(spelled, term.words))
        match = sa.literal_column("passages_index").op("MATCH", is_comparison=True)(
            f'"{phrase}"{"*" if term.is_prefix else ""}'
        )
    else:
        phrase = " <-> ".join(map(spelled, term.words))
        match = sa.literal_column("passages.lexemes").op("@@", is_comparison=True)(
            sa.func.to_tsquery(sa.literal_column("'simple'::regconfig"), phrase + (":*" if term.is_prefix else ""))
        )
    newest = (
        sa.select(passages.c.id, passages.c.transcript_id, passages.c.kind)
        .select_from(joined)
        .where(match, *wanted)
        .order_by(order.desc())
        .limit(HITS_MAX)
        .subquery()
    )
    return sa.select(newest.c.id, newest.c.transcript_id, newest.c.kind, sa.literal(number, sa.Integer).label("term"))


def _found(hits: sa.CTE) -> sa.CTE:
    """A row for each passage. One that holds two of the terms gives four times the points of one that holds one."""
    terms = sa.func.count(sa.distinct(hits.c.term))
    points = sa.case(POINTS, value=hits.c.kind, else_=0) * terms * terms
    return (
        sa.select(hits.c.id, hits.c.transcript_id, points.label("points"))
        .group_by(hits.c.id, hits.c.transcript_id, hits.c.kind)
        .cte("found")
    )


async def _passages(conn: AsyncConnection, terms: Sequence[Term], ids: Sequence[str]) -> dict[str, list[Passage]]:
    """The best of each transcript: those with most points, the first of such."""
    found = _found(_hits(conn.dialect.name, terms, [transcripts.c.id.in_(ids)]))
    number = sa.func.row_number().over(partition_by=found.c.transcript_id, order_by=(found.c.points.desc(), found.c.id))
    best = sa.select(found.c.id, found.c.points, number.label("number")).subquery()
    rows = await conn.execute(
        sa.select(
            passages.c.transcript_id, passages.c.kind, passages.c.text, segments.c.body, segments.c.track_started_at
        )
        .join(best, best.c.id == passages.c.id)
        .outerjoin(
            segments,
            sa.and_(
                segments.c.transcript_id == passages.c.transcript_id,
                segments.c.segment_id == passages.c.segment_id,
                segments.c.newest.is_(True),
            ),
        )
        .where(best.c.number <= SNIPPETS_MAX)
        .order_by(passages.c.transcript_id, best.c.number)
    )
    shown: dict[str, list[Passage]] = {}
    for row in rows:
        segment = None if row.body is None else Segment.model_validate_json(row.body)
        passage = Passage(row.kind, row.text, segment, row.track_started_at or 0.0)
        shown.setdefault(row.transcript_id, []).append(passage)
    return shown


async def _began_at(conn: AsyncConnection, ids: Sequence[str]) -> dict[str, float]:
    rows = await conn.execute(
        sa.select(tracks.c.transcript_id, sa.func.min(tracks.c.started_at).label("began_at"))
        .where(tracks.c.transcript_id.in_(ids))
        .group_by(tracks.c.transcript_id)
    )
    return {row.transcript_id: row.began_at for row in rows}
