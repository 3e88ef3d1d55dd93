"""Statements about what can be found: names, titles, summaries and final segments, in their newest version.

Each runs inside the transaction that writes what it indexes, so a search never lags behind, and costs one statement
for all the segments of a transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.store.records import storable
from server.store.search_words import indexed
from server.store.tables import passages

SEGMENT = "segment"


@dataclass(frozen=True, slots=True)
class Said:
    """The newest text of a segment. ``is_new``: there was none before."""

    transcript_id: str
    segment_id: str
    text: str
    is_new: bool


async def write_said(conn: AsyncConnection, said: Sequence[Said]) -> None:
    if new := [each for each in said if each.is_new]:
        await conn.execute(
            sa.insert(passages),
            [_row(each.transcript_id, SEGMENT, each.text) | {"segment_id": each.segment_id} for each in new],
        )
    if changed := [each for each in said if not each.is_new]:
        await conn.execute(
            sa.update(passages)
            .where(
                passages.c.transcript_id == sa.bindparam("of_transcript"),
                passages.c.kind == SEGMENT,
                passages.c.segment_id == sa.bindparam("of_segment"),
            )
            .values(text=sa.bindparam("new_text"), words=sa.bindparam("new_words")),
            [
                {
                    "of_transcript": each.transcript_id,
                    "of_segment": each.segment_id,
                    "new_text": storable(each.text),
                    "new_words": indexed(each.text),
                }
                for each in changed
            ],
        )


async def write_about(conn: AsyncConnection, transcript_id: str, texts: Mapping[str, str]) -> None:
    """What people say of a transcript, by kind (name, title, summary); an empty text is not found any more."""
    if not texts:
        return
    await conn.execute(
        sa.delete(passages).where(passages.c.transcript_id == transcript_id, passages.c.kind.in_(sorted(texts)))
    )
    if rows := [_row(transcript_id, kind, text) for kind, text in texts.items() if text.strip()]:
        await conn.execute(sa.insert(passages), rows)


def about(values: Mapping[str, Any]) -> dict[str, str]:
    """Of what was written into a transcript's row, what can be found; a summary as the record holds it."""
    texts = {kind: values[kind] for kind in ("name", "title") if isinstance(values.get(kind), str)}
    if "summary" in values:
        texts["summary"] = summary_text(values["summary"])
    return texts


def summary_text(summary: Mapping[str, Any] | None) -> str:
    parts: list[str] = []
    for key, value in (summary or {}).items():
        if key == "method":
            continue
        parts += [value] if isinstance(value, str) else [str(each) for each in value or ()]
    return "\n".join(parts)


def _row(transcript_id: str, kind: str, text: str) -> dict[str, Any]:
    return {"transcript_id": transcript_id, "kind": kind, "text": storable(text), "words": indexed(text)}
