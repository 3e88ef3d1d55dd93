"""Statements about segments: every version is kept, one per segment is the newest. Inside the caller's transaction."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.errors import NotFound
from protocol.events import Event, SpeakerTurn, Transcribed
from protocol.states import OVER
from protocol.words import Segment
from server.store.passages import Said, write_said
from server.store.records import StoredSegment
from server.store.tables import segments, transcripts

Key = tuple[str, str]  # transcript id, segment id
A = TypeVar("A")
B = TypeVar("B")
FEW = 4
INLINE_MAX = 64  # versions read or written in some 3 ms; a speaker that is named may have thousands


@dataclass
class _Version:
    transcript_id: str
    segment: Segment
    track_started_at: float
    seq: int
    is_stored: bool  # false: this transaction is about to insert it
    newest: bool = True

    @property
    def key(self) -> Key:
        return self.transcript_id, self.segment.segment_id

    @property
    def words(self) -> int:
        return len(self.segment.words) or len(self.segment.text.split())

    @property
    def says(self) -> bool:
        """False where it was taken back."""
        return self.words > 0

    def row(self) -> dict[str, Any]:
        return {
            "transcript_id": self.transcript_id,
            "segment_id": self.segment.segment_id,
            "seq": self.seq,
            "newest": self.newest,
            "starts_at": StoredSegment(self.segment, self.track_started_at, self.seq).starts_at,
            "track_started_at": self.track_started_at,
            "words": self.words,
            "body": self.segment.model_dump_json(),
        }


async def write_segments(conn: AsyncConnection, events: Sequence[Event]) -> None:
    """Write what ``events`` (numbered, in order) say of segments, and count words and segments of their transcripts.

    The caller holds the rows of the transcripts, so nobody else writes their segments meanwhile.
    """
    newest = await _newest(conn, events)
    texts = {key: version.segment.text for key, version in newest.items()}
    new: list[_Version] = []
    superseded: list[_Version] = []
    more_segments: Counter[str] = Counter()
    more_words: Counter[str] = Counter()
    for version in _versions(events, newest):
        new.append(version)
        before = newest.get(version.key)
        if before is not None and before.segment.revision > version.segment.revision:
            version.newest = False  # an older revision that came late: kept, but not what readers see
            continue
        more_segments[version.transcript_id] += version.says
        if before is not None:
            before.newest = False
            more_segments[version.transcript_id] -= before.says
            more_words[version.transcript_id] -= before.words
            if before.is_stored:
                superseded.append(before)
        more_words[version.transcript_id] += version.words
        newest[version.key] = version
    if new:
        await _write(conn, new, superseded)
        await _count(conn, more_segments, more_words)
        # One that only got another speaker is found as before.
        said = [each for each in newest.values() if not each.is_stored and each.segment.text != texts.get(each.key)]
        await _note_revised(conn, sorted({each.transcript_id for each in said if each.key in texts}))
        await write_said(
            conn,
            [
                Said(each.transcript_id, each.segment.segment_id, each.segment.text, is_new=each.key not in texts)
                for each in said
            ],
        )


async def _note_revised(conn: AsyncConnection, ids: Sequence[str]) -> None:
    """What was made of all words at the end is to be made again, however many they are now."""
    if ids:
        over = transcripts.c.state.in_([state.value for state in OVER])
        summed_words = transcripts.c.summed_words
        counted = sa.case((summed_words < 0, summed_words - 1), else_=-1)
        await conn.execute(sa.update(transcripts).where(transcripts.c.id.in_(ids), over).values(summed_words=counted))


def _versions(events: Sequence[Event], newest: Mapping[Key, _Version]) -> Iterator[_Version]:
    """What each event makes of segments. ``newest`` grows while this runs."""
    for event in events:
        body = event.body
        if isinstance(body, Transcribed):
            yield _Version(event.transcript_id, body.segment, body.track_started_at, event.seq, is_stored=False)
        elif isinstance(body, SpeakerTurn):
            for segment_id in dict.fromkeys(body.segment_ids):
                told = newest.get((event.transcript_id, segment_id))
                if told is not None:
                    segment = _of_turn(told.segment, body)
                    yield _Version(event.transcript_id, segment, told.track_started_at, event.seq, is_stored=False)


def _of_turn(segment: Segment, turn: SpeakerTurn) -> Segment:
    """How sure it is whose voice it is stays as it was, where only a name is new."""
    label = turn.speaker if turn.speaker_label is None else turn.speaker_label
    update: dict[str, Any] = {"voice": turn.voice, "speaker_set": turn.speaker_set, "taken_from": turn.taken_from}
    if turn.speaker_set or turn.voice != segment.voice:
        update["speaker_confidence"] = turn.confidence
    return segment.said_by(label, turn.speaker).model_copy(update=update)


async def _newest(conn: AsyncConnection, events: Sequence[Event]) -> dict[Key, _Version]:
    wanted: dict[str, set[str]] = {}
    for event in events:
        body = event.body
        if isinstance(body, Transcribed):
            wanted.setdefault(event.transcript_id, set()).add(body.segment.segment_id)
        elif isinstance(body, SpeakerTurn) and body.segment_ids:
            wanted.setdefault(event.transcript_id, set()).update(body.segment_ids)
    # Of the many that a batch has one or two segments of, in one statement.
    few = [(id_, each) for id_, segment_ids in wanted.items() if len(segment_ids) <= FEW for each in segment_ids]
    looks: list[sa.ColumnElement[bool]] = []
    if few:
        looks.append(sa.tuple_(segments.c.transcript_id, segments.c.segment_id).in_(few))
    for transcript_id, segment_ids in wanted.items():
        if len(segment_ids) > FEW:
            looks.append(sa.and_(segments.c.transcript_id == transcript_id, segments.c.segment_id.in_(segment_ids)))
    found: dict[Key, _Version] = {}
    for look in looks:
        rows = await conn.execute(sa.select(segments).where(look, segments.c.newest.is_(True)))
        for version in await aside(_stored_version, rows.all()):
            found[version.key] = version
    return found


def _stored_version(row: sa.Row[Any]) -> _Version:
    segment = Segment.model_validate_json(row.body)
    return _Version(row.transcript_id, segment, row.track_started_at, row.seq, is_stored=True)


async def aside(make: Callable[[A], B], values: Sequence[A]) -> list[B]:
    """Each made of its value; in a thread where they are so many that the event loop would be held."""
    if len(values) <= INLINE_MAX:
        return [make(value) for value in values]
    return await asyncio.to_thread(lambda: [make(value) for value in values])


async def _write(conn: AsyncConnection, new: Sequence[_Version], superseded: Sequence[_Version]) -> None:
    if superseded:
        await conn.execute(
            sa.update(segments)
            .where(
                segments.c.transcript_id == sa.bindparam("of_transcript"),
                segments.c.segment_id == sa.bindparam("of_segment"),
                segments.c.seq == sa.bindparam("of_seq"),
            )
            .values(newest=False),
            [
                {"of_transcript": old.transcript_id, "of_segment": old.segment.segment_id, "of_seq": old.seq}
                for old in superseded
            ],
        )
    # One event may bring several versions of a segment only by naming it twice, which ``_versions`` leaves out.
    await conn.execute(sa.insert(segments), await aside(_Version.row, new))


async def _count(conn: AsyncConnection, more_segments: Counter[str], more_words: Counter[str]) -> None:
    ids = sorted({key for counts in (more_segments, more_words) for key, count in counts.items() if count})
    if ids:
        await conn.execute(
            sa.update(transcripts)
            .where(transcripts.c.id == sa.bindparam("of_transcript"))
            .values(
                segments=transcripts.c.segments + sa.bindparam("more_segments"),
                words=transcripts.c.words + sa.bindparam("more_words"),
            ),
            [{"of_transcript": key, "more_segments": more_segments[key], "more_words": more_words[key]} for key in ids],
        )


async def segments_of(
    conn: AsyncConnection, transcript_id: str, *, offset: int, limit: int, after: StoredSegment | str | None
) -> list[StoredSegment]:
    """Those that were taken back are none any more. ``after``: one that was read, or the id of one, which may have been
    taken back since. Raises ``NotFound`` when the transcript has none of that id."""
    own = sa.and_(segments.c.transcript_id == transcript_id, segments.c.newest.is_(True), segments.c.words > 0)
    place = sa.tuple_(segments.c.starts_at, segments.c.segment_id)
    wanted = sa.select(segments).where(own).order_by(*place.clauses).offset(offset).limit(limit)
    if after is not None:
        wanted = wanted.where(place > await _place_of(conn, transcript_id, after))
    rows = await conn.execute(wanted)
    return await aside(_stored_segment, rows.all())


async def _place_of(conn: AsyncConnection, transcript_id: str, one: StoredSegment | str) -> tuple[float, str]:
    if isinstance(one, StoredSegment):
        return one.starts_at, one.segment.segment_id
    own = sa.and_(segments.c.transcript_id == transcript_id, segments.c.segment_id == one)
    found = (await conn.execute(sa.select(segments.c.starts_at).where(own, segments.c.newest.is_(True)))).first()
    if found is None:
        raise NotFound(f"the transcript has no segment {one!r}")
    return found.starts_at, one


def _stored_segment(row: sa.Row[Any]) -> StoredSegment:
    return StoredSegment(Segment.model_validate_json(row.body), row.track_started_at, row.seq)


async def is_heard(conn: AsyncConnection, transcript_id: str, label: str) -> bool:
    """Looked for in the bodies: a word that is spelled the same would be taken for it."""
    found = await conn.execute(
        sa.select(segments.c.seq)
        .where(
            segments.c.transcript_id == transcript_id,
            segments.c.newest.is_(True),
            segments.c.body.contains(json.dumps(label, ensure_ascii=False), autoescape=True),
        )
        .limit(1)
    )
    return found.first() is not None
