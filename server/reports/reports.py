"""Reports of projects, made in the background: first a digest of each conversation, then the document out of them.

Both steps stand in the store, so that a report goes on after a restart where it stopped. A few conversations are held
at a time, so a project of 10,000 takes no more memory than one of ten. The files lie with the blobs, under
``reports/<id>/``.
"""

from __future__ import annotations

import asyncio
from typing import Literal

import structlog

from protocol.blocks import seconds
from protocol.errors import EarshotError, NotFound
from protocol.states import ReportState
from server.blobs import Blobs
from server.nodes.duties import Duties
from server.project_exports.records import iso_utc, moment
from server.reports.digests import Digest, digest_of
from server.reports.findings import Findings, Gathering
from server.reports.fonts import Fonts, find_fonts
from server.reports.html import as_html
from server.rounds import repeat
from server.store.project_records import Project
from server.store.report_records import KeptDigest, Report
from server.store.store import Store
from server.summaries.said import said_in
from server.webhooks.webhooks import Webhooks

log = structlog.get_logger(__name__)

LOOK_S = 15.0
REPORTS_MAX = 100  # of a project
BATCH = 20  # conversations between two notes of how far it is
READ_AT_ONCE = 200  # digests
ATTEMPTS_MAX = 3
UNFORESEEN = "The server could not make this report; its log says why"
GONE = "The project was deleted"
GENERATED = "report.generated"

Form = Literal["html", "pdf"]


def key_of(report_id: str, form: Form) -> str:
    """Of the blob with a report's file."""
    return f"reports/{report_id}/report.{form}"


