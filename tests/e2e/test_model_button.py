"""One button fetches a better recogniser, and the server changes over to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.e2e import one_browser
from tests.e2e.one_browser import IN_ONE_LOOP, visit_in
from tests.fakes.model_hub import ModelHub
from tests.fakes.server_process import ServerProcess
from tests.fakes.tiny_whisper import build_tiny_whisper

pytestmark = [pytest.mark.browser, pytest.mark.process, IN_ONE_LOOP]
no_leaked_tasks, browser = one_browser.no_leaked_tasks, one_browser.browser


async def test_a_better_recogniser_is_fetched_when_asked_for(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ModelHub(build_tiny_whisper(tmp_path / "hub")) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        async with ServerProcess(tmp_path / "data", engine="auto") as server, visit_in(browser) as visit:
            page = visit.page
            await page.goto(server.url)
            notice = page.locator("engine-notice")
            await expect(notice).to_contain_text("basic accuracy")
            assert hub.requests == []  # nothing is fetched unasked
            await notice.get_by_role("button", name="Get a better one").click()
            await expect(notice).to_contain_text("Recogniser: whisper-base.en.")
            assert hub.requests


async def test_a_damaged_model_is_told_of_beside_the_one_that_is_used(browser: Browser, tmp_path: Path) -> None:
    models = tmp_path / "data" / "models"
    build_tiny_whisper(models / "whisper-tiny.en")
    weights = build_tiny_whisper(models / "whisper-base.en") / "model.bin"
    weights.write_bytes(weights.read_bytes()[:1000])
    async with ServerProcess(tmp_path / "data", engine="auto") as server, visit_in(browser) as visit:
        await visit.page.goto(server.url)
        notice = visit.page.locator("engine-notice")
        await expect(notice).to_contain_text("Recogniser: whisper-tiny.en.")
        await expect(notice.get_by_role("status")).to_contain_text("earshot models pull whisper-base.en")
        health = await (await visit.page.request.get(f"{server.url}/health")).json()
        assert (health["status"], health["engine"]["model"]) == ("ok", "whisper-tiny.en")
        assert "whisper-base.en" in health["engine"]["notice"]
