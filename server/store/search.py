"""Finding transcripts by their words. Inside the caller's transaction.

What is found and in what order is decided here, by counting, not by the databases' own ranks, of which no two agree:
each passage that holds one of the terms gives points, by its kind and by how many of the terms it holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.words import Segment
from server.store.listing import Wanted, conditions
from server.store.records import Transcript
from server.store.search_hits import Conditions, found_of, has
from server.store.search_words import Term
from server.store.tables import passages, segments, tracks, transcripts
from server.store.transcripts import records, selected

SNIPPETS_MAX = 3
HALF_POINTS = 1000  # give the rank 0.5


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
    where = list(conditions(wanted))
    found = None if terms is None else await found_of(conn, terms, where)
    ordered = _ordered(found, len(terms or ()), where)
    page = ordered.limit(limit).offset(offset).cte("page")
    rows = (await conn.execute(_with_best(page, found))).all()
    if not rows:
        first = None if offset == 0 else (await conn.execute(ordered.limit(1))).first()
        return [], 0 if first is None else first.total
    ids = list(dict.fromkeys(row.id for row in rows))
    passages_of = await _passages(conn, [(row.id, row.passage_id) for row in rows if row.passage_id is not None])
    full = await records(conn, (await conn.execute(selected().where(transcripts.c.id.in_(ids)))).all())
    about = {each.id: each for each in full}
    began_at = await _began_at(conn, ids)
    points = {row.id: (row.points, row.matches) for row in rows}
    hits = [
        Hit(
            about[id_],
            began_at.get(id_, 0.0),
            rank=round(points[id_][0] / (points[id_][0] + HALF_POINTS), 4),
            matches=points[id_][1],
            passages=tuple(passages_of.get(id_, ())),
        )
        for id_ in ids
    ]
    return hits, rows[0].total


def _ordered(found: sa.CTE | None, terms: int, wanted: Conditions) -> sa.Select[Any]:
    """``id``, ``points``, ``matches`` and the ``total`` of every transcript that has all terms, the best first."""
    total = sa.func.count().over().label("total")
    if found is None:
        zero = sa.literal(0, sa.Integer)
        columns = sa.select(
            transcripts.c.id, transcripts.c.created_at, zero.label("points"), zero.label("matches"), total
        )
        return columns.where(*wanted).order_by(transcripts.c.created_at.desc(), transcripts.c.id)
    # Who has all terms is asked before anything is asked of a transcript: a word may stand in most of the passages.
    has_all = [sa.func.max(sa.case((found.c[has(n)] > 0, 1), else_=0)) == 1 for n in range(terms if terms > 1 else 0)]
    ranked = (
        sa.select(
            found.c.transcript_id,
            sa.cast(sa.func.sum(found.c.points), sa.BigInteger).label("points"),
            sa.func.count().label("matches"),
        )
        .group_by(found.c.transcript_id)
        .having(sa.and_(sa.true(), *has_all))
        .subquery()
    )
    return (
        sa.select(transcripts.c.id, transcripts.c.created_at, ranked.c.points, ranked.c.matches, total)
        .join(ranked, ranked.c.transcript_id == transcripts.c.id)
        .where(*wanted)
        .order_by(ranked.c.points.desc(), transcripts.c.created_at.desc(), transcripts.c.id)
    )


def _with_best(page: sa.CTE, found: sa.CTE | None) -> sa.Select[Any]:
    """The rows of the page, each as often as it has passages to show (once, when it has none)."""
    by_rank = (page.c.points.desc(), page.c.created_at.desc(), page.c.id)
    if found is None:
        return sa.select(page, sa.null().label("passage_id")).order_by(*by_rank)
    number = sa.func.row_number().over(partition_by=found.c.transcript_id, order_by=(found.c.points.desc(), found.c.id))
    numbered = (
        sa.select(found.c.id, found.c.transcript_id, number.label("number"))
        .join(page, page.c.id == found.c.transcript_id)
        .subquery()
    )
    shown = sa.and_(numbered.c.transcript_id == page.c.id, numbered.c.number <= SNIPPETS_MAX)
    return (
        sa.select(page, numbered.c.id.label("passage_id"))
        .outerjoin(numbered, shown)
        .order_by(*by_rank, numbered.c.number)
    )


async def _passages(conn: AsyncConnection, wanted: Sequence[tuple[str, int]]) -> dict[str, list[Passage]]:
    """By transcript, in the order asked for."""
    rows = await conn.execute(
        sa.select(passages.c.id, passages.c.kind, passages.c.text, segments.c.body, segments.c.track_started_at)
        .outerjoin(
            segments,
            sa.and_(
                segments.c.transcript_id == passages.c.transcript_id,
                segments.c.segment_id == passages.c.segment_id,
                segments.c.newest.is_(True),
            ),
        )
        .where(passages.c.id.in_([passage_id for _, passage_id in wanted]))
    )
    read: dict[int, Passage] = {}
    for row in rows:
        segment = None if row.body is None else Segment.model_validate_json(row.body)
        read[row.id] = Passage(row.kind, row.text, segment, row.track_started_at or 0.0)
    shown: dict[str, list[Passage]] = {}
    for transcript_id, passage_id in wanted:
        shown.setdefault(transcript_id, []).append(read[passage_id])
    return shown


async def _began_at(conn: AsyncConnection, ids: Sequence[str]) -> dict[str, float]:
    rows = await conn.execute(
        sa.select(tracks.c.transcript_id, sa.func.min(tracks.c.started_at).label("began_at"))
        .where(tracks.c.transcript_id.in_(ids))
        .group_by(tracks.c.transcript_id)
    )
    return {row.transcript_id: row.began_at for row in rows}
