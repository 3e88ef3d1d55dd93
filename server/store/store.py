"""The store: what survives. Every method is one transaction."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any, Final, Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from protocol import ids
from protocol.errors import StoreUnavailable
from protocol.events import Event
from protocol.states import TranscriptState
from server.store import changes, events, listing, migrate, participants, segments, standing, tracks, transcripts
from server.store.asked_store import AskedStore
from server.store.bot_store import BotStore
from server.store.conversation_store import ConversationStore
from server.store.database import Database, transaction, within
from server.store.endpoint_store import EndpointStore
from server.store.job_store import JobStore
from server.store.kept_store import KeptStore
from server.store.keys import KeyStore
from server.store.listing import EVERYTHING, Order, Wanted
from server.store.meeting_part_store import MeetingPartStore
from server.store.meeting_participant_store import MeetingParticipantStore
from server.store.node_store import NodeStore, check_held
from server.store.project_store import ProjectStore
from server.store.provider_part_store import ProviderPartStore
from server.store.records import (
    AS_USUAL,
    NewEvent,
    Participant,
    SourceKind,
    StoredSegment,
    Track,
    TrackState,
    Transcript,
    TranscriptKind,
    VoicesAsked,
    given,
)
from server.store.report_store import ReportStore
from server.store.retention_store import RetentionStore
from server.store.room_store import RoomStore
from server.store.search import Hit, search
from server.store.search_words import Term
from server.store.standing import ShareMode, Standing
from server.store.subscription_store import SubscriptionStore
from server.store.summary_job_store import SummaryJobStore
from server.store.summary_store import SummaryStore
from server.store.upload_store import UploadStore
from server.store.voice_store import VoiceStore
from server.store.watch_store import WatchStore
from server.store.webhook_store import WebhookStore

SEARCH_MAX_S = 3.0


class _Unset:
    """Stands for "leave as it is" where None means "none"."""


UNSET: Final = _Unset()


class Store:
    """Records, events and segments in SQLite or PostgreSQL.

    Raises ``StoreUnavailable`` when the database is down, slow or locked (nothing was changed, except where a commit's
    answer was lost), ``NotFound`` for unknown ids, ``Internal`` for what should not happen. Library errors stay inside.
    """

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._is_open = True
        self.keys = KeyStore(self._read, self._write, clock)
        self.rooms = RoomStore(self._read, self._write, clock)
        self.uploads = UploadStore(self._read, self._write, clock)
        self.projects = ProjectStore(self._read, self._write, clock)
        self.conversations = ConversationStore(self._read, self._write, clock)
        self.webhooks = WebhookStore(self._read, self._write, clock)
        self.summaries = SummaryStore(self._read, self._write, clock)
        self.summary_jobs = SummaryJobStore(self._read, self._write, clock)
        self.reports = ReportStore(self._read, self._write, clock)
        self.subscriptions = SubscriptionStore(self._read, self._write, clock)
        self.retention = RetentionStore(self._read)
        self.jobs = JobStore(self._read, self._write, clock)
        self.bots = BotStore(self._read, self._write, clock)
        self.endpoints = EndpointStore(self._read, self._write, clock)
        self.meeting_parts = MeetingPartStore(self._read, self._write)
        self.meeting_participants = MeetingParticipantStore(self._read, self._write)
        self.provider_parts = ProviderPartStore(self._read, self._write)
        self.voices = VoiceStore(self._read, self._write, clock)
        self.nodes = NodeStore(self._read, self._write)
        self.watch = WatchStore(self._read)
        self.kept = KeptStore(self._read, self._write)
        self.asked = AskedStore(self._write)

    @classmethod
    async def open(cls, url: str, *, clock: Callable[[], float] = time.time) -> Store:
        """Open, check and migrate the database. ``clock`` gives epoch seconds. Raises ``StoreUnavailable``."""
        database = await Database.open(url)
        try:
            await database.check()
            async with database.patient() as engine, transaction(engine) as conn:
                await conn.run_sync(migrate.upgrade)
        except BaseException:
            await database.close()
            raise
        return cls(database, clock)

    async def close(self) -> None:
        """Idempotent. Everything stored stays stored; calls after it raise ``StoreUnavailable``."""
        self._is_open = False
        await self._database.close()

    async def standing(self, kind: str, id_: str) -> Standing | None:
        """Whose the thing is and who may see it; None when there is none of this id."""
        async with self._read() as conn:
            return await standing.look(conn, kind, id_)

    # Transcripts.

    async def create_transcript(
        self,
        *,
        name: str = "",
        language: str = "en",
        owner: str | None = None,
        title: str = "",
        source_kind: TranscriptKind = "live",
        share_mode: ShareMode = "private",
        room_id: str | None = None,
        meeting_id: str | None = None,
        transcript_id: str | None = None,
    ) -> Transcript:
        """``transcript_id``: a new one that is known already. Raises ``NotFound`` for a room that there is not."""
        async with self._write() as conn:
            return await transcripts.create(
                conn,
                transcript_id or ids.new_transcript_id(),
                name=name,
                language=language,
                owner=owner,
                title=title,
                source_kind=source_kind,
                share_mode=share_mode,
                room_id=room_id,
                meeting_id=meeting_id,
                now=self._clock(),
            )

    async def get_transcript(self, transcript_id: str, *, including_deleted: bool = False) -> Transcript:
        """What is in the bin is found only where that is wanted; what was destroyed, never."""
        async with self._read() as conn:
            return await transcripts.get(conn, transcript_id, including_deleted=including_deleted)

    async def state_of(self, transcript_id: str) -> TranscriptState:
        """Without the rest of it, which takes longer to read; of one in the bin, too."""
        async with self._read() as conn:
            return await transcripts.state_of(conn, transcript_id)

    async def list_transcripts(
        self, wanted: Wanted = EVERYTHING, *, page: int = 1, size: int = 50, order: Order = "created_at"
    ) -> tuple[list[Transcript], int]:
        """One page (from 1), newest first or in the order of changes, and the number of all that match."""
        async with self._read() as conn:
            return await listing.page(conn, wanted, number=page, size=size, order=order)

    async def update_transcript(
        self,
        transcript_id: str,
        *,
        name: str | None = None,
        title: str | None = None,
        language: str | None = None,
        summary: dict[str, Any] | _Unset | None = UNSET,
        summary_parts: dict[str, Any] | None = None,
        share_mode: ShareMode | None = None,
        locked: bool | None = None,
        room_id: str | None = None,
        meeting_id: str | None = None,
        source_kind: TranscriptKind | None = None,
        people: Sequence[Mapping[str, Any]] | None = None,
        removes_audio: bool = False,
        expected_change_seq: int | None = None,
    ) -> Transcript:
        """Change what is given; ``summary=None`` removes it, ``summary_parts`` are written into what is there.

        ``people`` are all who take part (``Changes.replace``; see ``Speakers.renaming``), ``removes_audio`` as
        ``remove_audio``. What is locked now must be unlocked for these two; what is to be locked is so afterwards.
        Raises ``PreconditionFailed`` when something has changed it since ``expected_change_seq``.
        """
        values: dict[str, Any] = {} if isinstance(summary, _Unset) else {"summary": summary}
        values |= given(
            name=name,
            title=title,
            language=language,
            summary_parts=summary_parts,
            share_mode=share_mode,
            locked=locked,
            room_id=room_id,
            meeting_id=meeting_id,
            source_kind=source_kind,
        )
        async with self._write() as conn:
            now = self._clock()
            await transcripts.check_version(conn, transcript_id, expected_change_seq)
            locks = {"locked": True} if values.get("locked") else {}
            if first := {key: value for key, value in values.items() if key not in locks}:
                await transcripts.change(conn, transcript_id, first, now=now)
            if people is not None:
                await (await participants.changing(conn, transcript_id, now=now)).replace(people)
                await changes.touch(conn, [transcript_id], now=now)
            if removes_audio:
                await transcripts.remove_audio(conn, transcript_id, now=now)
            if locks:
                await transcripts.change(conn, transcript_id, locks, now=now)
            return await transcripts.get(conn, transcript_id)

    async def set_state(self, transcript_id: str, state: TranscriptState, *, holder: str | None = None) -> Transcript:
        """Move it, or raise ``IllegalMove``. Of one in the bin, too. ``holder``: the node that must hold it, or else
        ``HeldElsewhere`` is raised."""
        async with self._write() as conn:
            if holder is not None:
                await check_held(conn, transcript_id, holder)
            return await transcripts.set_state(conn, transcript_id, state, now=self._clock())

    async def delete_transcript(self, transcript_id: str) -> Transcript:
        """Into the bin, to be restored or destroyed; ``Conflict`` where it is locked. Next: ``Journal.deleted``."""
        async with self._write() as conn:
            return await transcripts.delete(conn, transcript_id, now=self._clock())

    async def restore_transcript(self, transcript_id: str) -> Transcript:
        """Out of the bin. Raises ``Conflict`` for one that is not there."""
        async with self._write() as conn:
            return await transcripts.restore(conn, transcript_id, now=self._clock())

    async def destroy_transcript(self, transcript_id: str, *, only_deleted: bool = False) -> list[Track]:
        """Remove its tracks, events, segments and all else of it; what is left tells only that it is gone.

        ``only_deleted``: raises ``Conflict`` for one that is not in the bin. Next: ``Journal.deleted``, and remove the
        tracks' files.
        """
        async with self._write() as conn:
            return await transcripts.destroy(conn, transcript_id, only_deleted=only_deleted, now=self._clock())

    async def remove_audio(self, transcript_id: str, *, even_locked: bool = False) -> Transcript:
        """Say that its sound is gone for good. Next: the files.

        Raises ``Conflict`` while it is recorded or heard, and when it is locked; ``even_locked`` is for those who were
        promised that no sound of theirs is kept.
        """
        async with self._write() as conn:
            return await transcripts.remove_audio(conn, transcript_id, even_locked=even_locked, now=self._clock())

    async def deleted_before(self, at: float, *, limit: int) -> list[str]:
        """Those that are in the bin since before ``at``, the oldest first."""
        async with self._read() as conn:
            return await transcripts.deleted_before(conn, at, limit)

    async def soundless(self, transcript_ids: Sequence[str]) -> list[str]:
        """Those of them of which no sound may be kept: it was removed, or all of the transcript."""
        async with self._read() as conn:
            return await transcripts.soundless(conn, transcript_ids)

    # Tracks.

    async def create_track(
        self,
        transcript_id: str,
        *,
        source: SourceKind,
        path: str | None = None,
        started_at: float,
        name: str = "",
        speaker: str | None = None,
        track_id: str | None = None,
        state: TrackState = "open",
        model: str | None = None,
        voices: VoicesAsked = AS_USUAL,
        held_by: str | None = None,
    ) -> Track:
        """A new track. Without ``path`` it is ``<transcript id>/<track id>``. ``held_by``: as ``update_track``."""
        track_id = track_id or ids.new_track_id()
        track = Track(
            id=track_id,
            transcript_id=transcript_id,
            name=name,
            speaker=speaker,
            started_at=started_at,
            length_samples=0,
            transcribed_samples=0,
            state=state,
            source=source,
            path=path or f"{transcript_id}/{track_id}",
            model=model,
            **{**asdict(voices), "diarize": bool(voices.diarize)},
        )
        async with self._write() as conn:
            return await tracks.create(conn, track, now=self._clock(), held_by=held_by)

    async def get_track(self, track_id: str) -> Track:
        async with self._read() as conn:
            return await tracks.get(conn, track_id)

    async def tracks_of(self, transcript_id: str) -> list[Track]:
        """In the order they started."""
        async with self._read() as conn:
            return await tracks.tracks_of(conn, transcript_id)

    async def update_track(
        self,
        track_id: str,
        *,
        length_samples: int | None = None,
        transcribed_samples: int | None = None,
        state: TrackState | None = None,
        speaker: str | None = None,
        started_at: float | None = None,
        held_by: str | None = None,
    ) -> Track:
        """``held_by``: the node that must hold its transcript; raises ``HeldElsewhere``."""
        values = given(
            length_samples=length_samples,
            transcribed_samples=transcribed_samples,
            state=state,
            speaker=speaker,
            started_at=started_at,
        )
        async with self._write() as conn:
            return await tracks.change(conn, track_id, values, held_by=held_by)

    async def delete_track(self, track_id: str, *, held_by: str | None = None) -> None:
        """Remove one of which nothing was told. Idempotent. Next: remove its file. ``held_by``: as ``update_track``."""
        async with self._write() as conn:
            await tracks.delete(conn, track_id, held_by=held_by)

    # Participants.

    async def participants_of_all(self, transcript_ids: Sequence[str]) -> dict[str, list[Participant]]:
        """Of several transcripts, by their ids; without those that have none."""
        async with self._read() as conn:
            return await participants.participants_of_all(conn, transcript_ids)

    async def participants_of(self, transcript_id: str) -> list[Participant]:
        """In the order they were added; none for an unknown transcript."""
        async with self._read() as conn:
            return await participants.participants_of(conn, transcript_id)

    @asynccontextmanager
    async def changing_participants(self, transcript_id: str) -> AsyncIterator[participants.Changes]:
        """One transaction that changes who takes part. Raises ``NotFound``, and ``Conflict`` when it is locked."""
        async with self._write() as conn:
            now = self._clock()
            yield await participants.changing(conn, transcript_id, now=now)
            await changes.touch(conn, [transcript_id], now=now)

    # Events and segments.

    async def append_events(self, batch: Sequence[NewEvent], *, again: bool = False) -> list[Event | None]:
        """Number and store a batch in one transaction, in order; None stands for a transcript that does not exist.

        ``again``: the batch was tried before and the outcome is unknown; nothing is stored twice."""
        async with self._write() as conn:
            return await events.append(conn, batch, now=self._clock(), again=again)

    async def events_after(self, transcript_id: str, after: int, limit: int) -> list[Event]:
        """The first ``limit`` events with a greater seq, in order; none for an unknown transcript."""
        async with self._read() as conn:
            return await events.after(conn, transcript_id, after, limit)

    async def search(
        self, terms: Sequence[Term] | None, wanted: Wanted = EVERYTHING, *, limit: int = 20, offset: int = 0
    ) -> tuple[list[Hit], int]:
        """Transcripts that have all of the words, the best first, and how many there are; None: whatever they say.

        Raises ``Overloaded`` when that takes longer than anybody should wait."""
        async with self._read() as conn, within(conn, SEARCH_MAX_S):
            return await search(conn, terms, wanted, limit=limit, offset=offset)

    async def segments_of(
        self, id_: str, *, offset: int = 0, limit: int = 1000, after: StoredSegment | str | None = None
    ) -> list[StoredSegment]:
        """The newest revision of each that has words, by time; ``Transcript.segments`` in all. ``after``: behind it."""
        async with self._read() as conn:
            return await segments.segments_of(conn, id_, offset=offset, limit=limit, after=after)

    async def check(self) -> None:
        """Whether the database takes a row, which nobody ever sees; raises ``StoreUnavailable``."""
        async with self._write() as conn:
            await transcripts.put_and_take(conn, ids.new_transcript_id(), now=self._clock())

    # The edge to the database.

    @asynccontextmanager
    async def _read(self) -> AsyncIterator[AsyncConnection]:
        async with self._transaction("reads") as conn:
            yield conn

    @asynccontextmanager
    async def _write(self) -> AsyncIterator[AsyncConnection]:
        async with self._transaction("writes") as conn:
            yield conn

    @asynccontextmanager
    async def _transaction(self, kind: Literal["reads", "writes"]) -> AsyncIterator[AsyncConnection]:
        if not self._is_open:
            raise StoreUnavailable("the store is closed")
        engine = self._database.reads if kind == "reads" else self._database.writes
        async with transaction(engine) as conn:
            yield conn
