"""Meetings at Whereby, by their REST API: they host the call, and we open, link and end it.

An API key opens every meeting of its owner, so it goes to the configured address alone: no redirect is followed. What
comes back is read up to a bound and within a deadline, and checked before it is believed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import httpx
import structlog
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from protocol.errors import EarshotError, ProviderFailed, ProviderUnavailable
from server.meetings.provider import Opened
from server.outbound import json_client
from server.store.meeting_records import Meeting, Room

log = structlog.get_logger(__name__)

ANSWER_MAX_BYTES = 64 * 1024
PREFIX_MAX_CHARS = 39
ATTEMPTS = 3
PAUSES_S = (0.2, 0.6)  # before the second and the third
WAIT_MAX_S = 2.0  # for their limit to be over; who asked is told to come back where it takes longer
RETRY_S = 5.0
CONNECTIONS_MAX = 16


class _Created(BaseModel):
    """What we need of their answer."""

    model_config = ConfigDict(extra="ignore", strict=True)

    meetingId: str = Field(min_length=1, max_length=200)
    roomUrl: str = Field(max_length=2000, pattern=r"^https://[^\s/]+/\S*$")
    hostRoomUrl: str | None = Field(default=None, max_length=2000, pattern=r"^https://[^\s/]+/\S*$")


class _NotSent(Exception):
    """No connection was made: they know nothing of the request."""


class Whereby:
    """The provider ``whereby``. ``deadline_s`` is for one answer as a whole."""

    has_sound: Final = False

    def __init__(
        self,
        api_key: SecretStr,
        url: str,
        *,
        deadline_s: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._deadline_s = deadline_s
        self._sleep = sleep
        self._api_key = api_key
        self._url = url.rstrip("/")
        self._http: httpx.AsyncClient | None = None
        self._making = asyncio.Lock()  # so that two who come first at once have one client, which stop closes

    async def create(self, room: Room, ends_at: float) -> Opened:
        """Not tried again once they may have got it: each time would open another meeting."""
        answer = await self._ask("POST", "meetings", body=_wanted(room, ends_at), again=False, known=(200, 201))
        try:
            created = _Created.model_validate_json(answer)
        except ValidationError:
            raise ProviderFailed("Whereby opened a meeting, and answered what cannot be understood") from None
        return Opened(created.roomUrl, created.hostRoomUrl, created.meetingId)

    def link(self, meeting: Meeting, name: str) -> str:
        """The room's link with the name that others see."""
        parts = urlsplit(meeting.room_url)
        query = [*parse_qsl(parts.query, keep_blank_values=True), ("displayName", name)]
        return urlunsplit(parts._replace(query=urlencode(query, quote_via=quote)))

    async def end(self, provider_id: str) -> None:
        """Nobody gets in any more. One that is gone already is as good."""
        path = f"meetings/{quote(provider_id, safe='')}"
        await self._ask("DELETE", path, again=True, known=(200, 202, 204, 404, 410))

    async def stop(self) -> None:
        if self._http is not None:
            await self._http.aclose()

    async def _ask(
        self, method: str, path: str, *, body: Mapping[str, Any] | None = None, again: bool, known: tuple[int, ...]
    ) -> bytes:
        """The body of an answer with a ``known`` status. ``again``: doing it twice does no harm.

        Raises ``ProviderFailed`` for what trying again does not mend, ``ProviderUnavailable`` for what it may.
        """
        attempt = 1
        while True:
            last = attempt >= ATTEMPTS
            try:
                status, headers, answer = await self._answer(method, path, body)
            except _NotSent:
                if last:
                    raise ProviderUnavailable("Whereby cannot be reached; try again", retry_after_s=RETRY_S) from None
            except ProviderUnavailable:
                if last or not again:
                    raise
            else:
                if status in known:
                    return answer
                wait_s = _wait_s(headers) if status == 429 else None
                if wait_s is not None and wait_s <= WAIT_MAX_S and not last:
                    await self._sleep(wait_s)  # they refused it, so that nothing was done
                elif status < 500 or last or not again:
                    raise _error(status, wait_s)
            await self._sleep(PAUSES_S[min(attempt, len(PAUSES_S)) - 1])
            attempt += 1

    async def _client(self) -> httpx.AsyncClient:
        async with self._making:
            if self._http is None:
                self._http = await json_client(
                    self._url,
                    deadline_s=self._deadline_s,
                    connections_max=CONNECTIONS_MAX,
                    headers={"Authorization": f"Bearer {self._api_key.get_secret_value()}"},
                )
            return self._http

    async def _answer(
        self, method: str, path: str, body: Mapping[str, Any] | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        http = await self._client()
        try:
            async with (
                asyncio.timeout(self._deadline_s),
                http.stream(method, f"{self._url}/{path}", json=body) as response,
            ):
                answer, count_bytes = bytearray(), 0
                # Read to its end, or to the deadline; what is over the bound is not kept.
                async for piece in response.aiter_raw():
                    count_bytes += len(piece)
                    if count_bytes <= ANSWER_MAX_BYTES:
                        answer += piece
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            raise _NotSent from None
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            # Their texts are dropped: a library may put the request, which holds the key, into them.
            log.warning("whereby did not answer", error=type(error).__name__)
            raise ProviderUnavailable("Whereby did not answer in time; try again", retry_after_s=RETRY_S) from None
        if count_bytes > ANSWER_MAX_BYTES:
            raise ProviderFailed("Whereby answered more than could be an answer")
        return response.status_code, response.headers, bytes(answer)


def _wanted(room: Room, ends_at: float) -> dict[str, Any]:
    ends = datetime.fromtimestamp(ends_at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    wanted: dict[str, Any] = {
        "endDate": ends,
        "isLocked": room.is_locked,
        "roomMode": room.settings.get("room_mode", "normal"),
        "roomNamePrefix": re.sub(r"[^a-z0-9]", "", room.name)[:PREFIX_MAX_CHARS],
        "fields": ["hostRoomUrl"],
    }
    recording_type = room.settings.get("recording_type", "none")
    recording: dict[str, Any] = {"type": recording_type}
    if recording_type != "none":
        recording["startTrigger"] = room.settings.get("recording_trigger", "none")
    if recording_type == "cloud":
        recording["destination"] = {"provider": "whereby"}
    return wanted | {"recording": recording}


def _wait_s(headers: Mapping[str, str]) -> float:
    text = headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 6 else RETRY_S


def _error(status: int, wait_s: float | None) -> EarshotError:
    details = {"status": status}
    if status in (401, 403):
        message = "Whereby refused the API key of this server; whoever runs it sets whereby_api_key"
        return ProviderFailed(message, details=details)
    if status == 429:
        message = "Whereby takes no more requests for now; try again"
        return ProviderUnavailable(message, details=details, retry_after_s=wait_s)
    if status >= 500:
        message = "Whereby has trouble of its own; try again"
        return ProviderUnavailable(message, details=details, retry_after_s=RETRY_S)
    return ProviderFailed("Whereby refused what this server asked for", details=details)
