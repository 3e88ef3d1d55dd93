"""The socket of a participant's page: the words as they are written down, and how loud it is where they are said.

It is for looking, as the page does. What controls a conversation are requests, and what is the host's stays theirs.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, WebSocket

from protocol.errors import EarshotError, InvalidMessage, SlowReader
from protocol.events import Event
from protocol.wire import v1
from server.auth import Action
from server.doors.access import metrics_of, services_of, settings_of
from server.doors.sockets import SocketConnection, serve_socket, text_of, until_first
from server.doors.v1.listen import parse_after
from server.projects.levels import Levels
from server.subscription import Subscription

router = APIRouter()

LEVEL_MAX_DB = 1000.0  # far beyond what there is, and no number without end
PAGES_MAX = 8  # of one conversation; whoever knows its id takes none of its host's readers' places
TOLD = frozenset({"transcription", "status"})
HOSTS = ("speaker", "speaker_label", "speaker_confidence", "cut_from", "overlap")  # who speaks is for the host to say


@router.websocket("/api/participant/conversations/{conversation_id}/events")
async def follow(websocket: WebSocket) -> None:
    """``?after=<seq>`` or ``after=now`` says from where. ``{"action": "level", "level_dbfs": -20}`` tells the host."""
    await serve_socket(websocket, Action.CONTRIBUTE, _follow)


async def _follow(connection: SocketConnection) -> None:
    websocket = connection.websocket
    services, settings, metrics = services_of(websocket), settings_of(websocket), metrics_of(websocket)
    after = parse_after(websocket.query_params.get("after"))
    conversation = await services.store.conversations.get(websocket.path_params["conversation_id"])
    with metrics.subscribers.labels("participant").track_inprogress():
        subscription = services.journal.subscribe(
            conversation.id,
            after=after,
            types=TOLD,
            queue_max=settings.subscriber_queue_max,
            among="participants",
            among_max=PAGES_MAX,
        )
        async with subscription:
            try:
                await until_first(
                    _tell(connection, subscription),
                    _note(connection, conversation.id, services.levels),
                    connection.ping(),
                    connection.wait_leaving(subscription),
                )
            except SlowReader:
                metrics.slow_readers.inc()
                raise


async def _tell(connection: SocketConnection, subscription: Subscription) -> None:
    async for item in subscription:
        message = v1.render(item) if isinstance(item, Event) else v1.render_interim(item)
        for name in HOSTS:
            message["data"].pop(name, None)
        await connection.send(message)


async def _note(connection: SocketConnection, conversation_id: str, levels: Levels) -> None:
    """Note how loud it is; what is no such message is answered with an error, and the socket stays open."""
    while True:
        message = await connection.receive()
        try:
            level_dbfs = parse_level(v1.parse_object(text_of(message)))
        except EarshotError as error:
            await connection.send(v1.render_error(error, recoverable=True))
            continue
        if level_dbfs is not None:
            levels.note(conversation_id, level_dbfs)


def parse_level(message: dict[str, Any]) -> float | None:
    """In dB below full scale; None in what answers a ping. Raises ``InvalidMessage``."""
    match message:
        case {"action": "pong"}:
            return None
        case {"action": "level", "level_dbfs": int() | float() as level_dbfs} if not isinstance(level_dbfs, bool):
            if -LEVEL_MAX_DB <= level_dbfs <= LEVEL_MAX_DB:
                return float(level_dbfs)
    raise InvalidMessage('this socket takes {"action": "level", "level_dbfs": -20.0} and {"action": "pong"}')
