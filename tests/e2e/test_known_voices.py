"""A voice is enrolled on a transcript's page once the person agreed, is recognised later, and is deleted."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e import one_browser
from tests.e2e.browser import Visit
from tests.e2e.one_browser import IN_ONE_LOOP, visit_in
from tests.e2e.page_checks import assert_sound_page
from tests.fakes.node import Client
from tests.fakes.running_app import RunningApp
from tests.server.test_recognition import ANNS, TALK

pytestmark = [pytest.mark.browser, pytest.mark.process, IN_ONE_LOOP]
no_leaked_threads = one_browser.no_leaked_threads
no_leaked_tasks, browser, node = one_browser.no_leaked_tasks, one_browser.browser, one_browser.node


async def spoken(node: RunningApp, sound: bytes, *, name: str | None = None) -> str:
    made = (await node.services.store.create_transcript(name="Budget")).id
    client = Client(node.services, made)
    await client.begin()
    await client.say(sound)
    await client.stop()
    if name is not None:
        await node.services.speakers.add(made, name=name, speaker="Speaker 1")
    return made


async def open_speakers(visit: Visit, node: RunningApp, transcript_id: str) -> Page:
    await visit.page.goto(f"{node.serving.url}t/{transcript_id}")
    await visit.page.locator("summary", has_text="Speakers").click()
    return visit.page


async def test_a_voice_is_enrolled_recognised_and_deleted(node: RunningApp, browser: Browser) -> None:
    first = await spoken(node, ANNS, name="<b>Ann</b>")
    async with visit_in(browser) as visit:
        page = await open_speakers(visit, node, first)
        button = page.get_by_role("button", name="Recognise this voice in later recordings")
        await button.click()
        await expect(page.get_by_text("Has “<b>Ann</b>” agreed to be recognised by voice?")).to_be_visible()
        await assert_sound_page(page)
        await page.get_by_role("button", name="No", exact=True).click()
        await expect(button).to_be_visible()
        await expect(page.locator(".known-list li")).to_have_count(0)
        assert await node.services.store.voices.enrolled.known_in(first, of_nobody=True) == []
        await button.click()
        await page.get_by_role("button", name="Yes, they agreed").click()
        await expect(page.locator(".known-name")).to_have_text("<b>Ann</b>")
        await expect(page.get_by_text("“<b>Ann</b>” will be recognised in later recordings.")).to_be_visible()

        second = await spoken(node, TALK)
        page = await open_speakers(visit, node, second)
        await expect(page.locator(".line .name").nth(1)).to_have_text("<b>Ann</b>")
        await expect(page.locator(".speaker-recognised")).to_have_text("recognised by voice")
        await assert_sound_page(page)
        # The other spoke too little to be enrolled, which is said.
        await expect(page.get_by_text("Give a speaker a name")).to_be_visible()
        other = page.get_by_label("Name of Speaker 1")
        await other.fill("Ben")
        await other.press("Enter")
        await page.get_by_role("button", name="Recognise this voice in later recordings").click()
        await page.get_by_role("button", name="Yes, they agreed").click()
        await expect(page.get_by_text("Too little was heard of this voice alone")).to_be_visible()
        assert [fault for fault in visit.faults if "409" not in fault] == []
        visit.faults.clear()
        # A name that somebody gives is theirs.
        field = page.get_by_label("Name of Speaker 2")
        await field.fill("Hannah")
        await field.press("Enter")
        await expect(page.locator(".line .name").nth(1)).to_have_text("Hannah")
        await expect(page.locator(".speaker-recognised")).to_have_count(0)

        page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
        await page.get_by_role("button", name="Delete the voice “<b>Ann</b>”").click()
        await expect(page.locator(".known-list li")).to_have_count(0)
        assert await node.services.store.voices.enrolled.known_in(first, of_nobody=True) == []
