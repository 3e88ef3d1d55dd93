"""Two voices in one microphone end up as two names, and what was guessed wrong is set right on the open page."""

from __future__ import annotations

from pathlib import Path

import jiwer
import pytest
from playwright.async_api import Page, expect

from asr.engines.choose import choose
from asr.engines.choose_encoder import choose_encoder
from tests.e2e.browser import Visit, microphone, visiting
from tests.e2e.conftest import Served, Spoken, speak
from tests.e2e.page_checks import assert_sound_page
from tests.fakes.spoken_sample import spoken_sample

pytestmark = [pytest.mark.browser, pytest.mark.process]

TURNS = 4
WORD_ERRORS_MAX = 0.3  # of the embedded recogniser, and words at the seams
BOTH = ["Speaker 1", "Speaker 2"]


@pytest.fixture(autouse=True)
def _encoder() -> None:
    if reason := choose_encoder(choose("embedded-en", "en", Path()), Path()).reason:
        pytest.skip(reason)


@pytest.fixture
def two_voices(tmp_path: Path) -> Spoken:
    return speak(tmp_path / "two.wav", TURNS)


async def said(page: Page) -> dict[str, str]:
    """By the name that is shown, what they said."""
    found: dict[str, list[str]] = {}
    for line in await page.locator(".line:not(.interim)").all():
        name = await line.locator(".name").text_content() or ""
        found.setdefault(name, []).append(await line.locator(".text").inner_text())
    return {name: " ".join(texts) for name, texts in found.items()}


def assert_right_words(heard: dict[str, str], turns: int) -> None:
    """Two speakers, of whom each said what they said."""
    assert len(heard) == 2, heard
    told = spoken_sample().turns[:turns]
    for first, text in enumerate(heard.values()):  # in the order in which they first spoke
        truth = " ".join(text for _, _, text in told[first::2])
        assert jiwer.wer(truth, text) <= WORD_ERRORS_MAX, (truth, heard)


async def until_named(page: Page, count: int) -> None:
    """Until so many names stand at the lines."""
    names = "new Set([...document.querySelectorAll('.line .name')].map((name) => name.textContent))"
    await page.wait_for_function(f"count => {names}.size === count", arg=count)


async def relabel(visit: Visit, transcript_url: str, known: dict[str, int]) -> None:
    answer = await visit.page.request.post(f"{transcript_url}/speaker/relabel", data=known)
    assert answer.ok, await answer.text()


async def tell_apart(reader: Page, known: str, told: str) -> None:
    """On the page of the transcript, whose panel of speakers is open from then on."""
    if not await reader.get_by_label("How many speak?").is_visible():
        await reader.locator("summary", has_text="Speakers").last.click()
    await reader.get_by_label("How many speak?").select_option(label=known)
    await reader.get_by_role("button", name="Tell apart again").click()
    await expect(reader.locator(".pass-told")).to_contain_text(told)


async def words_are_given(reader: Page) -> None:
    """By keyboard: the first two words to somebody new, who keeps them whatever is heard; and back again."""
    names, lines = reader.locator(".line .name"), reader.locator(".line .text")
    before = await lines.all_inner_texts()
    first, second, *rest = before[0].split()
    await reader.locator(".who-said").first.focus()
    await reader.keyboard.press("Enter")
    await reader.get_by_label("To", exact=True).select_option(index=1)
    await reader.get_by_label("Speaker", exact=True).select_option(label="Somebody new")
    await reader.get_by_label("Name, if you know it").fill("Carla")
    await assert_sound_page(reader)
    await reader.keyboard.press("Enter")
    await expect(reader.locator(".words-bar")).to_contain_text(f"Said by Carla: “{first} {second}”")
    await expect(names.first).to_have_text("Carla")
    assert (await lines.all_inner_texts())[:2] == [f"{first} {second}", " ".join(rest)]
    await tell_apart(reader, "exactly 3", "people speak.")
    await expect(names.first).to_have_text("Carla")
    await expect(lines.first).to_have_text(f"{first} {second}")
    await reader.get_by_role("button", name="Undo").click()
    await expect(reader.locator(".line .name", has_text="Carla")).to_have_count(0)


async def test_two_voices_are_two_names_and_set_right_on_the_open_page(
    server: Served, chromium: str, two_voices: Spoken
) -> None:
    async with visiting(chromium, *microphone(two_voices.path)) as visit:
        page = visit.page
        await page.goto(server.url)
        await page.get_by_role("button", name="Start speaking").click()
        await visit.until_heard("river")
        await page.get_by_role("button", name="Stop").click()
        await visit.until_phase("done")
        await until_named(page, 2)
        heard = await said(page)
        assert_right_words(heard, TURNS)
        assert list(heard) == BOTH

        transcript_id = page.url.rsplit("/", 1)[1]
        transcript_url = f"{server.url}/v1/transcripts/{transcript_id}"
        reader = await page.context.new_page()
        await reader.goto(f"{server.url}/t/{transcript_id}")
        await expect(reader.locator("talk-view .who-name")).to_have_text(BOTH)
        text = await visit.heard()
        await relabel(visit, transcript_url, {"max_speakers": 1})  # who guesses so is wrong
        await until_named(reader, 1)
        await expect(reader.locator("talk-view")).to_be_hidden()
        await tell_apart(reader, "exactly 2", "2 people speak.")
        await until_named(reader, 2)
        heard = await said(reader)
        assert_right_words(heard, TURNS)
        await expect(reader.locator("talk-view .who-name")).to_have_text(list(heard))
        lines = await reader.locator(".line .text").all_inner_texts()
        assert " ".join(" ".join(lines).split()) == " ".join(text.split())
        await assert_sound_page(reader)
        await words_are_given(reader)


async def test_the_sample_has_two_speakers(server: Served, chromium: str) -> None:
    async with visiting(chromium) as visit:
        page = visit.page
        await page.goto(server.url)
        await page.get_by_label("Let me hear it, too").uncheck()
        await page.get_by_role("button", name="Play a sample").click()
        await visit.until_state("Playing the sample")
        await visit.until_phase("done")
        await until_named(page, 2)
        assert_right_words(await said(page), len(spoken_sample().turns))
