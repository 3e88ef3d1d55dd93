"""No microphone: the spoken sample goes the same way, is understood to the last word, and ends by itself."""

from __future__ import annotations

import jiwer
import pytest
from playwright.async_api import expect

from tests.e2e.browser import visiting
from tests.e2e.conftest import Served
from tests.fakes.spoken_sample import spoken_sample

pytestmark = [pytest.mark.browser, pytest.mark.process]


async def test_the_sample_is_heard_to_its_end(server: Served, chromium: str) -> None:
    async with visiting(chromium) as visit:
        page = visit.page
        await page.goto(server.url)
        await page.get_by_label("Let me hear it, too").uncheck()
        await page.get_by_role("button", name="Play a sample").click()
        await visit.until_state("Playing the sample")
        await visit.until_state("WebRTC")
        await visit.until_phase("done")
        heard = await visit.heard()
        # A busy machine may play it unevenly, and a word or two be misheard; none is missing at its end.
        assert jiwer.wer(spoken_sample().text, heard) <= 0.04, heard
        assert heard.split()[-3:] == spoken_sample().text.split()[-3:]
        # Some moments after the end, what it was about stands there, too.
        await page.get_by_text("Summary", exact=True).click()
        await expect(page.locator("summary-view")).to_contain_text("Made of sentences as they were said")
        assert (await page.locator(".summary-words").inner_text()).split()[0] in heard
        await page.get_by_role("link", name="Transcripts").click()
        row = page.get_by_role("link", name="Sample conversation").first
        await expect(row).to_contain_text("finished")
        await expect(row).to_contain_text("0:2")
