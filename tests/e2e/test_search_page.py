"""The library: everything that was said is searched, lists are narrowed, and what was deleted waits in the bin."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from protocol.events import Transcribed
from tests.e2e import one_browser
from tests.e2e.one_browser import IN_ONE_LOOP, visit_in
from tests.e2e.page_checks import assert_sound_page
from tests.fakes.running_app import RunningApp
from tests.server.spoken import put, segment

pytestmark = [pytest.mark.browser, pytest.mark.process, IN_ONE_LOOP]
no_leaked_threads = one_browser.no_leaked_threads
no_leaked_tasks, browser, node = one_browser.no_leaked_tasks, one_browser.browser, one_browser.node


async def said(node: RunningApp, name: str, *texts: str, **fields: Any) -> str:
    made = (await node.services.store.create_transcript(name=name, **fields)).id
    for number, text in enumerate(texts):
        spoken = segment(f"seg_{number}", text, start_samples=number * 160_000)
        await put(node.services.store, made, Transcribed(segment=spoken, track_started_at=1000.0))
    return made


async def test_what_was_said_is_found_and_opened_at_its_word(node: RunningApp, browser: Browser) -> None:
    found = await said(node, "Council", "good morning", "the <b>water</b> 👩‍👩‍👧 pipes leak", "that is all")
    await said(node, "Other", "nothing of that kind")
    async with visit_in(browser) as visit:
        page = visit.page
        await page.goto(f"{node.serving.url}t")
        await expect(page.locator("transcript-list li", has_text="Council")).to_be_visible()
        await page.get_by_role("searchbox").fill("pip")
        await expect(page.get_by_text("Said in 1 transcript")).to_be_visible()
        await expect(page.locator("transcript-list")).to_be_hidden()
        await expect(page.locator(".snippet mark")).to_have_text("pipes")
        await expect(page.locator(".snippet")).to_contain_text("the <b>water</b>")
        await assert_sound_page(page)
        await page.locator(".snippet").click()
        await expect(page).to_have_url(f"{node.serving.url}t/{found}#t=10.188&track=trk_1")
        await expect(page.locator(".word.spoken")).to_have_text("pipes")
        await page.go_back()
        await expect(page.get_by_role("searchbox")).to_have_value("pip")
        await expect(page.locator(".snippet mark")).to_have_text("pipes")
        await page.get_by_role("searchbox").fill("unicorn")
        await expect(page.get_by_text("Nobody said that.")).to_be_visible()


async def test_lists_are_narrowed(node: RunningApp, browser: Browser) -> None:
    await said(node, "From a file", "hello", source_kind="file")
    await said(node, "Live")
    async with visit_in(browser) as visit:
        page = visit.page
        await page.goto(f"{node.serving.url}t")
        await expect(page.locator("transcript-list li", has_text="Live")).to_be_visible()
        await page.get_by_label("Any source").select_option("From files")
        await expect(page.locator("transcript-list li")).to_have_count(1)
        await expect(page.locator(".row-name")).to_have_text("From a file")
        await page.get_by_label("Any state").select_option("Failed")
        await expect(page.get_by_text("No transcript is like that.")).to_be_visible()
        await assert_sound_page(page)


async def test_the_bin_gives_back_and_destroys(node: RunningApp, browser: Browser) -> None:
    kept, gone = await said(node, "Kept"), await said(node, "Gone")
    async with visit_in(browser) as visit:
        page = visit.page
        page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
        await page.goto(f"{node.serving.url}t")
        for name in ("Kept", "Gone"):
            await page.get_by_role("button", name=f"Delete “{name}”").click()
            await expect(page.locator("transcript-list li", has_text=name)).to_have_count(0)
        await page.get_by_role("button", name="Bin").click()
        await expect(page.locator("transcript-list li")).to_have_count(2)
        await assert_sound_page(page)
        await page.get_by_role("button", name="Restore “Kept”").click()
        await page.get_by_role("button", name="Delete “Gone” for good").click()
        await expect(page.get_by_text("The bin is empty.")).to_be_visible()
        await page.get_by_role("button", name="Bin").click()
        await expect(page.locator("transcript-list li", has_text="Kept")).to_be_visible()
        await expect(page.locator("transcript-list li", has_text="Gone")).to_have_count(0)
        assert (await node.http.get(f"/v1/transcripts/{kept}")).status_code == 200
        assert (await node.http.get(f"/v1/transcripts/{gone}")).status_code == 404
