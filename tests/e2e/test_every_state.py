"""Each element in each state: named, legible, in every language, at every width."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.e2e.browser import visiting
from tests.e2e.conftest import Served
from tests.e2e.page_checks import assert_sound_page

pytestmark = [pytest.mark.browser, pytest.mark.process]

LANGUAGES = ("en", "de", "fr", "es")


@pytest.fixture
def stories(server: Served) -> str:
    return f"{server.url}/stories.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_all_stories_are_sound(stories: str, chromium: str, scheme: str) -> None:
    async with visiting(chromium, color_scheme=scheme, reduced_motion="reduce") as visit:
        page = visit.page
        for language in LANGUAGES:
            await page.goto(f"{stories}?lang={language}")
            await expect(page.locator("html[data-ready]")).to_be_attached()
            await expect(page.locator("html")).to_have_attribute("lang", language)
            for width, height in ((320, 640), (1280, 800)):
                await page.set_viewport_size({"width": width, "height": height})
                await assert_sound_page(page)
        assert not await page.evaluate("'hurt' in window")


async def test_text_twice_as_large_still_fits(stories: str, chromium: str) -> None:
    async with visiting(chromium, width=640) as visit:
        page = visit.page
        await page.goto(stories)
        await expect(page.locator("html[data-ready]")).to_be_attached()
        await page.evaluate("document.documentElement.style.fontSize = '200%'")
        await assert_sound_page(page)


async def test_every_language_has_every_phrase(stories: str, chromium: str) -> None:
    async with visiting(chromium) as visit:
        page = visit.page
        await page.goto(stories)
        phrases: dict[str, list[tuple[str, str]]] = {}
        for language in LANGUAGES:
            phrases[language] = await page.evaluate(
                "async (language) => Object.entries((await import(`/i18n/${language}.js`)).default)"
                ".map(([key, text]) => [key, [...new Set(String(text).match(/{\\w+}/g))].sort().join()])",
                language,
            )
        for language in LANGUAGES[1:]:
            assert sorted(phrases[language]) == sorted(phrases["en"]), language


async def test_the_keyboard_reaches_everything(server: Served, chromium: str) -> None:
    async with visiting(chromium) as visit:
        page = visit.page
        await page.goto(server.url)
        await visit.until_state("Ready.")
        await expect(page.get_by_text("Voices at one microphone are not told apart yet")).to_be_visible()
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


async def test_silence_is_told_only_when_no_words_are_to_come(stories: str, chromium: str) -> None:
    async with visiting(chromium) as visit:
        page = visit.page
        await page.goto(stories)
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
