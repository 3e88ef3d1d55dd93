"""Each element in each state: named, legible, in every language, at every width."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.async_api import Browser, expect

from tests.e2e import one_browser
from tests.e2e.conftest import Served
from tests.e2e.one_browser import IN_ONE_LOOP, visit_in
from tests.e2e.page_checks import assert_sound_page

pytestmark = [pytest.mark.browser, pytest.mark.process, IN_ONE_LOOP]
no_leaked_tasks, browser = one_browser.no_leaked_tasks, one_browser.browser

LANGUAGES = ("en", "de", "fr", "es")
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


@pytest.fixture
def stories(server: Served) -> str:
    return f"{server.url}/stories.html"


async def test_all_stories_are_sound(stories: str, browser: Browser) -> None:
    async with visit_in(browser, reduced_motion="reduce") as visit:
        page = visit.page
        for language in LANGUAGES:
            await page.goto(f"{stories}?lang={language}")
            await expect(page.locator("html[data-ready]")).to_be_attached()
            await expect(page.locator("html")).to_have_attribute("lang", language)
            for width, height in ((320, 640), (1280, 800)):
                await page.set_viewport_size({"width": width, "height": height})
                for scheme in SCHEMES:
                    await page.emulate_media(color_scheme=scheme)
                    await assert_sound_page(page)
            # Text twice as large still fits.
            await page.set_viewport_size({"width": 640, "height": 800})
            await page.emulate_media(color_scheme="light")
            await page.evaluate("document.documentElement.style.fontSize = '200%'")
            await assert_sound_page(page)
            assert not await page.evaluate("'hurt' in window")


async def test_every_language_has_every_phrase_and_silence_is_told_only_when_no_words_are_to_come(
    stories: str, browser: Browser
) -> None:
    async with visit_in(browser) as visit:
        page = visit.page
        await page.goto(stories)
        for part in ("", "projects/", "files/", "meeting/", "speakers/"):
            phrases: dict[str, list[tuple[str, str]]] = {}
            for language in LANGUAGES:
                phrases[language] = await page.evaluate(
                    "async (file) => Object.entries((await import(`/i18n/${file}.js`)).default)"
                    ".map(([key, text]) => [key, [...new Set(String(text).match(/{\\w+}/g))].sort().join()])",
                    f"{part}{language}",
                )
            for language in LANGUAGES[1:]:
                assert sorted(phrases[language]) == sorted(phrases["en"]), (part, language)
        told = """async (more) => {
          const { stateWords } = await import('/js/state_words.js');
          const session = { phase: 'live', source: 'microphone', transport: 'websocket', waitingS: 0, lagMs: 100 };
          return stateWords({ ...session, ...more }, { silent: true }).text;
        }"""
        hearing_nothing = "Hearing nothing. Is the microphone muted?"
        assert await page.evaluate(told, {}) == hearing_nothing
        assert await page.evaluate(told, {"lagMs": None}) == hearing_nothing
        assert await page.evaluate(told, {"waitingS": 6}) == "Listening"
        assert await page.evaluate(told, {"lagMs": 2500}) == "Listening"
        assert await page.evaluate(told, {"lagMs": 9000}) == "Listening, but the words come late. Nothing is lost."


async def test_the_keyboard_reaches_everything(server: Served, browser: Browser) -> None:
    async with visit_in(browser) as visit:
        page = visit.page
        await page.goto(server.url)
        await visit.until_state("Ready.")
        await expect(page.get_by_text("Several people may share one microphone")).to_be_visible()
        reached = []
        for _ in range(12):
            await page.keyboard.press("Tab")
            if await page.evaluate("document.activeElement === document.body"):
                break  # once round
            reached.append(
                await page.evaluate(
                    "() => [document.activeElement.textContent || document.activeElement.id,"
                    " getComputedStyle(document.activeElement).outlineStyle]"
                )
            )
        names = [name for name, _ in reached]
        for wanted in ("Skip to the content", "Transcripts", "Start speaking", "Play a sample", "audible"):
            assert wanted in names
        assert [name for name, outline in reached if outline == "none"] == []
