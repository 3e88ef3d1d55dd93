"""The server dies in the middle and comes back: the page says so, reconnects, and sends what it kept."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import httpx
import jiwer
import pytest
from playwright.async_api import WebSocketRoute
from websockets.asyncio.client import connect

from tests.e2e.browser import microphone, visiting
from tests.e2e.conftest import Served, Spoken
from tests.fakes.server_process import ServerProcess

pytestmark = [pytest.mark.browser, pytest.mark.process]


# Over a WebSocket nothing is lost, so only the recogniser errs. Over WebRTC what was said around the moment of the
# crash is gone: one of six turns.
@pytest.mark.parametrize(("transport", "errors_max"), [("websocket", 0.3), ("auto", 0.5)])
async def test_a_killed_server_costs_no_word_that_was_kept(
    chromium: str, long_voice: Spoken, tmp_path: Path, transport: str, errors_max: float
) -> None:
    options = {"engine": "embedded-en"}
    async with visiting(chromium, *microphone(long_voice.path), outages=True) as visit:
        page = visit.page
        async with ServerProcess(tmp_path / "data", **options) as server:
            port = int(server.url.rpartition(":")[2])
            await page.goto(f"{server.url}/?transport={transport}")
            await page.get_by_role("button", name="Start speaking").click()
            await visit.until_heard("morning")
            await server.kill()
            await visit.until_state("Connection lost")
            await visit.until_state("trying again in")
            await visit.until_state("kept here and will be sent")
        async with ServerProcess(tmp_path / "data", port=port, **options):
            await visit.until_phase("live")
            await visit.until_heard("river", timeout_ms=60_000)
            await page.get_by_role("button", name="Stop").click()
            await visit.until_phase("done")
            heard = await visit.heard()
            assert jiwer.wer(long_voice.text, heard) <= errors_max, heard
            assert heard.count("river") == 1


async def test_a_server_that_leaves_in_good_order_is_not_taken_for_the_end(
    chromium: str, voice: Spoken, tmp_path: Path
) -> None:
    async with visiting(chromium, *microphone(voice.path), outages=True) as visit:
        page = visit.page
        async with ServerProcess(tmp_path / "data", engine="embedded-en") as server:
            port = int(server.url.rpartition(":")[2])
            await page.goto(server.url)
            await page.get_by_role("button", name="Start speaking").click()
            await visit.until_heard("morning")
            stopping = asyncio.create_task(server.stop())
            await visit.until_state("kept here and will be sent")
            await stopping
        async with ServerProcess(tmp_path / "data", engine="embedded-en", port=port):
            await visit.until_phase("live")  # the voice is silent by now, and the page says so
            await page.get_by_role("button", name="Stop").click()
            await visit.until_phase("done")


async def test_stopped_by_somebody_else(server: Served, chromium: str, voice: Spoken) -> None:
    async with visiting(chromium, *microphone(voice.path)) as visit:
        await visit.page.goto(server.url)
        await visit.page.get_by_role("button", name="Start speaking").click()
        await visit.until_state("Listening")
        await stop_from_elsewhere(server)
        await visit.until_phase("done")


async def test_stopped_by_somebody_else_and_told_after_the_connection_closed(
    server: Served, chromium: str, voice: Spoken
) -> None:
    held: list[tuple[WebSocketRoute, str | bytes]] = []
    holding = False

    def told(page: WebSocketRoute, message: str | bytes) -> None:
        if holding:
            held.append((page, message))
        else:
            page.send(message)

    def route(page: WebSocketRoute) -> None:
        page.connect_to_server().on_message(lambda message: told(page, message))

    async with visiting(chromium, *microphone(voice.path)) as visit:
        await visit.page.route_web_socket(re.compile("/v1/transcripts_websocket/"), route)
        await visit.page.goto(server.url)
        await visit.page.get_by_role("button", name="Start speaking").click()
        await visit.until_state("Listening")
        holding = True
        await stop_from_elsewhere(server)
        await visit.until_phase("finishing")
        holding = False
        for page, message in held:
            page.send(message)
        await visit.until_phase("done")


async def stop_from_elsewhere(server: Served) -> None:
    """As another reader of the newest transcript; returns when it is complete."""
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
        transcript_id = (await http.get("/v1/transcripts")).json()["items"][0]["id"]
    url = f"{server.url.replace('http', 'ws', 1)}/v1/transcripts_websocket/{transcript_id}"
    async with connect(url, proxy=None) as socket:
        await socket.send(json.dumps({"action": "stop"}))
        async for message in socket:
            told = json.loads(message)
            if told["type"] == "status" and told["data"]["status"] == "completed":
                return
