"""When something is missing, the page says what happened and what to do, and goes on when it is there."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from playwright.async_api import expect

from tests.e2e.browser import microphone, visiting
from tests.e2e.conftest import Served, Spoken
from tests.e2e.page_checks import assert_sound_page
from tests.fakes.running_app import running_app

pytestmark = [pytest.mark.browser, pytest.mark.process]


async def transcripts(url: str) -> int:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        return int((await http.get("/v1/transcripts")).raise_for_status().json()["total"])


async def test_microphone_denied(server: Served, chromium: str) -> None:
    before = await transcripts(server.url)
    async with visiting(chromium, "--use-fake-device-for-media-stream") as visit:
        page = visit.page
        await page.goto(server.url)
        await page.get_by_role("button", name="Start speaking").click()
        note = page.get_by_role("alert").filter(has_text="The microphone is not allowed.")
        await expect(note).to_contain_text("Allow it for this page")
        assert await transcripts(server.url) == before  # nothing empty is left behind
        await assert_sound_page(page)
        await page.context.grant_permissions(["microphone"])
        await note.get_by_role("button", name="Try again").click()
        await visit.until_state("Listening")
        await expect(note).to_be_hidden()


async def test_no_microphone(server: Served, chromium: str) -> None:
    async with visiting(chromium, "--use-fake-ui-for-media-stream") as visit:
        page = visit.page
        await page.goto(server.url)
        await page.get_by_role("button", name="Start speaking").click()
        note = page.get_by_role("alert").filter(has_text="No microphone was found.")
        await expect(note).to_contain_text("Or play the sample.")
        await expect(page.get_by_role("button", name="Play a sample")).to_be_visible()


async def test_no_place_leaves_no_empty_transcript(chromium: str, tones: Spoken, tmp_path: Path) -> None:
    async with (
        running_app(tmp_path / "data", sessions_max=1) as running,
        visiting(chromium, *microphone(tones.path), outages=True) as visit,
    ):
        first = (await running.http.post("/v1/transcripts")).raise_for_status().json()["id"]
        async with running.socket(f"/v1/transcripts_stream/{first}") as socket:
            await socket.send({"type": "start", "data": {"encoding": "pcm_s16le", "sample_rate": 16000}})
            await socket.until("started")
            page = visit.page
            await page.goto(running.serving.url)
            async with page.expect_response(lambda answer: answer.request.method == "DELETE") as deleted:
                await page.get_by_role("button", name="Start speaking").click()
            await expect(page.get_by_role("alert").filter(has_text="no room for one more")).to_be_visible()
            assert (await deleted.value).ok
            assert await transcripts(running.serving.url) == 1


async def test_no_server(chromium: str, tones: Spoken, tmp_path: Path) -> None:
    async with visiting(chromium, *microphone(tones.path), outages=True) as visit:
        page = visit.page
        async with running_app(tmp_path / "data") as running:
            await page.goto(running.serving.url)
            await visit.until_state("Ready.")
        await page.get_by_role("button", name="Start speaking").click()
        note = page.get_by_role("alert").filter(has_text="The server does not answer.")
        await expect(note).to_contain_text("Check that it is running")
        async with running_app(tmp_path / "data", port=running.port):
            await note.get_by_role("button", name="Try again").click()
            await visit.until_state("Listening")


async def test_access_token_is_asked_for_and_kept_for_the_tab(chromium: str, tones: Spoken, tmp_path: Path) -> None:
    async with (
        running_app(tmp_path / "data", access_token="open-sesame") as running,
        visiting(chromium, *microphone(tones.path), outages=True) as visit,
    ):
        page = visit.page
        await page.goto(running.serving.url)
        await page.get_by_role("textbox", name="Access token").fill("wrong")
        await page.get_by_role("button", name="Continue").click()
        await expect(page.get_by_text("The token was not accepted.")).to_be_visible()
        await page.get_by_role("textbox", name="Access token").fill("open-sesame")
        await page.get_by_role("button", name="Continue").click()
        await expect(page.get_by_role("dialog")).to_be_hidden()
        await page.get_by_role("button", name="Start speaking").click()
        await visit.until_state("Listening")
        await page.get_by_role("button", name="Stop").click()
        await visit.until_phase("done")
        await page.get_by_role("link", name="Transcripts").click()
        await expect(page.locator(".rows li")).to_have_count(1)
        assert "sesame" not in page.url
