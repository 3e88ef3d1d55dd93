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
from server.store.search_words import Term, spelled
from server.store.tables import passages, segments, tracks, transcripts
from server.store.transcripts import records, selected

SNIPPETS_MAX = 3
# Passages with one term; of a word that everybody says, the newest count: more take longer than anybody waits.
HITS_MAX = 200_000
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
    found = None if terms is None else _found(conn.dialect.name, terms)
    ordered = _ordered(found, len(terms or ()), list(conditions(wanted)))
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
    has_all = [sa.func.max(sa.case((found.c[_has(n)] > 0, 1), else_=0)) == 1 for n in range(terms if terms > 1 else 0)]
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


def _has(term: int) -> str:
    return f"has_{term}"


def _found(dialect: str, terms: Sequence[Term]) -> sa.CTE:
    """A row for each passage with any of the terms; with several, also which. One that holds two of them gives four
    times the points of one that holds one."""
    points = sa.case(POINTS, value=passages.c.kind, else_=0)
    if len(terms) == 1:
        hits = _hits_of(dialect, terms[0], 0).subquery()
        columns = sa.select(passages.c.id, passages.c.transcript_id, points.label("points"))
        return columns.join(hits, hits.c.id == passages.c.id).cte("found")
    each = sa.union_all(*(_hits_of(dialect, term, number) for number, term in enumerate(terms))).subquery()
    has = [sa.func.max(sa.case((each.c.term == n, 1), else_=0)).label(_has(n)) for n in range(len(terms))]
    counted = sa.select(each.c.id, sa.func.count().label("terms"), *has).group_by(each.c.id).subquery()
    return (
        sa.select(
            *(passages.c.id, passages.c.transcript_id, (points * counted.c.terms * counted.c.terms).label("points")),
            *(counted.c[_has(n)] for n in range(len(terms))),
        )
        .join(counted, counted.c.id == passages.c.id)
        .cte("found")
    )


def _hits_of(dialect: str, term: Term, number: int) -> sa.Select[tuple[int, int]]:
    """Passages with the term, each once."""
    if dialect == "sqlite":
        index = sa.table("passages_index", sa.column("rowid", sa.Integer))
        phrase = " ".join(map(spelled, term.words))
        asked = f'"{phrase}"{"*" if term.is_prefix else ""}'
        match = sa.literal_column("passages_index").op("MATCH", is_comparison=True)(asked)
        newest = sa.select(index.c.rowid.label("id")).where(match).order_by(index.c.rowid.desc()).limit(HITS_MAX)
    else:
        asked = " <-> ".join(map(spelled, term.words)) + (":*" if term.is_prefix else "")
        match = sa.literal_column("passages.lexemes").op("@@", is_comparison=True)(
            sa.func.to_tsquery(sa.literal_column("'simple'::regconfig"), asked)
        )
        newest = sa.select(passages.c.id).where(match).order_by(passages.c.id.desc()).limit(HITS_MAX)
    hits = newest.subquery()
    return sa.select(hits.c.id, sa.literal(number, sa.Integer).label("term"))


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
