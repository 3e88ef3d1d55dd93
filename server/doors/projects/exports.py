"""A project's conversations: listed, and taken out as a table, a spreadsheet, and documents in an archive."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import suppress
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query, Request
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse

from protocol.blocks import seconds
from protocol.wire.v1 import STATUS_OF_STATE
from server.archive import zip_pieces
from server.auth import Action
from server.doors.access import entry, services_of, settings_of
from server.doors.errors import DOCUMENTED
from server.doors.participant.views import chunk_view, hosted_view
from server.doors.v1.asked import PageNumber, PageSize
from server.doors.v1.documents import Conversation, conversation_of
from server.doors.v1.views import page_view
from server.download_names import content_disposition
from server.exports import ExportFormat
from server.project_exports.entries import document_entries
from server.project_exports.markdown import markdown
from server.project_exports.names import MARKDOWN
from server.project_exports.records import ConversationRecord
from server.project_exports.spreadsheets import write_xlsx
from server.project_exports.tables import csv_pieces
from server.segment_pages import segment_pages
from server.services import Services
from server.store.project_records import Project
from server.store.store import Store

router = APIRouter(tags=["projects"], responses=DOCUMENTED)

SEGMENTS_MAX = 10_000  # of one conversation, whose speakers are looked for
AT_ONCE = 50  # conversations that are read together
THREADS = 2
"""That may wait for the event loop at once: what they wait for needs a thread itself, and there are but a few."""
T = TypeVar("T")

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class DocumentFormat(StrEnum):
    """What the documents of an archive may be; all but Markdown as for one transcript."""

    MARKDOWN = "markdown"
    TXT = ExportFormat.TXT
    TIMESTAMPED = ExportFormat.TIMESTAMPED
    JSON = ExportFormat.JSON
    SRT = ExportFormat.SRT
    VTT = ExportFormat.VTT

    @property
    def suffix(self) -> str:
        """Of a file that holds it."""
        return MARKDOWN if self is DocumentFormat.MARKDOWN else ExportFormat(self).suffix


async def _record(services: Services, project: Project, id_: str) -> ConversationRecord:
    store = services.store
    conversation, transcript = await store.conversations.get(id_), await store.get_transcript(id_)
    tracks = await store.tracks_of(id_)
    tags = {tag.id: tag.text for tag in project.tags}
    return ConversationRecord(
        id=id_,
        name=conversation.name,
        email=conversation.email or "",
        tags=tuple(tags[tag] for tag in conversation.tags if tag in tags),
        source=conversation.source,
        created_at=conversation.created_at,
        started_at=min((track.started_at for track in tracks), default=None),
        finished_at=conversation.finished_at,
        status=STATUS_OF_STATE[transcript.state],
        duration_s=round(seconds(transcript.duration_samples), 3),
        words=transcript.words,
        speakers=await _speakers(store, id_),
        title=transcript.title,
        summary=(transcript.summary or {}).get("summary") or "",
        language=transcript.language,
    )


async def _speakers(store: Store, id_: str) -> tuple[str, ...]:
    """Who spoke, by the words, in the order in which they first did; then who was named and said nothing."""
    heard: dict[str, None] = {}
    async for page in segment_pages(store, id_, limit=SEGMENTS_MAX):
        heard |= {stored.segment.speaker: None for stored in page if stored.segment.speaker}
    return tuple(dict.fromkeys([*heard, *(each.name for each in await store.participants_of(id_))]))


class _Reading:
    """What a thread that makes a file asks of the store, which lives on the event loop."""

    def __init__(self, services: Services, project: Project) -> None:
        self._services = services
        self._project = project
        self._loop = asyncio.get_running_loop()

    def records(self) -> Iterator[ConversationRecord]:
        """The oldest first, a few held at a time. In a thread."""
        after = (0.0, "")
        while found := self._ask(self._next(after)):
            after, records = found
            yield from records

    def document(self, record: ConversationRecord, form: DocumentFormat) -> bytes:
        """In a thread."""
        said: Conversation = self._ask(self._said(record.id))
        if form is DocumentFormat.MARKDOWN:
            return markdown(record, said.segments, track_offsets=said.offsets)
        return said.laid_out(ExportFormat(form))

    async def _next(self, after: tuple[float, str]) -> tuple[tuple[float, str], list[ConversationRecord]] | None:
        keys = await self._services.store.conversations.ids_after(self._project.id, after, limit=AT_ONCE)
        if not keys:
            return None
        return keys[-1], [await _record(self._services, self._project, id_) for _, id_ in keys]

    async def _said(self, id_: str) -> Conversation:
        return await conversation_of(self._services, await self._services.store.get_transcript(id_))

    def _ask(self, question: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(question, self._loop).result()


async def _pieces(request: Request, made: Generator[bytes, None, None]) -> AsyncIterator[bytes]:
    """Each in a thread, when the one before was taken."""
    try:
        while (piece := await _in_turn(request, lambda: next(made, None))) is not None:
            yield piece
    finally:
        with suppress(ValueError):  # a thread is still in it, and closes it
            made.close()


async def _in_turn(request: Request, make: Callable[[], T]) -> T:
    turns: asyncio.Semaphore = request.app.state.export_turns
    async with turns:
        return await asyncio.to_thread(make)


def _generated(pieces: Iterator[bytes]) -> Generator[bytes, None, None]:
    yield from pieces


@router.get("/api/projects/{project_id}/conversations", dependencies=[entry(Action.READ)])
async def list_conversations(request: Request, project_id: str, page: PageNumber = 1, size: PageSize = 50) -> Response:
    """The conversations of a project, the newest first."""
    services = services_of(request)
    found, total = await services.store.conversations.page(project_id, page=page, size=size)
    items = [hosted_view(each, services.levels.of(each.conversation.id)) for each in found]
    return JSONResponse(page_view(items, total, page, size))


@router.get("/api/projects/{project_id}/transcripts", dependencies=[entry(Action.EXPORT)])
async def export_documents(
    request: Request,
    project_id: str,
    form: Annotated[DocumentFormat, Query(alias="format", description="Of each document.")] = DocumentFormat.MARKDOWN,
) -> Response:
    """Each conversation as a document, in one archive; the same to the byte until one of them changes."""
    services = services_of(request)
    project = await services.store.projects.get(project_id)
    reading = _Reading(services, project)
    entries = document_entries(reading.records(), partial(reading.document, form=form), kind=form.suffix)
    made = zip_pieces(entries, at=project.created_at)
    named = content_disposition("attachment", f"{project.name} transcripts", "zip", transcript_id=project_id)
    return StreamingResponse(_pieces(request, made), headers=named, media_type="application/zip")


@router.get("/api/projects/{project_id}/conversations.csv", dependencies=[entry(Action.EXPORT)])
async def export_table(request: Request, project_id: str) -> Response:
    """A line for each conversation."""
    services = services_of(request)
    project = await services.store.projects.get(project_id)
    made = _generated(csv_pieces(_Reading(services, project).records()))
    named = content_disposition("attachment", project.name, "csv", transcript_id=project_id)
    return StreamingResponse(_pieces(request, made), headers=named, media_type="text/csv; charset=utf-8")


@router.get("/api/projects/{project_id}/conversations.xlsx", dependencies=[entry(Action.EXPORT)])
async def export_spreadsheet(request: Request, project_id: str) -> Response:
    """The same as a spreadsheet, with a sheet of tags."""
    services = services_of(request)
    project = await services.store.projects.get(project_id)
    reading = _Reading(services, project)
    folder = settings_of(request).data_dir / "incoming"
    path = await asyncio.to_thread(_new_file, folder)
    try:
        await _in_turn(request, lambda: write_xlsx(reading.records(), path))
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    named = content_disposition("attachment", project.name, "xlsx", transcript_id=project_id)
    gone = BackgroundTask(path.unlink, missing_ok=True)
    return FileResponse(path, headers=named, media_type=XLSX, background=gone)


def _new_file(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix="export-", delete=False) as file:
        return Path(file.name)


@router.post("/api/conversations/{conversation_id}/chunks/{chunk_id}/retry", dependencies=[entry(Action.CHANGE)])
async def retry_chunk(request: Request, conversation_id: str, chunk_id: str) -> Response:
    """Have a chunk that failed written down after all; 409 where it did not fail, or its bytes are gone."""
    chunk = await services_of(request).chunks.retry(conversation_id, chunk_id)
    return JSONResponse(chunk_view(chunk, {}))


@router.get("/api/conversations/{conversation_id}/transcript", dependencies=[entry(Action.READ)])
async def conversation_transcript(request: Request, conversation_id: str) -> Response:
    """What was said in one conversation, as plain text."""
    services = services_of(request)
    transcript = await services.store.get_transcript(conversation_id)
    conversation = await conversation_of(services, transcript)
    text = await asyncio.to_thread(conversation.laid_out, ExportFormat.TXT)
    return Response(text, media_type="text/plain; charset=utf-8")
