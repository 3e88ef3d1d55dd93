"""The live page with a voice at the microphone: grey words, black words, stop, read, play, download."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import jiwer
import pytest
from playwright.async_api import Page, expect

from tests.e2e.browser import Visit, microphone, visiting
from tests.e2e.conftest import Served, Spoken
from tests.e2e.page_checks import assert_sound_page
from tests.fakes.running_app import running_app

pytestmark = [pytest.mark.browser, pytest.mark.process]

WORD_ERRORS_MAX = 0.25  # the embedded recogniser, after a browser's noise suppression


async def test_a_voice_becomes_words_to_read_play_and_keep(
    server: Served, chromium: str, voice: Spoken, tmp_path: Path
) -> None:
    async with visiting(chromium, *microphone(voice.path)) as visit:
        page = visit.page
        await page.goto(server.url)
        await expect(page).to_have_title("Live transcript · Earshot")
        await visit.until_state("Ready.")
        await assert_sound_page(page)

        await page.get_by_role("button", name="Start speaking").click()
        await visit.until_state("Listening")
        await visit.until_state("WebRTC")
        await sound_is_shown(page)
        await visit.until_heard("city")
        await expect(page.locator("words-view [role=log] p").last).to_contain_text("city")
        assert "behind" in await visit.state()

        await page.get_by_role("button", name="Stop").click()
        await visit.until_phase("done")
        await visit.until_state("Finished and saved.")
        assert jiwer.wer(voice.text, await visit.heard()) <= WORD_ERRORS_MAX
        await expect(page).to_have_url(re.compile(r"/t/[\w-]+$"))
        await assert_sound_page(page)

        await words_play(page)
        await downloads_hold_the_words(page, tmp_path)
        await own_page_shows_the_same(visit)


async def test_words_are_grey_until_they_are_final(chromium: str, tones: Spoken, tmp_path: Path) -> None:
    """By an engine that takes no time: where a machine has none left there are finals only."""
    async with running_app(tmp_path / "data") as node, visiting(chromium, *microphone(tones.path)) as visit:
        await visit.page.goto(node.serving.url)
        await visit.page.get_by_role("button", name="Start speaking").click()
        await becomes_final(visit.page, await first_interim(visit.page))


async def first_interim(page: Page) -> str:
    """The first grey line; returns its segment's id."""
    line = page.locator(".line.interim").first
    await expect(line).to_be_visible()
    return str(await line.get_attribute("data-segment"))


async def sound_is_shown(page: Page) -> None:
    await page.wait_for_function(
        "() => [...document.querySelectorAll('level-meter i')]"
        ".some((bar) => Number(bar.style.getPropertyValue('--level')) > 0.3)"
    )


async def becomes_final(page: Page, segment: str) -> None:
    """The same segment turns from grey to black, with its time and its speaker."""
    line = page.locator(f'.line[data-segment="{segment}"]')
    grey = await colour(page, "--interim")
    await expect(page.locator(f'.line[data-segment="{segment}"]:not(.interim)')).to_be_visible()
    text = line.locator(".text")
    await expect(text).to_have_css("color", await colour(page, "--ink"))
    assert await colour(page, "--ink") != grey
    await expect(line.locator(".name")).to_have_text("Speaker 1")
    # Said once for lines that follow each other: this one may not be the first.
    assert (await page.locator(".line .time").first.inner_text()).startswith("0:0")


async def colour(page: Page, name: str) -> str:
    """A colour of the stylesheet as the browser computes it."""
    return str(
        await page.evaluate(
            """(name) => {
              const probe = document.createElement('i');
              probe.style.color = getComputedStyle(document.documentElement).getPropertyValue(name);
              document.body.append(probe);
              const color = getComputedStyle(probe).color;
              probe.remove();
              return color;
            }""",
            name,
        )
    )


async def words_play(page: Page) -> None:
    """A press on a word plays from it and marks what is spoken; space pauses, arrows go by line."""
    await expect(page.locator("transcript-player .player-time")).not_to_have_text("0:00 / 0:00")
    word = page.locator(".line").last.locator(".word").nth(2)
    start = float(str(await word.get_attribute("data-start")))
    await word.click()
    await expect(page.locator(".word.spoken")).to_be_visible()
    await page.wait_for_function(f"() => document.querySelector('audio').currentTime > {start}")
    assert await page.evaluate("document.querySelector('audio').currentTime") < start + 5
    await expect(page.get_by_role("button", name="Pause")).to_be_visible()
    await page.keyboard.press("Space")
    await expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    await page.keyboard.press("ArrowLeft")
    await page.keyboard.press("ArrowLeft")
    first = float(str(await page.locator(".line").first.locator(".time").get_attribute("data-start")))
    assert abs(await page.evaluate("document.querySelector('audio').currentTime") - first) < 0.2


async def downloads_hold_the_words(page: Page, folder: Path) -> None:
    for form, start in (("txt", ""), ("srt", "1\n"), ("vtt", "WEBVTT"), ("json", "{"), ("wav", "RIFF")):
        async with page.expect_download() as waiting:
            await page.locator(f'download-links a[data-format="{form}"]').click()
        path = folder / f"kept.{form}"
        await (await waiting.value).save_as(path)
        kept = path.read_bytes()
        # By its title as soon as it has one, and by its id until then.
        assert Path((await waiting.value).suggested_filename).suffix == f".{form}"
        assert kept.startswith(start.encode()), form
        if form != "wav":
            assert b"city" in kept, form
        if form == "json":
            json.loads(kept)


async def own_page_shows_the_same(visit: Visit) -> None:
    """A reload shows it again; Back from a new recording leads to it, and on to where one came from."""
    page = visit.page
    heard, own = await visit.heard(), page.url
    await page.get_by_role("button", name="New recording").click()
    await visit.until_state("Ready.")
    assert urlsplit(page.url).path == "/"
    await page.go_back()
    await expect(page.locator("body")).to_have_attribute("data-page", "transcript")
    assert page.url == own
    await expect(page.locator(".line").first).to_be_visible()
    assert await visit.heard() == heard
    await page.reload()
    await expect(page.locator(".line").first).to_be_visible()
    assert await visit.heard() == heard
    await expect(page.locator("transcript-player")).to_be_visible()
    await assert_sound_page(page)


async def test_on_a_phone_the_words_follow_until_the_reader_scrolls(
    chromium: str, tones: Spoken, tmp_path: Path
) -> None:
    async with (
        running_app(tmp_path / "data") as running,
        visiting(
            chromium, *microphone(tones.path), width=320, height=480, color_scheme="dark", reduced_motion="reduce"
        ) as visit,
    ):
        page = visit.page
        await page.goto(running.serving.url)
        await assert_sound_page(page)
        await page.get_by_role("button", name="Start speaking").click()
        await visit.until_heard("never")
        at_edge = "() => document.documentElement.scrollHeight - innerHeight - scrollY < 30"
        await page.wait_for_function(at_edge)
        await assert_sound_page(page)
        await page.mouse.move(160, 150)
        await page.mouse.wheel(0, -2000)
        back = page.get_by_role("button", name="Back to live")
        await back.click()
        await expect(back).to_be_hidden()
        await page.wait_for_function(at_edge)
        await page.get_by_role("button", name="Stop").click()
        await visit.until_phase("done")
        await assert_sound_page(page)
