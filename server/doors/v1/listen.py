"""The listening socket ``/v1/transcripts_websocket/{id}``: a transcript's events, from any seq on, and its controls.

It is ``/v1/transcripts/{id}/events``, too; a GET there answers with the stored ones, for whoever can have no socket.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request, WebSocket
from starlette.responses import JSONResponse, Response

from protocol.errors import EarshotError, HeldElsewhere, InvalidMessage, SlowReader
from protocol.wire import v1
from server.auth import Action, authorize
from server.controls import control
from server.doors.access import done_elsewhere, entry, metrics_of, plainly, services_of, settings_of
from server.doors.errors import DOCUMENTED
from server.doors.sockets import SocketConnection, serve_socket, text_of, until_first
from server.services import Services
from server.subscription import Subscription

router = APIRouter()

EVENTS_PAGE_MAX = 500
SEQ_MAX = (1 << 63) - 1  # what databases count to
# Pings come whatever was asked for: they keep the connection.
FILTERABLE = frozenset(v1.MESSAGE_TYPES) - {"ping"}


@router.websocket("/v1/transcripts_websocket/{transcript_id}")
@router.websocket("/v1/transcripts/{transcript_id}/events")
async def listen(websocket: WebSocket) -> None:
    """``?after=<seq>`` or ``after=now`` says from where, ``?types=transcription,status`` what."""
    await serve_socket(websocket, Action.LISTEN, _listen)


@router.get(
    "/v1/transcripts/{transcript_id}/events",
    dependencies=[entry(Action.LISTEN)],
    responses=DOCUMENTED,
    tags=["transcripts"],
)
async def list_events(
    request: Request,
    transcript_id: str,
    after: Annotated[int, Query(ge=0, le=SEQ_MAX, description="A seq; what comes after it is told.")] = 0,
    limit: Annotated[int, Query(ge=1, le=EVENTS_PAGE_MAX, description="Messages at most.")] = 100,
) -> Response:
    """The listening socket's messages that are stored, in order. The same address is that socket."""
    store = services_of(request).store
    transcript = await store.get_transcript(transcript_id)
    events = await store.events_after(transcript_id, after, limit)
    body = {"next_after": events[-1].seq if events else after, "last_seq": transcript.last_seq}
    return await asyncio.to_thread(lambda: JSONResponse({"items": [v1.render(event) for event in events], **body}))


async def _listen(connection: SocketConnection) -> None:
    websocket = connection.websocket
    services, settings, metrics = services_of(websocket), settings_of(websocket), metrics_of(websocket)
    after = parse_after(websocket.query_params.get("after"))
    types = parse_types(websocket.query_params.get("types"))
    transcript_id = connection.transcript_id
    transcript = await services.store.get_transcript(transcript_id)
    with metrics.subscribers.labels("listen").track_inprogress():
        subscription = services.journal.subscribe(
            transcript_id, after=after, types=types, queue_max=settings.subscriber_queue_max
        )
        async with subscription:
            try:
                if not transcript.last_seq and (types is None or "status" in types):
                    # Nothing was told of it as yet: a reader learns at once that it is there, and waits.
                    await act(connection, services, v1.Action.GET_STATUS)
                await until_first(
                    tell(connection, subscription),
                    _obey(connection, services),
                    connection.ping(),
                    connection.wait_leaving(subscription),
                )
            except SlowReader:
                metrics.slow_readers.inc()
                raise


async def tell(connection: SocketConnection, subscription: Subscription) -> None:
    """Send what the subscription brings, for as long as it does. Raises ``SlowReader``, ``Gone``."""
    async for item in subscription:
        await connection.tell(item)


async def _obey(connection: SocketConnection, services: Services) -> None:
    """Do what the reader asks for and answer each with a status or an error; the socket stays open."""
    while True:
        message = await connection.receive()
        try:
            action = v1.parse_action(text_of(message))
            if action is v1.Action.PONG:
                continue
            await act(connection, services, action)
        except EarshotError as error:
            if error.http_status >= 500 and not error.retryable:
                raise
            await connection.send(v1.render_error(plainly(connection.websocket, error), recoverable=True))


async def act(connection: SocketConnection, services: Services, action: v1.Action) -> None:
    """One action of a reader, answered by the status afterwards. Raises what the hub raises."""
    transcript_id = connection.transcript_id
    if action is not v1.Action.GET_STATUS:
        authorize(connection.principal, Action.CHANGE, connection.resource)
    try:
        await control(services.hub, transcript_id, action)
    except HeldElsewhere as error:
        if not await done_elsewhere(connection.websocket, error, transcript_id, action.value):
            raise
    status, lag_ms = await services.hub.status(transcript_id)
    await connection.send(v1.render_status(status, lag_ms=lag_ms))


def parse_after(text: str | None) -> int | None:
    """A seq to go on after; 0 when absent: everything. None for ``now``: the live edge."""
    if text is None or text == "":
        return 0
    if text == "now":
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InvalidMessage("after is a seq, or now", details={"after": text[:32]})
    return int(text)


def parse_types(text: str | None) -> frozenset[str] | None:
    """The wanted message types; None when absent: all."""
    if not text:
        return None
    types = frozenset(part.strip() for part in text.split(","))
    if unknown := types - FILTERABLE:
        raise InvalidMessage(
            "unknown message types", details={"unknown": sorted(unknown)[:10], "known": sorted(FILTERABLE)}
        )
    return types
