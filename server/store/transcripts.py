"""Statements about transcripts. Each runs inside the caller's transaction."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.errors import Conflict, NotFound, PreconditionFailed
from protocol.events import Event, Summarised
from protocol.states import TRANSCRIPT_MOVES, UNFINISHED, TranscriptState, move
from server.store.bot_tables import bots, meeting_participants, meeting_parts, provider_parts, realtime_endpoints
from server.store.changes import check_unlocked, hold, not_found, take_number, touch
from server.store.gone_sound import note_gone
from server.store.job_tables import summary_jobs
from server.store.meeting_records import MeetingState
from server.store.passages import about, summary_text, write_about
from server.store.project_tables import chunks, conversations, webhook_events
from server.store.records import Track, Transcript, TranscriptKind, covered_samples, storable
from server.store.standing import ShareMode
from server.store.tables import events as all_events
from server.store.tables import jobs, meetings, participants, passages, rooms, segments, tracks, transcripts, uploads
from server.store.tracks import tracks_of
from server.store.voice_tables import recognised_voices, speaker_merges, track_voices, voice_prints

# What is of a transcript, and goes with it.
PARTS = (
    *(all_events, segments, tracks, participants, passages, uploads, jobs, webhook_events, summary_jobs),
    *(bots, meeting_parts, meeting_participants, provider_parts, realtime_endpoints),
    *(track_voices, voice_prints, recognised_voices, speaker_merges),
)
SUMMARY_EMPTY: dict[str, Any] = {"summary": "", "topics": [], "action_items": [], "key_points": []}


async def create(
    conn: AsyncConnection,
    transcript_id: str,
    *,
    name: str,
    language: str,
    owner: str | None,
    now: float,
    title: str = "",
    source_kind: TranscriptKind = "live",
    share_mode: ShareMode = "private",
    room_id: str | None = None,
    meeting_id: str | None = None,
) -> Transcript:
    if room_id is not None:
        found = await conn.execute(sa.select(rooms.c.id).where(rooms.c.id == room_id, rooms.c.deleted_at.is_(None)))
        if found.scalar_one_or_none() is None:
            raise NotFound("no such room", details={"room_id": room_id})
    number = await take_number(conn)
    await conn.execute(
        sa.insert(transcripts).values(
            **_new(transcript_id, now),
            name=storable(name),
            language=storable(language),
            owner=owner,
            title=storable(title),
            source_kind=source_kind,
            share_mode=share_mode,
            room_id=room_id,
            meeting_id=meeting_id,
            change_seq=number,
        )
    )
    await write_about(conn, transcript_id, about({"name": name, "title": title}))
    return await get(conn, transcript_id)


def _new(transcript_id: str, now: float) -> dict[str, Any]:
    counted = {"last_seq": 0, "segments": 0, "words": 0}
    return {
        "id": transcript_id,
        "state": TranscriptState.IDLE.value,
        "created_at": now,
        "updated_at": now,
        **counted,
    }


async def put_and_take(conn: AsyncConnection, transcript_id: str, *, now: float) -> None:
    """Write, and leave nothing: both databases put even this on their disk at the commit, as they do not know."""
    await conn.execute(sa.insert(transcripts).values(**_new(transcript_id, now), name="", language=""))
    await conn.execute(sa.delete(transcripts).where(transcripts.c.id == transcript_id))


def selected() -> sa.Select[Any]:
    """What a ``Transcript`` is made from."""
    return sa.select(transcripts, rooms.c.name.label("room_name")).outerjoin(
        rooms, sa.and_(rooms.c.id == transcripts.c.room_id, rooms.c.deleted_at.is_(None))
    )


async def get(conn: AsyncConnection, transcript_id: str, *, including_deleted: bool = False) -> Transcript:
    """Raises ``NotFound`` for what is in the bin, too, unless that is wanted; for destroyed ones always."""
    row = (await conn.execute(selected().where(transcripts.c.id == transcript_id))).one_or_none()
    if row is None or row.destroyed_at is not None or (row.deleted_at is not None and not including_deleted):
        raise not_found(transcript_id)
    return (await records(conn, [row]))[0]


async def state_of(conn: AsyncConnection, transcript_id: str) -> TranscriptState:
    """Of one in the bin, too. Raises ``NotFound``."""
    where = transcripts.c.id == transcript_id, transcripts.c.destroyed_at.is_(None)
    state = (await conn.execute(sa.select(transcripts.c.state).where(*where))).scalar_one_or_none()
    if state is None:
        raise not_found(transcript_id)
    return TranscriptState(state)


async def check_version(
    conn: AsyncConnection, transcript_id: str, expected_change_seq: int | None, *, including_deleted: bool = False
) -> None:
    """Hold it. Raises ``PreconditionFailed`` when it has changed since ``expected_change_seq``."""
    held = await hold(conn, transcript_id, including_deleted=including_deleted)
    if expected_change_seq is not None and held.change_seq != expected_change_seq:
        raise PreconditionFailed(
            "the transcript has changed meanwhile; read it again", details={"change_seq": held.change_seq}
        )


async def change(
    conn: AsyncConnection,
    transcript_id: str,
    values: dict[str, Any],
    *,
    now: float,
    expected_change_seq: int | None = None,
    including_deleted: bool = False,
) -> Transcript:
    """Write ``values``. ``summary_parts`` among them go into the summary that is there; a ``name`` takes the place of
    the title that was made of what was said.

    Raises ``PreconditionFailed`` when the transcript has changed since ``expected_change_seq``.
    """
    await check_version(conn, transcript_id, expected_change_seq, including_deleted=including_deleted)
    parts = values.pop("summary_parts", None)
    if parts:
        text = await conn.execute(sa.select(transcripts.c.summary).where(transcripts.c.id == transcript_id))
        before = json.loads(text.scalar_one() or "null") or SUMMARY_EMPTY
        before.pop("method", None)  # from now on it is written by hand
        values["summary"] = {**before, **(values.get("summary") or {}), **parts}
    if values.get("name") and "title" not in values and await _has_made_title(conn, transcript_id):
        values["title"] = ""
    found_by = about(values)
    if "summary" in values:
        values["summary"] = None if values["summary"] is None else json.dumps(values["summary"])
    values = {key: storable(value) if isinstance(value, str) else value for key, value in values.items()}
    number = await take_number(conn)
    await conn.execute(
        sa.update(transcripts)
        .where(transcripts.c.id == transcript_id)
        .values(**values, updated_at=now, change_seq=number)
    )
    await write_about(conn, transcript_id, found_by)
    return await get(conn, transcript_id, including_deleted=including_deleted)


async def _has_made_title(conn: AsyncConnection, transcript_id: str) -> bool:
    columns = transcripts.c
    is_made = sa.select(columns.made_title != "", columns.title == columns.made_title).where(
        columns.id == transcript_id
    )
    return all((await conn.execute(is_made)).one())


async def set_state(conn: AsyncConnection, transcript_id: str, there: TranscriptState, *, now: float) -> Transcript:
    """Of one in the bin, too: what was live on it comes to its end."""
    # The row is held, so that of two moves at once the second sees where the first one went.
    held = await hold(conn, transcript_id, including_deleted=True)
    moved = move(TRANSCRIPT_MOVES, held.state, there)
    return await change(conn, transcript_id, {"state": moved.value, "state_at": now}, now=now, including_deleted=True)


async def delete(conn: AsyncConnection, transcript_id: str, *, now: float) -> Transcript:
    """Into the bin, with all that is of it, unless it is locked. Its meeting is over: nothing that is said there could
    be written down."""
    await _end_meeting(conn, transcript_id, now=now)
    check_unlocked(await hold(conn, transcript_id))
    return await change(conn, transcript_id, {"deleted_at": now}, now=now, including_deleted=True)


async def _end_meeting(conn: AsyncConnection, transcript_id: str, *, now: float) -> None:
    """What is due after the end is done by whoever looks after meetings. Meetings are held before transcripts."""
    of_transcript = sa.select(transcripts.c.meeting_id).where(transcripts.c.id == transcript_id).scalar_subquery()
    await conn.execute(
        sa.update(meetings)
        .where(
            meetings.c.id == of_transcript,
            meetings.c.transcript_id == transcript_id,
            meetings.c.state == MeetingState.ACTIVE.value,
        )
        .values(state=MeetingState.ENDING.value, ended_at=now)
    )


async def restore(conn: AsyncConnection, transcript_id: str, *, now: float) -> Transcript:
    held = await hold(conn, transcript_id, including_deleted=True)
    if held.deleted_at is None:
        raise Conflict("Transcript is not deleted", details={"transcript_id": transcript_id})
    return await change(conn, transcript_id, {"deleted_at": None}, now=now, including_deleted=True)


async def remove_audio(
    conn: AsyncConnection, transcript_id: str, *, even_locked: bool = False, now: float
) -> Transcript:
    """Say that its sound is gone, from which moment nobody is given it. Next: remove the files."""
    held = await hold(conn, transcript_id)
    if not even_locked:
        check_unlocked(held)
    if held.state in UNFINISHED:
        raise Conflict(
            "its sound is still being recorded or heard; end that, and ask again", details={"state": held.state.value}
        )
    # Uploads in chunks that never became whole are sound, too.
    await conn.execute(sa.delete(uploads).where(uploads.c.transcript_id == transcript_id))
    await conn.execute(sa.delete(voice_prints).where(voice_prints.c.transcript_id == transcript_id))
    if held.audio_deleted:
        return await get(conn, transcript_id)
    await note_gone(conn, transcript_id, now=now)
    return await change(conn, transcript_id, {"audio_deleted": True}, now=now)


async def destroy(conn: AsyncConnection, transcript_id: str, *, only_deleted: bool, now: float) -> list[Track]:
    """Everything of it goes but its number. Returns its tracks: their files are the caller's."""
    await _end_meeting(conn, transcript_id, now=now)
    held = await hold(conn, transcript_id, including_deleted=True)
    if held.deleted_at is None and only_deleted:
        raise Conflict("Transcript must be soft-deleted first", details={"transcript_id": transcript_id})
    if held.deleted_at is None:
        check_unlocked(held)
    gone = await tracks_of(conn, transcript_id)
    for part in PARTS:
        await conn.execute(sa.delete(part).where(part.c.transcript_id == transcript_id))
    # Who spoke, what they uploaded and typed, and what was made of it.
    await conn.execute(sa.delete(chunks).where(chunks.c.conversation_id == transcript_id))
    await conn.execute(sa.delete(conversations).where(conversations.c.id == transcript_id))
    emptied: dict[str, Any] = {"name": "", "title": "", "summary": None, "segments": 0, "words": 0}
    emptied |= {"made_title": "", "summed_words": 0}
    await note_gone(conn, transcript_id, now=now)
    times = {"deleted_at": now if held.deleted_at is None else held.deleted_at, "destroyed_at": now}
    number = await take_number(conn)
    await conn.execute(
        sa.update(transcripts)
        .where(transcripts.c.id == transcript_id)
        .values(**emptied, **times, updated_at=now, change_seq=number)
    )
    return gone


