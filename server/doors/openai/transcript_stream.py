"""Words of a file as they are found, as ``text/event-stream``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from typing import Any

import structlog
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from protocol.errors import EarshotError, Internal
from protocol.openai_errors import error_body, status_of
from server.doors.openai.hearing import let_end

log = structlog.get_logger(__name__)

COMMENT_S = 15.0  # proxies close what says nothing for a minute
WAITING_MAX = 64  # for a client that takes its time; the rest waits in the journal
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the latter is for nginx: pass it on at once


class TranscriptStream(StreamingResponse):
    """``over`` is called once, when all is told or nobody listens any more."""

    def __init__(self, events: AsyncGenerator[Mapping[str, Any], None], over: Callable[[], None]) -> None:
        self._events = events
        self._over = over
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue(WAITING_MAX)  # None: there is no more
        super().__init__(self._texts(), headers=HEADERS, media_type="text/event-stream")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reading = asyncio.create_task(self._read(), name="words of a file")
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._over()
            await let_end(reading)

    async def _read(self) -> None:
        try:
            async for each in self._events:
                await self._waiting.put(_event(each))
        except EarshotError as error:
            await self._waiting.put(_event(_error(error)))
        except Exception:
            log.exception("unexpected error in a stream of words")
            await self._waiting.put(_event(_error(Internal("something went wrong on our side"))))
        finally:
            await self._events.aclose()
        await self._waiting.put(None)

    async def _texts(self) -> AsyncGenerator[bytes, None]:
        while True:
            text: bytes | None = b": still here\n\n"
            with suppress(TimeoutError):
                async with asyncio.timeout(COMMENT_S):
                    text = await self._waiting.get()
            if text is None:
                return
            yield text


def _error(error: EarshotError) -> dict[str, Any]:
    return {"error": error_body(status_of(error.http_status), error.code, error.message, error.details)}


def _event(data: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
