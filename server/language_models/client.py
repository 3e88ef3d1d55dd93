"""The client of an API like OpenAI's: it lists models, and asks them in bounded time, at a bounded rate.

A key opens all that its owner pays for, so it goes to the configured address alone: no redirect is followed. What comes
back is read up to a bound and within a deadline. Neither what is asked nor what is answered, nor the key, is logged or
put into an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, Literal, cast

import httpx
import structlog

from protocol.errors import EarshotError, LanguageModelFailed, LanguageModelTooSlow, LanguageModelUnavailable
from server.language_models.answers import StreamedAnswer, model_ids, whole_answer
from server.language_models.event_stream import EventStream
from server.language_models.language_model_settings import LanguageModelSettings
from server.language_models.prompt import Answer, Prompt
from server.language_models.turns import Turns
from server.metrics import Metrics
from server.outbound import json_client

log = structlog.get_logger(__name__)

ANSWER_MAX_BYTES = 4 << 20  # some list a thousand models and tell much of each
STREAM_MAX_BYTES = 64 << 20  # a token takes some 300 bytes there
PAUSE_S = 0.5  # before the second try, where they do not say
WAIT_MAX_S = 5.0  # for their limit to be over; who asked is told to come back where it takes longer
LIST_DEADLINE_S = 15.0

Method = Literal["GET", "POST"]

# OpenAI's reasoning models take the bound of an answer under this name alone, and no temperature; they refuse the older
# name with a message that says so. Other servers mostly know the older one alone.
NEWER_NAME = "max_completion_tokens"
REFUSAL_MAX_BYTES = 64 * 1024


class _WantsNewerNames(Exception):
    """The model refused the older names."""


class LanguageModelClient:
    """Of the server that the settings name; ``stop`` it in the end."""

    def __init__(
        self,
        settings: LanguageModelSettings,
        metrics: Metrics,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.turns = Turns(settings.llm_at_once, settings.llm_waiting_max)
        self._url = settings.llm_base_url
        self._key = settings.llm_api_key
        self._deadline_s = settings.llm_deadline_s
        self._connections_max = settings.llm_at_once + 1  # and one that asks for the list of models
        self._metrics = metrics
        self._sleep = sleep
        self._newer: set[str] = set()  # models that want the newer names
        self._http: httpx.AsyncClient | None = None
        self._making = asyncio.Lock()  # so that two who come first at once have one client, which stop closes

    async def stop(self) -> None:
        if self._http is not None:
            await self._http.aclose()

    async def models(self) -> tuple[str, ...]:
        """Their ids, in the order of the server. Raises as ``complete``."""
        deadline_s = min(self._deadline_s, LIST_DEADLINE_S)
        return model_ids(await self._twice("GET", "models", None, self._by(deadline_s)))

    async def complete(self, prompt: Prompt, *, patient: bool = False) -> Answer:
        """The whole answer at once. ``patient``: nobody waits for it.

        Raises ``LanguageModelUnavailable``, ``LanguageModelTooSlow``, ``LanguageModelFailed``,
        ``LanguageModelRefused``.
        """
        async with self.turns.one(patient=patient), self._watched():
            by_s = self._by(self._deadline_s)
            try:
                answer = await self._twice("POST", "chat/completions", self._body(prompt), by_s)
            except _WantsNewerNames:
                self._newer.add(prompt.model)
                answer = await self._once("POST", "chat/completions", self._body(prompt), by_s)
            return whole_answer(prompt, answer)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str | Answer, None]:
        """The answer as it is written, piece by piece, and then as a whole. Raises as ``complete``, also in the middle.

        Read it to its end, or close it: it holds a place of those that may ask.
        """
        async with self.turns.one(), self._watched():
            by_s = self._by(self._deadline_s)
            for is_last in (False, True):
                begun = False
                try:
                    async with aclosing(self._streamed(prompt, by_s)) as pieces:
                        async for each in pieces:
                            begun = True
                            yield each
                    return
                except _WantsNewerNames:
                    self._newer.add(prompt.model)
                except LanguageModelUnavailable as error:
                    if begun or is_last:
                        raise
                    await self._pause(error, by_s)

    async def _streamed(self, prompt: Prompt, by_s: float) -> AsyncGenerator[str | Answer, None]:
        events, answer = EventStream(), StreamedAnswer(prompt)
        body = self._body(prompt) | {"stream": True, "stream_options": {"include_usage": True}}
        async with (
            self._asked("POST", "chat/completions", body, by_s, accept="text/event-stream") as response,
            aclosing(_pieces(response, by_s, STREAM_MAX_BYTES)) as pieces,
        ):
            async for piece in pieces:
                for data in events.feed(piece):
                    if text := answer.take(data):
                        yield text
                if answer.is_done:
                    break
        yield answer.answer()

    async def _twice(self, method: Method, path: str, body: Mapping[str, Any] | None, by_s: float) -> bytes:
        """An answer as a whole; asked for once more where that may help."""
        try:
            return await self._once(method, path, body, by_s)
        except LanguageModelUnavailable as error:
            await self._pause(error, by_s)
        return await self._once(method, path, body, by_s)

    async def _once(self, method: Method, path: str, body: Mapping[str, Any] | None, by_s: float) -> bytes:
        async with (
            self._asked(method, path, body, by_s) as response,
            aclosing(_pieces(response, by_s, ANSWER_MAX_BYTES)) as pieces,
        ):
            return b"".join([piece async for piece in pieces])

    async def _pause(self, error: LanguageModelUnavailable, by_s: float) -> None:
        """Before the second try; raises ``error`` where there is no time for one."""
        pause_s = PAUSE_S if error.retry_after_s is None else error.retry_after_s
        if pause_s > WAIT_MAX_S or asyncio.get_running_loop().time() + pause_s >= by_s:
            raise error
        await self._sleep(pause_s)

    @asynccontextmanager
    async def _asked(
        self,
        method: Method,
        path: str,
        body: Mapping[str, Any] | None,
        by_s: float,
        *,
        accept: str = "application/json",
    ) -> AsyncIterator[httpx.Response]:
        """An answer with status 200, not read yet."""
        http = await self._client()
        try:
            request = http.build_request(method, f"{self._url}/{path}", json=body, headers={"Accept": accept})
            async with asyncio.timeout_at(by_s):
                response = await http.send(request, stream=True)
            try:
                if response.status_code == 400 and body is not None and NEWER_NAME not in body:
                    async with aclosing(_pieces(response, by_s, REFUSAL_MAX_BYTES)) as pieces:
                        refusal = await anext(pieces, b"")
                    if NEWER_NAME.encode() in refusal:
                        raise _WantsNewerNames
                if response.status_code != 200:
                    raise _error(response.status_code, response.headers)
                yield response
            finally:
                await response.aclose()
        except (TimeoutError, httpx.TimeoutException):
            raise LanguageModelTooSlow(
                "the language model did not answer in time; try again, ask about less, or raise llm_deadline_s"
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # Their texts are dropped: a library may put the request, which holds speech and the key, into them.
            log.warning("the language model's server does not answer", error=type(error).__name__)
            raise LanguageModelUnavailable("the language model's server cannot be reached; try again") from None

    async def _client(self) -> httpx.AsyncClient:
        async with self._making:
            if self._http is None:
                key = self._key.get_secret_value() if self._key is not None else ""
                self._http = await json_client(
                    self._url,
                    deadline_s=self._deadline_s,
                    connections_max=self._connections_max,
                    headers={"Authorization": f"Bearer {key}"} if key else None,
                )
            return self._http

    def _body(self, prompt: Prompt) -> dict[str, Any]:
        messages = [{"role": each.role, "content": each.content} for each in prompt.messages]
        body: dict[str, Any] = {"model": prompt.model, "messages": messages, "stream": False}
        if prompt.model in self._newer:
            return body | {NEWER_NAME: prompt.answer_tokens}
        return body | {"max_tokens": prompt.answer_tokens, "temperature": prompt.temperature}

    def _by(self, deadline_s: float) -> float:
        return asyncio.get_running_loop().time() + deadline_s

    @asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        """Counts how it ended."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        outcome = "gone"  # who asked did not wait
        try:
            yield
            outcome = "ok"
        except EarshotError as error:
            outcome = error.code.removeprefix("LANGUAGE_MODEL_").lower()
            log.warning("no answer of the language model", code=error.code, **error.details)
            raise
        finally:
            self._metrics.language_model_asked(outcome, loop.time() - began_s)


