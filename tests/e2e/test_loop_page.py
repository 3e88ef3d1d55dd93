"""The page of the inference loop, beside a server that hears scripted sound."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Browser, Page, Route, expect
from pydantic import SecretStr

from tests.e2e import one_browser
from tests.e2e.browser import PATIENCE_MS, Visit
from tests.e2e.one_browser import IN_ONE_LOOP, visit_in
from tests.e2e.page_checks import assert_sound_page
from tests.fakes.running_app import RunningApp, running_app
from tests.fakes.scripted_sound import WORD_S, scripted_sound, sentence
from tests.fakes.wav import wav_of

pytestmark = [pytest.mark.browser, pytest.mark.process, IN_ONE_LOOP]
no_leaked_threads = one_browser.no_leaked_threads
no_leaked_tasks, browser, node = one_browser.no_leaked_tasks, one_browser.browser, one_browser.node

MESSAGE_BYTES = 3200
MESSAGE_S = MESSAGE_BYTES / 32_000
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
FIGURES = "**/debug/loop.json*"


async def speak(node: RunningApp, text: str) -> None:
    """At the speed of speech, so that there are interims; cut after the last word, so that its final is not guessed."""
    transcript_id = await node.new_transcript()
    words = sentence(text)
    sound = scripted_sound(words, length_s=words[-1][1] + WORD_S)
    async with node.socket(f"/v1/transcripts_stream/{transcript_id}") as socket:
        await socket.send({"type": "start", "data": {"events": False}})
        for at in range(0, len(sound), MESSAGE_BYTES):
            await socket.send(sound[at : at + MESSAGE_BYTES])
            await asyncio.sleep(MESSAGE_S)
        await socket.send({"type": "stop"})
        await socket.closed()


async def upload(node: RunningApp, text: str) -> None:
    transcript_id = await node.new_transcript()
    sound = {"file": ("sound.wav", wav_of(scripted_sound(sentence(text))))}
    (await node.http.post(f"/v1/transcripts_audio/{transcript_id}/upload", files=sound)).raise_for_status()


async def lane_is_drawn(page: Page, kind: str) -> None:
    """Steps of that kind are there, and its colour is in its lane."""
    await page.wait_for_function(
        """(kind) => {
          const timeline = document.querySelector('loop-timeline');
          if (!timeline || !Number(timeline.dataset[kind])) return false;
          const canvas = timeline.querySelector('canvas');
          const probe = document.createElement('span');
          probe.className = `loop-kind ${kind}`;
          timeline.append(probe);
          const [r, g, b] = getComputedStyle(probe, '::before').backgroundColor.match(/\\d+/g).map(Number);
          probe.remove();
          const lanes = ['busy', 'final', 'interim', 'file', 'guess'];
          const scale = canvas.width / canvas.clientWidth;
          const floor = (lanes.indexOf(kind) + 1) * 38;
          // In a copy: Chromium warns of reading one canvas again and again.
          const copy = document.createElement('canvas');
          [copy.width, copy.height] = [canvas.width, canvas.height];
          const context = copy.getContext('2d', { willReadFrequently: true });
          context.drawImage(canvas, 0, 0);
          const lane = context.getImageData(0, (floor - 30) * scale, canvas.width, 30 * scale).data;
          for (let at = 0; at < lane.length; at += 4) {
            if (lane[at] === r && lane[at + 1] === g && lane[at + 2] === b && lane[at + 3] === 255) return true;
          }
          return false;
        }""",
        arg=kind,
        timeout=PATIENCE_MS,
    )


def answer(*kinds: str, run: str = "first", **more: Any) -> dict[str, Any]:
    """What the server would say: steps of these kinds, half a second apart."""
    steps = [
        [number, 0, kind, 0.5 * (len(kinds) - number), 3, 4, 30.0, 100.0, 8000, 16, 0.5]
        for number, kind in enumerate(kinds, 1)
    ]
    worker = {"index": 0, "state": "ok", "sessions": 2, "restarts": 0, "resident_mb": 80.0}
    told = {"busy": 0.5, "interim_ms": 300, "waiting": 1, "interims_dropped": 4, "guard_hits": {"repeats": 1}}
    return {
        "run": run,
        "last": len(kinds),
        "more": False,
        "window_s": 60.0,
        "engine": {"state": "ok", "engine": "scripted", "model": "scripted", "device": "cpu"},
        "gave_up": 0,
        "workers": [worker | told],
        "sessions": {"live": 2, "files": 0, "furthest": [["aaaa0001", "live", 1500], ["aaaa0002", "live", 40]]},
        "steps": steps,
        "notes": [],
    } | more


class Told:
    """Answers in the server's place; ``after`` is what it was asked for, once for each request."""

    def __init__(self, now: dict[str, Any]) -> None:
        self.now = now
        self.after: list[int] = []

    async def __call__(self, route: Route) -> None:
        after = int(route.request.url.rpartition("after=")[2])
        self.after.append(after)
        steps = [step for step in self.now["steps"] if step[0] > (after if after <= self.now["last"] else 0)]
        await route.fulfill(content_type="application/json", body=json.dumps(self.now | {"steps": steps}))


