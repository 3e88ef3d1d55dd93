"""A file being heard for somebody who waits for its words, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, TypeVar

import structlog
from fastapi import Request

from protocol.errors import AudioFormatError, Cancelled, EarshotError, EngineFailed, SlowReader
from protocol.events import Event, StatusChanged, Transcribed
from protocol.openai_audio import Heard
from protocol.states import TranscriptState
from protocol.words import Segment
from server.doors.access import leaving_of
from server.exports import in_order
from server.segment_pages import segment_pages
from server.services import Services

log = structlog.get_logger(__name__)

R = TypeVar("R")

ENDS_S = 5.0
TOLD = frozenset({"transcription", "status"})


async def finals(services: Services, job_id: str) -> AsyncGenerator[Segment, None]:
    """Each final as it was heard, whatever passes make of it later, until the end. Raises why it failed."""
    after = 0
    while True:
        queue_max = services.settings.subscriber_queue_max
        subscription = services.journal.subscribe(job_id, after=after, types=TOLD, queue_max=queue_max, among=None)
        try:
            async with subscription:
                async for item in subscription:
                    match item:
                        case Event(body=Transcribed(segment=segment, heard_samples=heard)) if heard:
                            if segment.text.strip():
                                yield segment
                        case Event(body=StatusChanged(state=TranscriptState.ENDED)):
                            return
                        case Event(body=StatusChanged(state=TranscriptState.FAILED)):
                            raise await _why(services, job_id)
        except SlowReader:
            after = subscription.last_seq  # the client takes its time: the journal has it all
        else:
            raise EngineFailed("the words did not come to their end; send the file again")


async def heard(services: Services, job_id: str) -> Heard:
    """All that was heard, as it stands now."""
    job = await services.store.jobs.get(job_id)
    found = [stored.segment async for page in segment_pages(services.store, job_id) for stored in page]
    segments = in_order(found, {})
    spoken = next((segment.language for segment in segments if segment.language), job.transcript.language)
    return Heard(segments, job.transcript.duration_samples, spoken)


async def _why(services: Services, job_id: str) -> EarshotError:
    failure = await services.store.jobs.failure(job_id)
    message = failure.message if failure is not None else "the file could not be heard to its end"
    if failure is not None and failure.code == AudioFormatError.code:
        return AudioFormatError(message)
    return EngineFailed(message)


async def while_waited_for(request: Request, work: Coroutine[Any, Any, R], over: Callable[[], None]) -> R:
    """What ``work`` comes to, while the client waits for it. Raises ``Cancelled`` when the client is gone, and
    ``Draining`` when the node is: the client asks again, elsewhere. ``over`` is called in any case."""
    leaving = leaving_of(request)
    working = asyncio.create_task(work, name="wait for words")
    gone = asyncio.create_task(_until_gone(request), name="wait for the client to leave")
    told = asyncio.create_task(leaving.told.wait(), name="wait for the node to leave")
    try:
        await asyncio.wait({working, gone, told}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise leaving.error() if told.done() else Cancelled("the client did not wait for the words")
    finally:
        over()
        gone.cancel()
        told.cancel()
        await asyncio.gather(let_end(working), gone, told, return_exceptions=True)


async def let_end(work: asyncio.Task[Any]) -> None:
    """Of what is over: it ends by itself, as what it reads is gone. A statement that is cancelled costs the store a
    connection, so that comes only where it does not end."""
    await asyncio.wait({work}, timeout=ENDS_S)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
