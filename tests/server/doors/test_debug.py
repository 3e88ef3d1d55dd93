"""The page of the inference loop: what it is told, and whom."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from asr.wire import Ran
from server.doors.debug import SESSIONS_MAX, STEPS_PER_ANSWER_MAX
from server.services import Services
from server.settings import Settings
from tests.fakes.node import Client, new_client
from tests.fakes.running_app import running_app
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.waiting import until

TOKEN = "canary-token-of-the-loop"
PLACES = ("/debug/loop", "/debug/loop.json")


@asynccontextmanager
async def from_address(client: httpx.AsyncClient, address: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the same app that comes from elsewhere."""
    transport = httpx.ASGITransport(client.app, client=(address, 40_000))  # type: ignore[attr-defined]
    async with httpx.AsyncClient(transport=transport, base_url="http://192.0.2.1") as other:
        yield other


@pytest.mark.parametrize("place", PLACES)
async def test_without_a_token_only_this_machine_sees_it(client: httpx.AsyncClient, place: str) -> None:
    assert (await client.get(place)).status_code == 200
    async with from_address(client, "::1") as other:
        assert (await other.get(place)).status_code == 200
    async with from_address(client, "192.0.2.7") as stranger:
        refused = await stranger.get(place)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "FORBIDDEN")
        assert (await stranger.get("/v1/transcripts")).status_code == 200
    passed_on = await client.get(place, headers={"X-Forwarded-For": "127.0.0.1"})
    assert passed_on.status_code == 403
    rebound = await client.get(place, headers={"Host": "evil.example"})
    assert rebound.status_code == 403


async def test_with_a_token_its_figures_need_it_even_here(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async with running_app(tmp_path, access_token=SecretStr(TOKEN)) as node:
        # The page holds nothing, and a browser cannot send a token for it: it asks for one.
        assert (await node.http.get("/debug/loop")).headers["content-type"].startswith("text/html")
        wrong: tuple[dict[str, Any], ...] = (
            {},
            {"headers": {"Authorization": "Bearer wrong"}},
            {"params": {"token": TOKEN, "access_token": TOKEN}},
        )
        for given in wrong:
            refused = await node.http.get("/debug/loop.json", **given)
            assert (refused.status_code, refused.json()["error"]["code"]) == (401, "NOT_AUTHORISED"), given
        answer = await node.http.get("/debug/loop.json", headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
    printed = capfd.readouterr()
    assert "canary" not in printed.out + printed.err


async def speak(services: Services, text: str) -> Client:
    client = await new_client(services)
    await client.begin()
    await client.say(scripted_sound(sentence(text)))
    await client.stop()
    return client


async def test_speech_becomes_steps_and_none_of_it_is_told(client: httpx.AsyncClient, services: Services) -> None:
    await services.asr.wait_ready()
    await speak(services, "river stone bridge")
    await until(lambda: bool(services.loop.minute.steps()))  # which another process tells after the words
    told = (await client.get("/debug/loop.json")).json()
    number, worker, kind, ago_s, size, most, wait_ms, run_ms, samples, frames, listen_ms = told["steps"][-1]
    assert number == told["last"] >= 1
    assert worker == told["workers"][0]["index"] == 0
    assert kind in ("final", "interim", "guess")
    assert 0 <= ago_s < 60
    assert 1 <= size <= most
    assert min(wait_ms, run_ms, samples, frames, listen_ms) >= 0
    assert "river" not in str(told)
    assert (await client.get("/debug/loop.json", params={"after": told["last"]})).json()["steps"] == []


async def test_an_answer_is_bounded_and_the_next_one_goes_on(client: httpx.AsyncClient, services: Services) -> None:
    count = 2 * STEPS_PER_ANSWER_MAX + 5
    for number in range(count):
        services.loop.ran(number % 3, Ran(kind="interim", size=1, batch_max=2, wait_ms=123.456, run_ms=234.567))
    numbers: list[int] = []
    told: dict[str, Any] = {"last": 0, "more": True}
    while told["more"]:
        answer = await client.get("/debug/loop.json", params={"after": told["last"]})
        assert len(answer.content) < 25_000
        told = answer.json()
        numbers += [step[0] for step in told["steps"]]
    assert numbers == list(range(1, count + 1))
    services.loop.ran(0, Ran(kind="final", size=2, batch_max=2, wait_ms=1, run_ms=2))
    more = (await client.get("/debug/loop.json", params={"after": told["last"]})).json()
    assert [(step[0], step[2]) for step in more["steps"]] == [(count + 1, "final")]
    # A page that is older than this server hears all of it.
    assert (await client.get("/debug/loop.json", params={"after": 10**9})).json()["steps"][0][0] == 1
    for odd in ("-1", "x", "1.5", "9" * 5000):
        assert (await client.get("/debug/loop.json", params={"after": odd})).status_code == 422


async def test_the_sessions_furthest_behind_are_told_and_no_more(
    client: httpx.AsyncClient, services: Services, settings: Settings
) -> None:
    speaking = []
    for _ in range(SESSIONS_MAX + 2):
        each = await new_client(services)
        await each.begin()
        speaking.append(each)
    sessions = (await client.get("/debug/loop.json")).json()["sessions"]
    assert (sessions["live"], sessions["files"], len(sessions["furthest"])) == (SESSIONS_MAX + 2, 0, SESSIONS_MAX)
    assert all(len(session_id) == 8 and lane == "live" for session_id, lane, _ in sessions["furthest"])
    lags_ms = [lag_ms for _, _, lag_ms in sessions["furthest"]]
    assert lags_ms == sorted(lags_ms, reverse=True)
    for each in speaking:
        await each.stop()


async def test_the_page_looks_like_the_others(client: httpx.AsyncClient) -> None:
    page, start = await client.get("/debug/loop"), await client.get("/", headers={"Accept": "text/html"})
    for name in ("content-security-policy", "x-frame-options", "cache-control", "referrer-policy"):
        assert page.headers[name] == start.headers[name]
    assert "debug" not in start.text