@asynccontextmanager
async def told_page(node: RunningApp, browser: Browser, told: Told, **options: Any) -> AsyncIterator[Visit]:
    async with visit_in(browser, **options) as visit:
        await visit.page.route(FIGURES, told)
        await visit.page.goto(f"{node.serving.url}debug/loop")
        await expect(visit.page.locator("loop-timeline canvas")).to_be_visible()
        yield visit


async def test_speech_is_seen_as_steps_of_its_kinds_and_a_lost_worker_as_such(
    node: RunningApp, browser: Browser
) -> None:
    async with visit_in(browser, outages=True) as visit:
        page = visit.page
        await page.goto(f"{node.serving.url}debug/loop")
        await expect(page).to_have_title("Inference loop · Earshot")
        await expect(page.get_by_role("heading", name="Worker 0")).to_be_visible()
        await speak(node, "alpha bravo charlie delta echo foxtrot")
        for kind in ("interim", "final"):
            await lane_is_drawn(page, kind)
        await upload(node, "golf hotel india juliet")
        await lane_is_drawn(page, "file")
        await assert_sound_page(page)
        row = page.get_by_role("table", name="Steps of the last minute").get_by_role("row", name="Interims")
        await expect(row).to_be_visible()
        await speak(node, "kilo crash lima")
        await expect(page.locator(".loop-events")).to_contain_text("worker 0 was lost")
        await expect(page.locator(".loop-events li").last).to_contain_text("is ready")
        await expect(page.locator('[data-figure="lost"]')).to_contain_text("1")
        body = await page.inner_text("body")
        assert not {"alpha", "crash", "juliet"} & set(body.lower().split())


async def test_guards_that_strike_all_the_time_do_not_hide_a_loss(node: RunningApp, browser: Browser) -> None:
    notes = [[0, 50.0, "lost", ""], [0, 49.0, "ready", ""], *([0, 30.0 - at, "guard", "loop"] for at in range(12))]
    async with told_page(node, browser, Told(answer("final", notes=notes))) as visit:
        events = visit.page.locator(".loop-events li")
        await expect(events).to_have_count(8)
        await expect(events.first).to_contain_text("worker 0 was lost")


async def test_a_bar_is_read_by_pointing_and_by_keys(node: RunningApp, browser: Browser) -> None:
    async with told_page(node, browser, Told(answer("final", "interim", "interim"))) as visit:
        page = visit.page
        reading = page.locator(".loop-reading")
        canvas = page.locator("loop-timeline canvas")
        await expect(reading).to_have_text("Point at a bar to read it, or use ← and →.")
        await expect(canvas).to_have_attribute(
            "aria-label", "Worker 0, steps in the last minute: Finals 1, Interims 2, Files 0, Guesses 0"
        )
        await canvas.focus()
        await page.keyboard.press("ArrowLeft")
        await expect(reading).to_contain_text("Interims")
        await expect(reading).to_contain_text("3 of 4 (75 %) · waited 30 ms · took 100 ms")
        for _ in range(5):
            await page.keyboard.press("ArrowLeft")
        await expect(reading).to_contain_text("Finals")
        box = await canvas.bounding_box()
        assert box is not None
        for left in range(4, int(box["width"]), 8):  # along the third lane: the bars have moved since they came
            await page.mouse.move(box["x"] + box["width"] - left, box["y"] + 110)
            if "Interims" in await reading.inner_text():
                break
        await expect(reading).to_contain_text("Interims")
        await page.get_by_text("The newest steps as a table").click()
        newest = page.get_by_role("table", name="The newest steps")
        await expect(newest.get_by_role("row")).to_have_count(4)
        await expect(page.get_by_role("table", name="Sessions furthest behind")).to_contain_text("1.5 s")


