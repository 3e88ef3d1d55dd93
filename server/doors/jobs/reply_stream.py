"""An answer as it is written, as ``text/event-stream``."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import Any, Self

import structlog
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from protocol.errors import EarshotError, Internal
from server.doors.jobs.views import reply_view
from server.language_models.chat import Reply

log = structlog.get_logger(__name__)

FIRST_S = 2.0  # an error that comes so soon is answered as all errors are, with its status
COMMENT_S = 15.0  # proxies close what says nothing for a minute
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the latter is for nginx: pass it on at once


class ReplyStream(StreamingResponse):
    """Reads the answer as fast as it is written, so that a slow client holds no place at the model; what is not sent
    yet is kept here, which is an answer at most. Ended when the client goes."""

    def __init__(self, pieces: AsyncGenerator[str | Reply, None]) -> None:
        self._pieces = pieces
        self._waiting: deque[Mapping[str, Any]] = deque()
        self._came = asyncio.Event()
        self._error: EarshotError | None = None
        self._reading = asyncio.create_task(self._read(), name="answer to a chat")
        super().__init__(self._events(), headers=HEADERS, media_type="text/event-stream")

    @classmethod
    async def begun(cls, pieces: AsyncGenerator[str | Reply, None]) -> Self:
        """Raises the error where one comes before anything else, and soon."""
        stream = cls(pieces)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(FIRST_S):
                    await stream._came.wait()
        except BaseException:
            await stream.close()
            raise
        if stream._error is not None and not stream._waiting:
            await stream.close()
            raise stream._error
        return stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self.close()

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self) -> None:
        try:
            async for each in self._pieces:
                self._waiting.append({"delta": each} if isinstance(each, str) else reply_view(each))
                self._came.set()
        except EarshotError as error:
            self._error = error
        except Exception:
            log.exception("unexpected error in an answer")
            self._error = Internal("something went wrong on our side")
        finally:
            await self._pieces.aclose()
            self._came.set()

    async def _events(self) -> AsyncGenerator[bytes, None]:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(COMMENT_S):
                    await self._came.wait()
            is_over = self._reading.done()
            self._came.clear()
            if not (self._waiting or is_over):
                yield b": still here\n\n"
            while self._waiting:
                yield _event(self._waiting.popleft())
            if is_over:
                break
        if self._error is not None:
            yield _event({"error": self._error.to_dict(), "detail": self._error.message})


def _event(data: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()
