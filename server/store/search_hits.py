"""Which passages hold the terms of a search, and what points each gives. Inside the caller's transaction.

The index says it at once of a term that few passages hold. Of one that very many hold only the newest could be looked
at while somebody waits; so where the other terms, or whose transcripts they are, leave few transcripts, those are read
instead, and nothing that is old is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.store.search_words import Term, spelled
from server.store.tables import passages, transcripts

# Passages with one term; of a word that everybody says, the newest count: more take longer than anybody waits.
HITS_MAX = 50_000
READ_MAX_TRANSCRIPTS = 2000
READ_MAX_SEGMENTS = 200_000
POINTS = {"title": 1000, "name": 1000, "summary": 400, "segment": 200}

_INDEX = sa.table("passages_index", sa.column("rowid", sa.Integer))  # SQLite's, which is in order of it

Conditions = Sequence[sa.ColumnElement[bool]]


async def found_of(conn: AsyncConnection, terms: Sequence[Term], wanted: Conditions) -> sa.CTE:
    """``id``, ``transcript_id`` and ``points`` of each passage with any of the terms; with several terms also which
    (``has_0``...). One that holds two of them gives four times the points of one that holds one. Passages of
    transcripts that are not ``wanted`` may be among them."""
    dialect = conn.dialect.name
    counts = [
        sa.select(sa.func.count()).select_from(_hits(dialect, term).limit(HITS_MAX + 1).subquery()) for term in terms
    ]
    counted = (await conn.execute(sa.select(*(count.scalar_subquery() for count in counts)))).one()
    rare = [term for term, count in zip(terms, counted, strict=True) if count <= HITS_MAX]
    if len(rare) == len(terms):
        return _looked_up(dialect, terms, ())
    if (few := await _few(conn, rare, wanted)) is not None:
        return _read(terms, few)
    return _looked_up(dialect, terms, wanted)


def has(term: int) -> str:
    return f"has_{term}"


async def _few(conn: AsyncConnection, rare: Sequence[Term], wanted: Conditions) -> list[str] | None:
    """The wanted transcripts that have the rare terms, where that are few enough to be read."""
    having = [
        transcripts.c.id.in_(_hits(conn.dialect.name, term).with_only_columns(passages.c.transcript_id))
        for term in rare
    ]
    asked = sa.select(transcripts.c.id, transcripts.c.segments).where(*wanted, *having)
    rows = (await conn.execute(asked.limit(READ_MAX_TRANSCRIPTS + 1))).all()
    if len(rows) > READ_MAX_TRANSCRIPTS or sum(row.segments for row in rows) > READ_MAX_SEGMENTS:
        return None
    return [row.id for row in rows]


def _read(terms: Sequence[Term], transcript_ids: Sequence[str]) -> sa.CTE:
    """By the words as they are indexed, in a row."""
    text = sa.literal(" ").concat(passages.c.words).concat(" ")
    holds = [
        sa.case((text.like(f"% {_in_a_row(term, ' ')}{'' if term.is_prefix else ' '}%"), 1), else_=0) for term in terms
    ]
    each = (
        sa.select(passages.c.id, passages.c.transcript_id, passages.c.kind)
        .add_columns(*(held.label(has(number)) for number, held in enumerate(holds)))
        .where(passages.c.transcript_id.in_(transcript_ids))
        .subquery()
    )
    flags = [each.c[has(number)] for number in range(len(terms))]
    held = sum(flags[1:], start=flags[0])
    return (
        sa.select(each.c.id, each.c.transcript_id, (_points(each.c.kind) * held * held).label("points"), *flags)
        .where(held > 0)
        .cte("found")
    )


def _looked_up(dialect: str, terms: Sequence[Term], wanted: Conditions) -> sa.CTE:
    """In the index. ``wanted``: of a term that more hold, the newest that are wanted; none: the newest of all."""
    age = _INDEX.c.rowid if dialect == "sqlite" else passages.c.id
    hits = []
    for number, term in enumerate(terms):
        newest = _hits(dialect, term).order_by(age.desc()).limit(HITS_MAX)
        if wanted:
            newest = newest.join(transcripts, transcripts.c.id == passages.c.transcript_id).where(*wanted)
        one = newest.subquery()
        hits.append(sa.select(one, sa.literal(number, sa.Integer).label("term")))
    if len(terms) == 1:
        only = hits[0].subquery()
        return sa.select(only.c.id, only.c.transcript_id, _points(only.c.kind).label("points")).cte("found")
    each = sa.union_all(*hits).subquery()
    held = sa.func.count()
    points = _points(sa.func.max(each.c.kind)) * held * held
    flags = [
        sa.func.max(sa.case((each.c.term == number, 1), else_=0)).label(has(number)) for number in range(len(terms))
    ]
    of_passage = sa.select(
        each.c.id, sa.func.max(each.c.transcript_id).label("transcript_id"), points.label("points"), *flags
    )
    return of_passage.group_by(each.c.id).cte("found")


def _hits(dialect: str, term: Term) -> sa.Select[Any]:
    """``id``, ``transcript_id`` and ``kind`` of the passages with the term, each once."""
    columns = sa.select(passages.c.id, passages.c.transcript_id, passages.c.kind)
    if dialect == "sqlite":
        asked = f'"{_in_a_row(term, " ")}"{"*" if term.is_prefix else ""}'
        match = sa.literal_column("passages_index").op("MATCH", is_comparison=True)(asked)
        return columns.join(_INDEX, _INDEX.c.rowid == passages.c.id).where(match)
    asked = _in_a_row(term, " <-> ") + (":*" if term.is_prefix else "")
    match = sa.literal_column("passages.lexemes").op("@@", is_comparison=True)(
        sa.func.to_tsquery(sa.literal_column("'simple'::regconfig"), asked)
    )
    return columns.where(match)


def _in_a_row(term: Term, between: str) -> str:
    return between.join(map(spelled, term.words))


def _points(kind: sa.ColumnElement[str]) -> sa.ColumnElement[int]:
    return sa.case(POINTS, value=kind, else_=0)