async def deleted_before(conn: AsyncConnection, at: float, limit: int) -> list[str]:
    """Those that went into the bin before ``at`` and are there still, the oldest first."""
    rows = await conn.execute(
        sa.select(transcripts.c.id)
        .where(transcripts.c.deleted_at < at, transcripts.c.destroyed_at.is_(None))
        .order_by(transcripts.c.deleted_at)
        .limit(limit)
    )
    return list(rows.scalars())


async def soundless(conn: AsyncConnection, ids: Sequence[str]) -> list[str]:
    """Those of ``ids`` of which no sound may be kept."""
    rows = await conn.execute(
        sa.select(transcripts.c.id).where(
            transcripts.c.id.in_(ids),
            sa.or_(transcripts.c.audio_deleted.is_(True), transcripts.c.destroyed_at.is_not(None)),
        )
    )
    return list(rows.scalars())


async def write_summaries(conn: AsyncConnection, events: Iterable[Event], *, now: float) -> None:
    """The newest summary of each transcript in ``events`` becomes the transcript's; one that was made here, only where
    nobody wrote another, and none where the text stays as it is."""
    newest = {event.transcript_id: event.body for event in events if isinstance(event.body, Summarised)}
    for transcript_id, body in list(newest.items()):
        if body.method and not await _may_be_replaced(conn, transcript_id):
            del newest[transcript_id]
            continue
        text = json.dumps(body.model_dump(exclude={"type", "title"} if body.method else {"type", "title", "method"}))
        values = {"summary": text} | ({"was_summed": True} if body.method else {})
        await conn.execute(sa.update(transcripts).where(transcripts.c.id == transcript_id).values(**values))
        await write_about(conn, transcript_id, {"summary": summary_text(json.loads(text))})
    if newest:
        await touch(conn, newest, now=now)