async def _pieces(response: httpx.Response, by_s: float, max_bytes: int) -> AsyncGenerator[bytes, None]:
    count_bytes = 0
    async with aclosing(cast(AsyncGenerator[bytes, None], response.aiter_raw())) as pieces:
        while True:
            async with asyncio.timeout_at(by_s):
                piece = await anext(pieces, None)
            if piece is None:
                return
            count_bytes += len(piece)
            if count_bytes > max_bytes:
                raise LanguageModelFailed("the language model's server answered more than could be an answer")
            yield piece


def _wait_s(headers: Mapping[str, str]) -> float | None:
    text = headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 6 else None


def _error(status: int, headers: Mapping[str, str]) -> EarshotError:
    """What they say themselves is left out: it may repeat what was asked."""
    details = {"status": status}
    if status in (401, 403):
        message = "the language model's server refused the key of this server; whoever runs it sets llm_api_key"
        return LanguageModelFailed(message, details=details)
    if 300 <= status < 400:
        message = (
            "the language model's server sends elsewhere, where the key must not follow; whoever runs this one sets "
            "llm_base_url to where it leads"
        )
        return LanguageModelFailed(message, details=details)
    if status == 404:
        message = "the language model's server has no such model or path; whoever runs this one checks llm_base_url"
        return LanguageModelFailed(message, details=details)
    if status == 429:
        message = "the language model's server takes no more requests for now; try again"
        return LanguageModelUnavailable(message, details=details, retry_after_s=_wait_s(headers))
    if status >= 500:
        message = "the language model's server has trouble of its own; try again"
        return LanguageModelUnavailable(message, details=details, retry_after_s=_wait_s(headers))
    message = (
        "the language model's server refused what this server asked for; perhaps it takes fewer tokens than "
        "llm_context_tokens says"
    )
    return LanguageModelFailed(message, details=details)
