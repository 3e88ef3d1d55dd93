"""The REST calls of a load: tried again while the server is away or asks for patience, counted by what it answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import httpx

from server.commands.addresses import Ways
from server.commands.patience import Patience
from server.commands.speaking import RETRY_AFTER_MAX_S
from server.load.tally import Tally

PAGE = 100
SETTLE_S = 60.0  # after its end a transcript is completed within so long, or read as it is
POLL_S = 0.5
AT_ONCE = 8
ENDED = frozenset({"completed", "failed"})


class CallFailed(Exception):
    """``code`` as the server told it, or what stands for no answer. ``is_refusal``: it had no room all the time."""

    def __init__(self, code: str, *, is_refusal: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.is_refusal = is_refusal


class Rest:
    """Calls by one client; ``AT_ONCE`` of those that only prepare or read, so that the load itself is not disturbed."""

    def __init__(self, http: httpx.AsyncClient, tally: Tally) -> None:
        self._http = http
        self._tally = tally
        self._places = asyncio.Semaphore(AT_ONCE)

    async def create(self, ways: Ways, name: str, within_s: float) -> str:
        async with self._places:
            return str((await self.call(ways, "POST", "/v1/transcripts/", within_s, json={"name": name}))["id"])

    async def delete(self, ways: Ways, transcript_id: str) -> None:
        """For good, and not only into the bin."""
        async with self._places:
            await self.call(ways, "DELETE", f"/v1/transcripts/{transcript_id}", SETTLE_S)
            with contextlib.suppress(CallFailed):  # a server that keeps no bin has none of it any more
                await self.call(ways, "DELETE", f"/v1/transcripts/{transcript_id}/destroy", SETTLE_S)

    async def settled(self, ways: Ways, transcript_id: str, within_s: float = SETTLE_S) -> dict[str, Any]:
        """The transcript's record once it has ended, or as it is after the time."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + within_s
        while True:
            async with self._places:
                record = await self.call(ways, "GET", f"/v1/transcripts/{transcript_id}", SETTLE_S)
            if record["status"] in ENDED or loop.time() >= until_s:
                return record
            await asyncio.sleep(POLL_S)

    async def words(self, ways: Ways, transcript_id: str) -> list[tuple[str, float, str]]:
        """Each stored word with the second it begins at, and its segment; a segment without words is one."""
        found: list[tuple[str, float, str]] = []
        page, seen = 1, 0
        while True:
            path = f"/v1/transcripts/{transcript_id}/segments?page={page}&size={PAGE}"
            async with self._places:
                answer = await self.call(ways, "GET", path, SETTLE_S)
            for item in answer["items"]:
                words = item.get("words") or [{"text": item["text"], "start": item["start"]}]
                found += [(word["text"], float(word["start"]), str(item["segment_id"])) for word in words]
            seen, page = seen + len(answer["items"]), page + 1
            if not answer["items"] or seen >= answer["total"]:
                return found

    async def call(
        self,
        ways: Ways,
        method: str,
        path: str,
        within_s: float,
        more_headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """The answer's body. Raises ``CallFailed`` when the server says no, or nothing came of it in time."""
        loop = asyncio.get_running_loop()
        until_s, patience = loop.time() + within_s, Patience(within_s)
        while True:
            code, wait_s = "NO_ANSWER", None
            with contextlib.suppress(httpx.HTTPError):
                address = ways.now
                headers = {**address.headers, **(more_headers or {})}
                answer = await self._http.request(method, address.http + path, headers=headers, **more)
                if answer.is_success:
                    return _body(answer)
                code, wait_s = _refusal(answer)
                ways.follow(_error(answer).get("details") or {})
            if code == "NO_ANSWER":
                ways.try_next()
                wait_s = patience.failed(loop.time())
                self._tally.errors.add(code)
            elif wait_s is not None:
                self._tally.refused.add(code)
            else:
                self._tally.errors.add(code)
            if wait_s is None or loop.time() + wait_s >= until_s:
                raise CallFailed(code, is_refusal=wait_s is not None and code != "NO_ANSWER")
            self._tally.waited_s += wait_s if code != "NO_ANSWER" else 0.0
            await asyncio.sleep(wait_s)


def _refusal(answer: httpx.Response) -> tuple[str, float | None]:
    """The code of a refusal, and how long to stay away: None when trying again does not help."""
    code = str(_error(answer).get("code") or f"HTTP_{answer.status_code}")
    if answer.status_code not in (421, 429, 502, 503, 504):  # 421: another node has it, or had it just now
        return code, None
    try:
        return code, min(max(float(answer.headers.get("Retry-After", 1.0)), 0.05), RETRY_AFTER_MAX_S)
    except ValueError:  # a date; nobody of ours writes one
        return code, 5.0


def _error(answer: httpx.Response) -> Mapping[str, Any]:
    body = _body(answer)
    error = body.get("error")
    return error if isinstance(error, dict) else {}


def _body(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json() if answer.content else {}
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