class Reports:
    """Takes wishes for reports and fulfils them one after the other, and has webhooks told of them."""

    def __init__(self, store: Store, blobs: Blobs, webhooks: Webhooks, duties: Duties) -> None:
        self._store = store
        self._blobs = blobs
        self._webhooks = webhooks
        self._duties = duties
        self._fonts: Fonts | None = None
        self._woken = asyncio.Event()
        self._alone = asyncio.Lock()  # so that nothing is made twice
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        rounds = repeat(self.make_all, every_s=LOOK_S, name="reports", woken=self._woken)
        self._task = asyncio.create_task(rounds, name="reports")

    async def stop(self) -> None:
        """What is not made yet goes on at the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def ask(self, project_id: str, *, is_published: bool = False) -> tuple[Report, bool]:
        """A report that will be made, and whether it is a new one: while one is made, asking again is asking for that.

        Raises ``NotFound``, ``Conflict`` where the project has ``REPORTS_MAX``.
        """
        found = await self._store.reports.ask(project_id, is_published=is_published, reports_max=REPORTS_MAX)
        self._woken.set()
        return found

    async def file(self, report: Report, form: Form) -> bytes:
        """Raises ``NotFound`` where it is not made yet."""
        if report.finished_at is None or report.error is not None:
            raise NotFound("this report is not made yet", details={"state": report.state.value})
        return await self._blobs.get(key_of(report.id, form))

    async def delete(self, report_id: str) -> None:
        """For good, with its files. Idempotent; what is being made is given up."""
        # The row after the files, so that what a crash leaves is still known; and once more for what was just made.
        await self._blobs.delete_prefix(f"reports/{report_id}")
        await self._store.reports.delete(report_id)
        await self._blobs.delete_prefix(f"reports/{report_id}")

    async def make_all(self) -> None:
        """Make every report that was asked for. One that waits for something holds up no other."""
        async with self._alone:
            await self._make_open()

    async def _make_open(self) -> None:
        waiting: list[str] = []
        while (report := await self._store.reports.next_open(without=waiting)) is not None:
            async with self._duties.alone(_duty(report)) as is_mine:
                if not (is_mine and await self._make_here(report)):
                    waiting.append(report.id)

    async def _make_here(self, report: Report) -> bool:
        """Whether it is at its end. Of one that another node makes by now, nothing is noted."""
        try:
            await self._make(report)
        except NotFound:
            log.info("a report was deleted while it was made", report=report.id)
        except EarshotError as error:
            if not error.retryable and await self._duties.mine(_duty(report)):
                await self._store.reports.fail(report, error.message)
                return True
            log.warning("a report waits", report=report.id, code=error.code)
            return False
        except Exception:
            log.exception("a report could not be made", report=report.id)
            if await self._store.reports.count_attempt(report) >= ATTEMPTS_MAX:
                await self._store.reports.fail(report, UNFORESEEN)
            return False
        return True

    async def _make(self, report: Report) -> None:
        report = await self._store.reports.begin(report)
        if report.state is not ReportState.WORKING:
            return  # another node has just made it
        try:
            project = await self._store.projects.get(report.project_id)
        except NotFound:
            await self._store.reports.fail(report, GONE)
            return
        report = await self._digest_all(report, project)
        found = await self._gathered(report, project)
        html = await asyncio.to_thread(as_html, found)
        if self._fonts is None:
            self._fonts = await asyncio.to_thread(find_fonts)
        pdf, missing = await asyncio.to_thread(_as_pdf, found, self._fonts)
        await self._blobs.put(key_of(report.id, "html"), html)
        await self._blobs.put(key_of(report.id, "pdf"), pdf)
        note = (
            f"{missing} letters are missing in the PDF: no font of the server has them; the page has all"
            if missing
            else ""
        )
        try:
            data = {"report": told(report, project.language)}
            prepared = await self._webhooks.prepared(project, GENERATED, data)
            report = await self._store.reports.finish(report, note=note, told=prepared)
        except NotFound:
            await self._blobs.delete_prefix(f"reports/{report.id}")
            raise
        log.info("a report is made", report=report.id, project=project.id, conversations=report.digested)
        self._webhooks.wake()

    # Step one.

    async def _digest_all(self, report: Report, project: Project) -> Report:
        """Those that began before it was asked for, so that it comes to an end while others go on."""
        conversations = self._store.conversations
        after = (report.after_at, report.after_id)
        while page := await conversations.ids_after(project.id, after, limit=BATCH):
            wanted = [(at, id_) for at, id_ in page if at <= report.created_at]
            kept: list[KeptDigest] = []
            for _, id_ in wanted:
                try:
                    digest = await self._digest(project, id_)
                except NotFound:
                    continue  # deleted meanwhile
                kept.append(KeptDigest(id_, report.digested + len(kept), digest.to_json()))
            after = page[-1]
            report = await self._store.reports.add_digests(report, kept, after)
            if len(wanted) < len(page):
                break
        return report

    async def _digest(self, project: Project, conversation_id: str) -> Digest:
        conversation = await self._store.conversations.get(conversation_id)
        transcript = await self._store.get_transcript(conversation_id)
        tags = {tag.id: tag.text for tag in project.tags}
        said = await said_in(self._store, conversation_id)
        return await asyncio.to_thread(
            digest_of,
            said,
            title=transcript.title,
            summary=str((transcript.summary or {}).get("summary") or ""),
            began_at=conversation.created_at,
            duration_s=seconds(transcript.duration_samples),
            words=transcript.words,
            tags=[tags[tag] for tag in conversation.tags if tag in tags],
        )

    # Step two.

    async def _gathered(self, report: Report, project: Project) -> Findings:
        gathering = Gathering()
        after = -1
        while page := await self._store.reports.digests(report.id, after=after, limit=READ_AT_ONCE):
            after = page[-1].number
            await asyncio.to_thread(_add_all, gathering, page)
        return await asyncio.to_thread(
            gathering.findings, name=project.name, language=project.language, made_at=report.created_at
        )


def _duty(report: Report) -> str:
    return f"report {report.id}"


def _add_all(gathering: Gathering, page: list[KeptDigest]) -> None:
    for each in page:
        gathering.add(Digest.from_json(each.body))


def _as_pdf(findings: Findings, fonts: Fonts) -> tuple[bytes, int]:
    from server.reports.pdf import as_pdf  # here: what draws it is a tenth of all that a node imports

    return as_pdf(findings, fonts)


def told(report: Report, language: str) -> dict[str, object]:
    """What is announced of a report."""
    path = f"/api/projects/{report.project_id}/reports/{report.id}"
    return {
        "id": report.id,
        "status": "published" if report.is_published else "draft",
        "language": language,
        "date_created": iso_utc(moment(report.created_at)),
        "conversations": report.digested,
        "html_url": f"{path}.html",
        "pdf_url": f"{path}.pdf",
    }
