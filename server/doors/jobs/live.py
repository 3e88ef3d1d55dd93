"""The socket ``/api/transcribe/live/{job_id}``: a job's segments as they come, and how far it is.

Whoever comes late is told all there are already, and then how far it is. It closes after the end, and after the summary
that is made then. Segments stand alone, without a type; a later revision of one bears its ``segment_id``. Nothing is
told of silence.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from fastapi import APIRouter, WebSocket

from protocol.errors import EarshotError, InvalidMessage, SlowReader
from protocol.events import Event, SpeakerTurn, StatusChanged, Summarised, Transcribed
from protocol.states import TranscriptState
from protocol.wire import v1
from protocol.wire.jobs import segment_data
from protocol.words import Segment
from server.auth import Action
from server.doors.access import metrics_of, services_of, settings_of
from server.doors.jobs.job_views import chunk_view
from server.doors.sockets import SocketConnection, serve_socket, text_of, until_first
from server.jobs.progress import Progress
from server.segment_pages import segment_pages
from server.services import Services
from server.store.job_store import Job
from server.subscription import Subscription

router = APIRouter()

ASKED = frozenset({v1.Action.GET_STATUS, v1.Action.PONG})
TOLD = frozenset({"transcription", "diarization", "status", "summary"})
SUMMARY_WAIT_S = 15.0


@router.websocket("/api/transcribe/live/{job_id}")
async def live(websocket: WebSocket) -> None:
    await serve_socket(websocket, Action.LISTEN, _live)


async def _live(connection: SocketConnection) -> None:
    websocket = connection.websocket
    services, settings, metrics = services_of(websocket), settings_of(websocket), metrics_of(websocket)
    job = await services.store.jobs.get(websocket.path_params["job_id"])
    with metrics.subscribers.labels("job").track_inprogress():
        subscription = services.journal.subscribe(
            job.id, after=job.transcript.last_seq, types=TOLD, queue_max=settings.subscriber_queue_max
        )
        async with subscription:
            try:
                await until_first(
                    _tell(connection, services, subscription, job),
                    _obey(connection, services, job),
                    connection.ping(),
                    connection.wait_leaving(subscription),
                )
            except SlowReader:
                metrics.slow_readers.inc()
                raise


async def _tell(connection: SocketConnection, services: Services, subscription: Subscription, job: Job) -> None:
    """``job`` as it was where the subscription begins: its end is that of this, or of an event."""
    told: dict[str, int] = {}  # the revision of each segment

    async def tell(segment: Segment) -> None:
        if told.get(segment.segment_id, 0) < segment.revision and (segment.text or segment.segment_id in told):
            told[segment.segment_id] = segment.revision
            await connection.send(segment_data(segment))

    async for page in segment_pages(services.store, job.id):
        for stored in page:
            await tell(stored.segment)
    await _tell_status(connection, services, job)
    if job.has_ended:
        if job.transcript.summary is not None:
            await connection.send({"type": "summary", "data": v1.summary_data(job.transcript.summary)})
        return
    async for item in subscription:
        if not isinstance(item, Event):
            continue  # an interim: what may still change is not told here
        match item.body:
            case Transcribed():
                await tell(item.body.segment)
            case SpeakerTurn(segment_ids=ids) if ids:
                async for page in segment_pages(services.store, job.id):
                    for segment in (stored.segment for stored in page):
                        if segment.segment_id in ids and segment.segment_id in told:
                            await connection.send(segment_data(segment))
            case StatusChanged(state=TranscriptState.ENDED | TranscriptState.FAILED):
                job = await services.store.jobs.get(job.id)
                await _tell_status(connection, services, job)
                if job.transcript.words and settings_of(connection.websocket).auto_summaries != "off":
                    await _tell_last_summary(connection, subscription)
                return
            case StatusChanged():
                await _tell_status(connection, services, job)
            case Summarised():
                await connection.send(v1.render(item))
            case _:
                pass


async def _tell_last_summary(connection: SocketConnection, subscription: Subscription) -> None:
    """It comes some moments after the end; where a language model takes long for it, nobody is kept here for it."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SUMMARY_WAIT_S):
            async for item in subscription:
                if isinstance(item, Event) and isinstance(item.body, Summarised):
                    await connection.send(v1.render(item))
                    return


async def _tell_status(connection: SocketConnection, services: Services, job: Job) -> None:
    """How far it is, but for its end, which ``job`` knows: what was told before that comes before it."""
    await connection.send(status_message(await services.jobs.progress(job)))


def status_message(progress: Progress) -> dict[str, Any]:
    return {
        "type": "status",
        "status": progress.status,
        "message": progress.message,
        "progress": progress.percent,
        "chunk_info": chunk_view(progress),
    }


async def _obey(connection: SocketConnection, services: Services, job: Job) -> None:
    """Answer what readers ask; what they cannot ask here is answered with an error, and the socket stays open."""
    while True:
        message = await connection.receive()
        try:
            action = v1.parse_action(text_of(message))
            if action not in ASKED:
                raise InvalidMessage("this socket is for reading: it takes get_status and pong")
        except EarshotError as error:
            await connection.send(v1.render_error(error, recoverable=True))
            continue
        if action is v1.Action.GET_STATUS:
            await _tell_status(connection, services, job)
