"""The server dies in the middle and comes back: the page says so, reconnects, and sends what it kept."""

from __future__ import annotations

import asyncio
import re
from itertools import groupby
from pathlib import Path

import jiwer
import pytest
from playwright.async_api import WebSocketRoute

from tests.e2e.browser import microphone, visiting
from tests.e2e.conftest import TONES, TONES_EVERY_S, Spoken
from tests.fakes.running_app import RunningApp, running_app
from tests.fakes.scripted_sound import sentence
from tests.fakes.server_process import ServerProcess

pytestmark = [pytest.mark.browser, pytest.mark.process]

# From the first word to the last, and where each is on the track.
TONES_S = (len(TONES) - 1) * TONES_EVERY_S + sentence(TONES[-1], 0.0)[-1][1]
STARTS = """
() => [...document.querySelectorAll('.line:not(.interim) .word')]
  .map((word) => [word.textContent.trim(), Number(word.dataset.start)])
"""


# Over a WebSocket nothing is lost; a browser's noise suppression may cost a word. Over WebRTC what was said around the
# moment of the crash is gone.
@pytest.mark.parametrize(("transport", "errors_max"), [("websocket", 0.2), ("auto", 0.5)])
async def test_a_killed_server_costs_no_word_that_was_kept(
    chromium: str, tones: Spoken, tmp_path: Path, transport: str, errors_max: float
) -> None:
    async with visiting(chromium, *microphone(tones.path), outages=True) as visit:
        page = visit.page
        async with ServerProcess(tmp_path / "data") as server:
            port = int(server.url.rpartition(":")[2])
            await page.goto(f"{server.url}/?transport={transport}")
            await page.get_by_role("button", name="Start speaking").click()
            await visit.until_heard("morning")
            await server.kill()
            await visit.until_state("Connection lost")
            await visit.until_state("trying again in")
            await visit.until_state("kept here and will be sent")
        async with ServerProcess(tmp_path / "data", port=port):
            await visit.until_phase("live")
            await visit.until_heard("never")
            await page.get_by_role("button", name="Stop").click()
            await visit.until_phase("done")
            heard = await visit.heard()
            assert jiwer.wer(tones.text, heard) <= errors_max, heard
            # One that the crash cut in two is heard as two; what was sent twice would be several in a row.
            once = [word for word, _ in groupby(heard.split())]
            assert len(set(once)) == len(once), heard
            starts: dict[str, float] = dict(await page.evaluate(STARTS))
            # A page on a busy machine hears late that it is connected, and its clock is all that tells of the gap.
            assert starts["never"] - starts["good"] == pytest.approx(TONES_S, abs=1.5), starts


async def test_a_server_that_leaves_in_good_order_is_not_taken_for_the_end(
    chromium: str, tones: Spoken, tmp_path: Path
) -> None:
    async with visiting(chromium, *microphone(tones.path), outages=True) as visit:
        page = visit.page
        async with ServerProcess(tmp_path / "data") as server:
            port = int(server.url.rpartition(":")[2])
            await page.goto(server.url)
            await page.get_by_role("button", name="Start speaking").click()
            await visit.until_heard("morning")
            stopping = asyncio.create_task(server.stop())
            await visit.until_state("kept here and will be sent")
            await stopping
        async with ServerProcess(tmp_path / "data", port=port):
            await visit.until_phase("live")  # the voice is silent by now, and the page says so
            await page.get_by_role("button", name="Stop").click()
            await visit.until_phase("done")


async def test_stopped_by_somebody_else(chromium: str, tones: Spoken, tmp_path: Path) -> None:
    async with running_app(tmp_path / "data") as running, visiting(chromium, *microphone(tones.path)) as visit:
        await visit.page.goto(running.serving.url)
        await visit.page.get_by_role("button", name="Start speaking").click()
        await visit.until_state("Listening")
        await stop_from_elsewhere(running)
        await visit.until_phase("done")


async def test_stopped_by_somebody_else_and_told_after_the_connection_closed(
    chromium: str, tones: Spoken, tmp_path: Path
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

    async with running_app(tmp_path / "data") as running, visiting(chromium, *microphone(tones.path)) as visit:
        await visit.page.route_web_socket(re.compile("/v1/transcripts_websocket/"), route)
        await visit.page.goto(running.serving.url)
        await visit.page.get_by_role("button", name="Start speaking").click()
        await visit.until_state("Listening")
        holding = True
        await stop_from_elsewhere(running)
        await visit.until_phase("finishing")
        holding = False
        for page, message in held:
            page.send(message)
        await visit.until_phase("done")


async def stop_from_elsewhere(running: RunningApp) -> None:
    """As another reader of the newest transcript; returns when it is complete."""
    transcript_id = (await running.http.get("/v1/transcripts")).json()["items"][0]["id"]
    async with running.socket(f"/v1/transcripts_websocket/{transcript_id}") as socket:
        await socket.send({"action": "stop"})
        await socket.until(lambda message: message["type"] == "status" and message["data"]["status"] == "completed")
