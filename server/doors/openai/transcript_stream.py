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

log = structlog.get_logger(__name__)

COMMENT_S = 15.0  # proxies close what says nothing for a minute
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the latter is for nginx: pass it on at once


class TranscriptStream(StreamingResponse):
    """``over`` is called once, when all is told or nobody listens any more."""

    def __init__(self, events: AsyncGenerator[Mapping[str, Any], None], over: Callable[[], None]) -> None:
        self._told = events
        self._over = over
        super().__init__(self._texts(), headers=HEADERS, media_type="text/event-stream")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._over()

    async def _texts(self) -> AsyncGenerator[bytes, None]:
        coming: asyncio.Future[Mapping[str, Any]] | None = None
        try:
            while True:
                coming = asyncio.ensure_future(anext(self._told))
                while not (await asyncio.wait({coming}, timeout=COMMENT_S))[0]:
                    yield b": still here\n\n"
                yield _event(coming.result())
        except StopAsyncIteration:
            return
        except EarshotError as error:
            yield _event(_error(error))
        except Exception:
            log.exception("unexpected error in a stream of words")
            yield _event(_error(Internal("something went wrong on our side")))
        finally:
            if coming is not None:
                coming.cancel()
                with suppress(BaseException):
                    await coming
            await self._told.aclose()


def _error(error: EarshotError) -> dict[str, Any]:
    return {"error": error_body(status_of(error.http_status), error.code, error.message, error.details)}


def _event(data: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
