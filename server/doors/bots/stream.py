"""``/api/v1/bot/{bot_id}/stream``: what a bot hears and sees, as its makers send it."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from functools import partial

import structlog
from fastapi import APIRouter, WebSocket

from protocol.errors import BadInput, Conflict, Draining, EarshotError, Overloaded
from protocol.wire import v1
from protocol.wire.bots import BotMessages
from server.auth import Action
from server.bots.bot_stream import BotStream
from server.bots.video_parts import MESSAGE_MAX_BYTES
from server.doors.access import metrics_of, services_of, settings_of
from server.doors.sockets import SocketConnection, serve_socket, until_first
from server.services import Services
from server.store.bot_store import Bot

router = APIRouter()
log = structlog.get_logger(__name__)

TICK_S = 0.5
# Who leaves and sends nothing for so many looks has nothing more to send. Of a machine that stands still between two of
# them there is another, before which what came meanwhile is read. Who goes on is sent away, but not as long as what a
# busy machine has not read yet was said before.
LOOKS, LOOK_S, GOES_ON_MAX_S, BEHIND_MAX_S = 3, 0.1, 30.0, 300.0
TOLD_MAX = 20  # errors that one connection is told; its maker reads them, or does not


@router.websocket("/api/v1/bot/{bot_id}/stream")
async def bot_stream(websocket: WebSocket) -> None:
    most = max(MESSAGE_MAX_BYTES, settings_of(websocket).message_max_bytes)
    await serve_socket(websocket, Action.SPEAK, _stream, message_max_bytes=most)


async def _stream(connection: SocketConnection) -> None:
    websocket = connection.websocket
    services = services_of(websocket)
    bot = await services.store.bots.get(str(websocket.path_params["bot_id"]))
    services.attending.verify(bot, websocket.headers)
    if bot.left_at is not None:
        raise Conflict("this bot has left its call; register another", details={"bot_id": bot.id})
    ended: asyncio.Future[EarshotError | None] = asyncio.get_running_loop().create_future()
    stream = _opened(services, bot, ended)
    with metrics_of(websocket).subscribers.labels("bot").track_inprogress():
        async with services.attending.connected(bot, stream):
            try:
                until_over = _until_ended(stream, ended)
                await until_first(_hear(connection, stream), _tick(stream), until_over, connection.wait_leaving())
            finally:
                await stream.lost("connection lost")
                with suppress(Draining):  # what is not stored by then is lost
                    await until_first(stream.finish(), connection.wait_leaving())


def _opened(services: Services, bot: Bot, ended: asyncio.Future[EarshotError | None]) -> BotStream:
    def end(error: EarshotError | None) -> None:
        if not ended.done():
            ended.set_result(error)

    return BotStream(
        services.settings,
        services.hub,
        services.store,
        services.journal,
        services.speakers,
        services.resume_tokens,
        bot.transcript.id,
        began=bot.began,
        on_began=partial(services.store.bots.began, bot.id),
        on_ended=end,
        language=bot.language,
        is_paused=bot.paused_at is not None,
    )


async def _hear(connection: SocketConnection, stream: BotStream) -> None:
    """What is wrong costs no more than itself, and is told."""
    messages = BotMessages()
    refused = 0
    while True:
        message = await connection.receive()
        try:
            await stream.take(messages.read(message))
        except (BadInput, Overloaded) as error:
            refused += 1
            if refused <= TOLD_MAX:
                log.info("a bot's message is refused", code=error.code, why=error.message, refused=refused)
                await connection.send(v1.render_error(error, recoverable=True))


async def _tick(stream: BotStream) -> None:
    while True:
        await asyncio.sleep(TICK_S)
        stream.tick()


async def _until_ended(stream: BotStream, ended: asyncio.Future[EarshotError | None]) -> None:
    """A bot that leaves is heard until what it sent is taken."""
    error = await asyncio.shield(ended)
    if error is not None:
        raise error
    taken, quiet, began_s = -1, 0, time.monotonic()
    while quiet < LOOKS and time.monotonic() - began_s < (BEHIND_MAX_S if stream.is_behind else GOES_ON_MAX_S):
        quiet = 0 if stream.is_taking or stream.taken != taken else quiet + 1
        taken = stream.taken
        await asyncio.sleep(LOOK_S)
    await stream.stop()