async def test_paused_it_stands_still_and_hidden_it_asks_for_nothing(node: RunningApp, browser: Browser) -> None:
    told = Told(answer("final"))
    async with told_page(node, browser, told) as visit:
        page = visit.page
        timeline = page.locator("loop-timeline")
        await page.get_by_role("button", name="Pause").click()
        told.now = answer("final", "file")
        asked = len(told.after)
        await page.wait_for_timeout(2500)  # what must not happen has no sign to wait for
        assert len(told.after) <= asked + 1  # one may have been on its way
        await expect(timeline).to_have_attribute("data-file", "0")
        await page.get_by_role("button", name="Go on").click()
        await expect(timeline).to_have_attribute("data-file", "1")
        assert told.after[-1] in (1, 2)  # it goes on where it was

        hide = (
            "(hidden) => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
            " document.dispatchEvent(new Event('visibilitychange')); }"
        )
        await page.evaluate(hide, True)
        asked = len(told.after)
        told.now = answer("final", "file", "guess")
        await page.wait_for_timeout(2500)
        assert len(told.after) <= asked + 1
        await page.evaluate(hide, False)
        await expect(timeline).to_have_attribute("data-guess", "1")


async def test_a_server_that_was_started_anew_is_drawn_from_its_beginning(node: RunningApp, browser: Browser) -> None:
    told = Told(answer("final", "final", "final"))
    async with told_page(node, browser, told) as visit:
        timeline = visit.page.locator("loop-timeline")
        await expect(timeline).to_have_attribute("data-final", "3")
        told.now = answer("interim", "interim", "interim", "interim", run="second")
        await expect(timeline).to_have_attribute("data-interim", "4")
        await expect(timeline).to_have_attribute("data-final", "0")


async def refused(route: Route) -> None:
    error = {"code": "FORBIDDEN", "message": "this is for whoever runs the server", "details": {}}
    await route.fulfill(status=403, content_type="application/json", body=json.dumps({"error": error}))


async def unreachable(route: Route) -> None:
    await route.abort()


async def test_who_may_not_look_is_told_why_and_may_try_again(node: RunningApp, browser: Browser) -> None:
    async with visit_in(browser, outages=True) as visit:
        page = visit.page
        await page.route(FIGURES, refused)
        await page.goto(f"{node.serving.url}debug/loop")
        note = page.get_by_role("alert")
        await expect(note).to_contain_text("The server refuses this: this is for whoever runs the server")
        await assert_sound_page(page)
        await page.unroute(FIGURES)
        await note.get_by_role("button", name="Try again").click()
        await expect(note).to_be_hidden()
        await expect(page.get_by_role("heading", name="Worker 0")).to_be_visible()


async def test_a_server_that_does_not_answer_is_asked_again(node: RunningApp, browser: Browser) -> None:
    async with visit_in(browser, outages=True) as visit:
        page = visit.page
        await page.route(FIGURES, unreachable)
        await page.goto(f"{node.serving.url}debug/loop")
        note = page.get_by_role("alert")
        await expect(note).to_contain_text("The server does not answer.")
        await page.unroute(FIGURES)
        await expect(note).to_be_hidden()


async def test_the_token_is_asked_for_and_never_in_an_address(
    browser: Browser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = SecretStr("open-sesame")
    async with running_app(tmp_path / "data", access_token=token) as node, visit_in(browser, outages=True) as visit:
        page = visit.page
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(f"{node.serving.url}debug/loop")
        await page.get_by_role("textbox", name="Access token").fill("open-sesame")
        await page.get_by_role("button", name="Continue").click()
        await expect(page.get_by_role("heading", name="Worker 0")).to_be_visible()
        assert not [url for url in asked if "sesame" in url]
    logged = capsys.readouterr().out
    assert "/debug/loop.json" in logged
    assert "sesame" not in logged


async def test_it_fits_a_phone(node: RunningApp, browser: Browser) -> None:
    told = Told(answer(*["interim", "final", "file", "guess"] * 20))
    async with told_page(node, browser, told, width=390, height=844) as visit:
        page = visit.page
        await page.get_by_text("The newest steps as a table").click()
        for scheme in SCHEMES:
            await page.emulate_media(color_scheme=scheme)
            await assert_sound_page(page)
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
