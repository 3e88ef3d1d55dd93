"""The REST calls of a load."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from server.commands.addresses import ServerAddress, Ways
from server.load.rest import Rest
from server.load.tally import Tally


def answering(answers: Sequence[tuple[int, dict[str, Any]]], asked: list[str]) -> httpx.AsyncClient:
    """A client of a server that gives these answers, one after the other, and notes at which address it was asked."""
    left = deque(answers)

    async def answer(request: Request) -> JSONResponse:
        asked.append(str(request.base_url).rstrip("/"))
        status, body = left.popleft()
        return JSONResponse(body, status_code=status, headers={"Retry-After": "0"})

    app = Starlette(routes=[Route("/offer", answer, methods=["POST"])])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app))


async def test_who_is_told_that_another_node_has_it_goes_there() -> None:
    """And comes back where that one does not have it any more either: it may have died a moment ago."""
    there = {"error": {"code": "HELD_ELSEWHERE", "details": {"server_url": "http://b.example"}}}
    nowhere = {"error": {"code": "HELD_ELSEWHERE", "details": {"server_url": None}}}
    asked: list[str] = []
    tally = Tally()
    async with answering([(421, there), (421, nowhere), (200, {"sdp": "v=0"})], asked) as http:
        told = await Rest(http, tally).call(Ways([ServerAddress("http://a.example")]), "POST", "/offer", 30.0)
    assert told == {"sdp": "v=0"}
    assert asked == ["http://a.example", "http://b.example", "http://b.example"]
    assert tally.refused.by_code == {"HELD_ELSEWHERE": 2}
