"""What a project promised not to keep: conversations that are older than its retention go, for good, with their sound.

Reports that their words may be in go as well. What is locked stays, and is told in the log.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from protocol.errors import Conflict, NotFound
from server.blobs import Blobs
from server.nodes.duties import Duties
from server.removal import DAY_S, Removal
from server.reports.reports import Reports
from server.rounds import repeat
from server.store.changes import check_unlocked
from server.store.store import Store

log = structlog.get_logger(__name__)

ROUND_S = 3600.0
AT_ONCE = 100


class Retention:
    """The round that keeps that promise. ``clock`` gives epoch seconds."""

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        removal: Removal,
        reports: Reports,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._removal = removal
        self._reports = reports
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    def start(self, duties: Duties) -> None:
        rounds = repeat(duties.round("retention", self.round), every_s=ROUND_S, name="retention")
        self._task = asyncio.create_task(rounds, name="retention")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def round(self) -> int:
        """Remove what is too old, of every project; how many conversations that were."""
        count = 0
        after = ""
        while projects := await self._store.retention.projects_after(after, limit=AT_ONCE):
            for project_id, days in projects:
                if days > 0:
                    count += await self._clean(project_id, days)
            after = projects[-1][0]
        await self._forget_deleted_projects()
        return count

    async def _clean(self, project_id: str, days: int) -> int:
        removed = locked = 0
        before = self._clock() - days * DAY_S
        after = (0.0, "")
        while found := await self._store.retention.ended_before(project_id, before, after, limit=AT_ONCE):
            for _, conversation_id in found:
                try:
                    await self._remove(conversation_id)
                    removed += 1
                except Conflict:
                    locked += 1
                except NotFound:
                    pass  # somebody else was faster
            after = found[-1]
        while gone := await self._store.reports.quoting_gone(project_id, limit=AT_ONCE):
            await self._delete_reports(gone)
        if removed or locked:
            log.info("conversations are older than is kept", project=project_id, removed=removed, locked=locked)
        return removed

    async def _remove(self, conversation_id: str) -> None:
        """The conversation itself last, so that a crash before that leaves something to begin with again."""
        check_unlocked(await self._store.get_transcript(conversation_id, including_deleted=True))
        await self._delete_reports(await self._store.reports.quoting(conversation_id))
        await self._blobs.delete_prefix(f"conversations/{conversation_id}")
        await self._removal.discard(conversation_id)

    async def _delete_reports(self, report_ids: list[str]) -> None:
        for report_id in report_ids:
            await self._reports.delete(report_id)
            log.info("a report quoted what is not kept any longer", report=report_id)

    async def _forget_deleted_projects(self) -> None:
        while found := await self._store.reports.of_deleted_projects(limit=AT_ONCE):
            for report_id in found:
                await self._reports.delete(report_id)
        await self._store.subscriptions.forget_deleted_projects()
