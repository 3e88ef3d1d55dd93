"""Who spoke how much, on the page of a transcript: bars, a picture, words and figures, live and set right."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from protocol.events import Transcribed
from tests.e2e import one_browser
from tests.e2e.one_browser import IN_ONE_LOOP, visit_in
from tests.e2e.page_checks import assert_sound_page
from tests.fakes.running_app import RunningApp
from tests.server.spoken import put
from tests.server.test_speaker_figures import said

pytestmark = [pytest.mark.browser, pytest.mark.process, IN_ONE_LOOP]
no_leaked_threads = one_browser.no_leaked_threads
no_leaked_tasks, browser, node = one_browser.no_leaked_tasks, one_browser.browser, one_browser.node

TALK = [("Speaker 1", 0, 4), ("Speaker 2", 4.5, 6), ("Speaker 1", 8, 10), ("Speaker 1", 12, 12.5)]
SPOKE = (
    "() => [...document.querySelectorAll('talk-view .spoke')].map((bar) => bar.getAttribute('d').match(/M/g).length)"
)


async def tell(node: RunningApp, transcript_id: str, *talk: tuple[str, float, float], track: str = "trk_1") -> None:
    for who, from_s, to_s in talk:
        # Somebody else speaks from 5.5 s to 9.5 s, too.
        segment = said(who, from_s, to_s, track=track).overlapped([(88_000, 152_000)])
        spoken = Transcribed(segment=segment, track_started_at=1000.0)
        await put(node.services.store, transcript_id, spoken)


async def shown(page: Page, transcript_id: str, node: RunningApp) -> None:
    """The page and the server count alike."""
    found = (await node.http.get(f"/v1/transcripts/{transcript_id}/speaker/figures")).json()["speakers"]
    counted: list[dict[str, Any]] = await page.evaluate(
        """async () => {
          const { talkOf } = await import('/js/talk.js');
          return talkOf(document.querySelector('words-view').segments);
        }"""
    )
    assert [each["label"] for each in counted] == [each["speaker_label"] for each in found]
    for ours, theirs in zip(counted, found, strict=True):
        assert ours["talkS"] == pytest.approx(theirs["talk_time"], abs=0.01)
        assert ours["share"] == pytest.approx(theirs["share"], abs=0.001)


async def test_two_speakers_are_compared_and_set_right_live(node: RunningApp, browser: Browser) -> None:
    transcript_id = (await node.services.store.create_transcript(name="Talk")).id
    await tell(node, transcript_id, TALK[0])
    async with visit_in(browser) as visit:
        page = visit.page
        await page.goto(f"{node.serving.url}t/{transcript_id}")
        await expect(page.locator(".line")).to_have_count(1)
        await expect(page.locator("talk-view")).to_be_hidden()  # there is nobody to compare them with
        await tell(node, transcript_id, *TALK[1:])
        await page.reload()
        facts = page.locator("talk-view .who-facts")
        await expect(facts).to_have_text(["0:06 · 81%", "0:01 · 19%"])
        assert await page.evaluate(SPOKE) == [3, 1]
        await shown(page, transcript_id, node)
        await page.locator("summary", has_text="Who spoke when, in words").click()
        await expect(page.locator(".moment b")).to_have_text(["Speaker 1", "Speaker 2", "Speaker 1", "Speaker 1"])
        await page.locator("summary", has_text="In figures").click()
        rows = page.locator("talk-view tbody tr")
        await expect(rows.first).to_have_text("Speaker 10:0620:04655")
        await expect(page.locator("talk-view [role=status]")).to_contain_text("a microphone of their own")
        await assert_sound_page(page)
        both = page.locator(".word.overlap")
        await expect(both).to_have_count(3)
        await expect(both.first).to_have_attribute("title", "Two speak at once here, at 0:05")
        figures = (await node.http.get(f"/v1/transcripts/{transcript_id}/speaker/figures")).json()
        assert figures["overlap_s"] == 2.0

        went = page.evaluate(
            "() => new Promise((done) =>"
            " document.querySelector('talk-view').addEventListener('go', ({ detail }) => done(detail)))"
        )
        going = asyncio.ensure_future(went)
        box = await page.locator(".timeline").bounding_box()
        assert box is not None
        await page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + 20)
        assert await going == pytest.approx(12.5 / 2, abs=0.1)
        # Somebody is named, and a stretch is given to another, meanwhile.
        await node.http.post(f"/v1/transcripts/{transcript_id}/participants", json={"name": "Anna", "speaker": 1})
        await expect(page.locator("talk-view .who-name")).to_have_text(["Anna", "Speaker 2"])
        assert await colours(page) == {"Anna": "1", "Speaker 2": "2"}
        stretch = {"speaker": 2, "timestamp_from": 8, "timestamp_to": 11}
        await node.http.patch(f"/v1/transcripts/{transcript_id}/speaker/assign", json=stretch)
        await expect(facts).to_have_text(["0:04 · 56%", "0:03 · 44%"])
        await expect(rows.first).to_contain_text("Anna0:04")
        await shown(page, transcript_id, node)
        await page.reload()
        await expect(facts).to_have_text(["0:04 · 56%", "0:03 · 44%"])
        assert await colours(page) == {"Anna": "1", "Speaker 2": "2"}
        await page.set_viewport_size({"width": 390, "height": 800})
        await assert_sound_page(page)


async def colours(page: Page) -> dict[str, str]:
    """Of each name, beside the words and beside the bars: one."""
    pairs: list[list[str]] = await page.evaluate(
        """() => [['.line', '.name'], ['talk-view .lane-who', '.who-name']].flatMap(([each, name]) =>
          [...document.querySelectorAll(each)].map((el) => [el.querySelector(name).textContent, el.dataset.speaker]))"""
    )
    found = dict(pairs)
    assert all(found[name] == colour for name, colour in pairs), pairs
    return found


async def test_on_tracks_of_their_own_it_is_seen_who_interrupts(node: RunningApp, browser: Browser) -> None:
    transcript_id = (await node.services.store.create_transcript(name="Talk")).id
    await tell(node, transcript_id, ("Anna", 0, 4), track="trk_1")
    await tell(node, transcript_id, ("Ben", 3, 6), track="trk_2")
    async with visit_in(browser, color_scheme="dark", width=390) as visit:
        page = visit.page
        await page.goto(f"{node.serving.url}t/{transcript_id}")
        await page.locator("summary", has_text="In figures").click()
        await expect(page.locator("talk-view tbody tr")).to_have_text(["Anna0:0410:0423001", "Ben0:0310:0324010"])
        await expect(page.locator("talk-view [role=status]")).to_have_text("")
        assert await colours(page) == {"Anna": "1", "Ben": "2"}
        await assert_sound_page(page)
