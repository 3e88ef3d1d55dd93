"""Taking the words of one track out of everything that holds them, and of what was made of them. Runs inside the
caller's transaction.

The numbers of the events stay, so that a reader who comes back misses none; what is left in them says nothing.
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.events import BODY, Summarised, Transcribed
from protocol.words import Segment
from server.store.gone_sound import note_gone
from server.store.job_tables import summary_jobs
from server.store.passages import SEGMENT, write_about
from server.store.project_tables import webhook_events
from server.store.segments import aside
from server.store.tables import events, passages, segments, tracks, transcripts
from server.store.voice_tables import track_voices, voice_prints

AT_ONCE = 500  # parameters of one statement


def without_words(segment: Segment, *, revision: int | None = None) -> Segment:
    """The same place, and nothing that was said there."""
    changed: dict[str, Any] = {"text": "", "words": (), "overlap": ()}
    return segment.model_copy(update=changed if revision is None else {**changed, "revision": revision})


async def segments_of_track(conn: AsyncConnection, transcript_id: str, track_id: str) -> list[Transcribed]:
    """Its newest segments, as events that would tell them again."""
    rows = await conn.execute(
        sa.select(segments.c.body, segments.c.track_started_at)
        .where(segments.c.transcript_id == transcript_id, segments.c.newest.is_(True), _names(segments, track_id))
        .order_by(segments.c.starts_at, segments.c.segment_id)
    )
    found = await aside(_told, rows.all())
    return [each for each in found if each.segment.track == track_id]


async def erase_track(conn: AsyncConnection, transcript_id: str, track_id: str, *, now: float) -> None:
    """The track too. The transcript's row is held by the caller, who numbers the change."""
    rows = await conn.execute(
        sa.select(events.c.seq, events.c.body).where(events.c.transcript_id == transcript_id, _names(events, track_id))
    )
    emptied = [each for each in await aside(lambda row: _emptied(row, track_id), rows.all()) if each is not None]
    if emptied:
        await conn.execute(
            sa.update(events)
            .where(events.c.transcript_id == transcript_id, events.c.seq == sa.bindparam("of_seq"))
            .values(body=sa.bindparam("new_body")),
            emptied,
        )
    versions = await conn.execute(
        sa.select(segments.c.segment_id, segments.c.newest, segments.c.words, segments.c.body).where(
            segments.c.transcript_id == transcript_id, _names(segments, track_id)
        )
    )
    own = [row for row in versions.all() if Segment.model_validate_json(row.body).track == track_id]
    segment_ids = sorted({row.segment_id for row in own})
    for at in range(0, len(segment_ids), AT_ONCE):
        some = segment_ids[at : at + AT_ONCE]
        await conn.execute(
            sa.delete(segments).where(segments.c.transcript_id == transcript_id, segments.c.segment_id.in_(some))
        )
        await conn.execute(
            sa.delete(passages).where(
                passages.c.transcript_id == transcript_id,
                passages.c.kind == SEGMENT,
                passages.c.segment_id.in_(some),
            )
        )
    if newest := [row for row in own if row.newest]:
        await conn.execute(
            sa.update(transcripts)
            .where(transcripts.c.id == transcript_id)
            .values(
                segments=transcripts.c.segments - sum(row.words > 0 for row in newest),
                words=transcripts.c.words - sum(row.words for row in newest),
            )
        )
    for part in (track_voices, voice_prints):
        await conn.execute(sa.delete(part).where(part.c.track_id == track_id, part.c.transcript_id == transcript_id))
    own_track = sa.and_(tracks.c.id == track_id, tracks.c.transcript_id == transcript_id)
    for path in (await conn.execute(sa.select(tracks.c.path).where(own_track))).scalars().all():
        await note_gone(conn, path, now=now)
    await conn.execute(sa.delete(tracks).where(own_track))


async def erase_made(conn: AsyncConnection, transcript_id: str) -> None:
    """What was made of all words: title and summary, which are due again, what webhooks are told, which is made anew,
    and summaries that somebody asked for. What somebody wrote by hand stays."""
    rows = await conn.execute(
        sa.select(events.c.seq, events.c.body).where(
            events.c.transcript_id == transcript_id, events.c.body.contains('"type":"summary"', autoescape=True)
        )
    )
    empty = Summarised(summary="", method="extractive").model_dump_json()
    for row in rows.all():
        body = BODY.validate_json(row.body)
        if isinstance(body, Summarised) and body.method:
            await conn.execute(
                sa.update(events)
                .where(events.c.transcript_id == transcript_id, events.c.seq == row.seq)
                .values(body=empty)
            )
    await conn.execute(sa.delete(summary_jobs).where(summary_jobs.c.transcript_id == transcript_id))
    own = transcripts.c.id == transcript_id
    wanted = sa.select(transcripts.c.title, transcripts.c.made_title, transcripts.c.summary).where(own)
    kept = (await conn.execute(wanted)).one()
    values: dict[str, Any] = {}
    if kept.made_title and kept.title == kept.made_title:
        values["title"] = ""
    if kept.summary is not None and json.loads(kept.summary).get("method"):
        values["summary"] = None
    none_made = {"made_title": "", "summed_words": 0, "was_summed": False}
    await conn.execute(sa.update(transcripts).where(own).values(**values, **none_made))
    if values:
        await write_about(conn, transcript_id, dict.fromkeys(values, ""))
    await conn.execute(
        sa.update(webhook_events).where(webhook_events.c.transcript_id == transcript_id).values(body=None)
    )


def _names(table: sa.Table, track_id: str) -> sa.ColumnElement[bool]:
    # A first look: the body says whether it is the track that is named, or a word that looks like it.
    named: sa.ColumnElement[bool] = table.c.body.contains(f'"{track_id}"', autoescape=True)
    return named


def _told(row: Any) -> Transcribed:
    return Transcribed(segment=Segment.model_validate_json(row.body), track_started_at=row.track_started_at)


def _emptied(row: Any, track_id: str) -> dict[str, Any] | None:
    body = BODY.validate_json(row.body)
    if not isinstance(body, Transcribed) or body.segment.track != track_id:
        return None
    silent = body.model_copy(update={"segment": without_words(body.segment)})
    return {"of_seq": row.seq, "new_body": silent.model_dump_json()}