async def _may_be_replaced(conn: AsyncConnection, transcript_id: str) -> bool:
    columns = transcripts.c
    wanted = sa.select(columns.summary, columns.locked, columns.was_summed).where(columns.id == transcript_id)
    found = (await conn.execute(wanted)).one()
    summary = None if found.summary is None else json.loads(found.summary)
    return not found.locked and may_be_made(summary, was_made=found.was_summed)


def may_be_made(summary: dict[str, Any] | None, *, was_made: bool) -> bool:
    """Whether a record's summary was made here, or there never was one; else somebody wrote it, or took ours away.
    ``was_made``: there was one of ours."""
    return not was_made if summary is None else bool(summary.get("method"))


async def records(conn: AsyncConnection, rows: Sequence[sa.Row[Any]]) -> list[Transcript]:
    lengths: defaultdict[str, list[tuple[float, int]]] = defaultdict(list)
    if rows:
        found = await conn.execute(
            sa.select(tracks.c.transcript_id, tracks.c.started_at, tracks.c.length_samples).where(
                tracks.c.transcript_id.in_([row.id for row in rows])
            )
        )
        for transcript_id, started_at, length_samples in found:
            lengths[transcript_id].append((started_at, length_samples))
    return [_record(row, covered_samples(lengths[row.id])) for row in rows]


def _record(row: sa.Row[Any], duration_samples: int) -> Transcript:
    return Transcript(
        id=row.id,
        name=row.name,
        state=TranscriptState(row.state),
        language=row.language,
        created_at=row.created_at,
        updated_at=row.updated_at,
        owner=row.owner,
        summary=None if row.summary is None else json.loads(row.summary),
        last_seq=row.last_seq,
        segments=row.segments,
        words=row.words,
        duration_samples=duration_samples,
        title=row.title,
        source_kind=row.source_kind,
        share_mode=row.share_mode,
        locked=row.locked,
        audio_deleted=row.audio_deleted,
        deleted_at=row.deleted_at,
        destroyed_at=row.destroyed_at,
        room_id=row.room_id,
        room_name=row.room_name,
        meeting_id=row.meeting_id,
        change_seq=row.change_seq,
        state_at=row.state_at,
    )
