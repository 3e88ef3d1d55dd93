"""Files become text: they are dropped, followed while they are heard, cancelled, read, played and heard again."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, Route, WebSocketRoute, expect
from pydantic import SecretStr

from protocol.events import Transcribed
from tests.e2e import one_browser
from tests.e2e.one_browser import IN_ONE_LOOP, visit_in
from tests.e2e.page_checks import assert_sound_page
from tests.fakes.running_app import RunningApp, running_app
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of

pytestmark = [pytest.mark.browser, pytest.mark.process, IN_ONE_LOOP]
no_leaked_threads = one_browser.no_leaked_threads
no_leaked_tasks, browser, node = one_browser.no_leaked_tasks, one_browser.browser, one_browser.node

HOSTILE = '<img src=x onerror="window.hurt=1">'
MISSING = {"error": {"code": "NOT_FOUND", "message": "no such page", "details": {}}}
WIDTHS = ((320, 640), (390, 800), (1280, 800))


def recording(path: Path, *said: str, every_s: float = 3.0, then_s: float = 1.0) -> Path:
    """A sentence every few seconds."""
    words = [word for n, text in enumerate(said) for word in sentence(text, 0.5 + n * every_s)]
    path.write_bytes(wav_of(scripted_sound(words, length_s=words[-1][1] + then_s)))
    return path


def job(page: Page, name: str) -> Locator:
    return page.locator("job-list li.job", has=page.locator(".row-name", has_text=name))


async def bring(page: Page, *files: Path) -> None:
    await page.get_by_label("choose one").set_input_files(list(files))


async def begun(node: RunningApp, path: Path) -> str:
    """The id of a job that a program began."""
    answer = await node.http.post("/api/transcribe/", files={"file": (path.name, path.read_bytes(), "audio/wav")})
    return str(answer.raise_for_status().json()["job_id"])


async def sound_at_all_widths(page: Page) -> None:
    for width, height in WIDTHS:
        await page.set_viewport_size({"width": width, "height": height})
        await assert_sound_page(page)


async def test_files_are_dropped_and_become_text(node: RunningApp, browser: Browser, tmp_path: Path) -> None:
    first = recording(tmp_path / "water talk.wav", "good river morning", "alpha bravo")
    second = recording(tmp_path / "second.wav", "stone garden")
    async with visit_in(browser, outages=True) as visit:  # the browser reports what a server lacks
        page = visit.page
        await page.goto(node.serving.url)
        await page.get_by_role("link", name="Files").click()
        await expect(page.get_by_role("heading", name="Files", exact=True)).to_be_visible()
        await expect(page).to_have_title("Files · Earshot")
        await page.get_by_label("Language of what is said").select_option("en")
        dropped = await page.evaluate_handle(
            """(files) => {
              const carried = new DataTransfer();
              for (const [name, encoded] of files) {
                const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
                carried.items.add(new File([bytes], name));
              }
              return carried;
            }""",
            [[each.name, base64.b64encode(each.read_bytes()).decode()] for each in (first, second)],
        )
        await page.dispatch_event("main", "drop", {"dataTransfer": dropped})
        for name, words in (("water talk.wav", "good river morning alpha bravo"), ("second.wav", "stone garden")):
            row = job(page, name)
            await expect(row.locator(".job-tail")).to_have_text(words)
            await expect(row.locator(".row-state")).to_have_text("finished")
            await expect(row.get_by_role("button", name="Cancel")).to_be_hidden()
        await expect(page.get_by_text(re.compile("^(water talk|second).wav: finished$"))).to_be_attached()  # read out
        names = page.locator("job-list .row-name")
        assert await names.all_text_contents() == ["second.wav", "water talk.wav"]  # the newest first
        [newest, oldest] = (await node.http.get("/api/transcribe/jobs?limit=2")).json()["jobs"]
        assert (newest["filename"], oldest["filename"]) == ("second.wav", "water talk.wav")
        assert (await node.http.get(f"/api/transcribe/debug/{newest['job_id']}")).json()["language"] == "en"
        await sound_at_all_widths(page)


async def test_a_job_is_found_again_followed_and_cancelled(node: RunningApp, browser: Browser, tmp_path: Path) -> None:
    long = recording(tmp_path / "long.wav", *["alpha bravo charlie"] * 700, every_s=5.0)
    async with visit_in(browser, outages=True) as visit:
        page = visit.page
        await page.goto(f"{node.serving.url}files")
        await bring(page, long)
        row = job(page, "long.wav")
        await expect(row.locator(".job-tail")).to_contain_text("alpha bravo charlie")
        await expect(row.locator(".row-state")).to_have_text(re.compile(r"^\d+ %, minute \d+ of 59$"))
        await row.get_by_role("button", name="long.wav", expanded=False).click()
        await expect(row.get_by_text("Being written down. When it is finished, it can be played.")).to_be_visible()
        await visit.until_heard("bravo")
        await sound_at_all_widths(page)
        await page.reload()
        await expect(row.get_by_role("button", name="long.wav", expanded=True)).to_be_visible()  # the address says so
        before = await page.locator(".line").count()
        await expect(page.locator(".line").nth(before)).to_be_attached()  # and more come
        await expect(row.get_by_role("progressbar")).to_be_visible()
        await row.get_by_role("button", name="Cancel “long.wav”").click()
        await expect(row.locator(".row-state")).to_have_text("cancelled; the words until then are kept")
        await expect(row.get_by_role("progressbar")).to_be_hidden()
        await expect(row.locator("transcript-player")).to_be_visible()
        await row.get_by_role("button", name="long.wav", expanded=True).click()
        await expect(row.locator("job-view")).to_have_count(0)
        await page.reload()
        await expect(row.get_by_role("button", name="long.wav", expanded=False)).to_be_visible()
        await expect(row.locator(".row-state")).to_have_text("cancelled; the words until then are kept")


async def test_a_connection_that_is_lost_is_told_until_it_is_back(node: RunningApp, browser: Browser) -> None:
    status = {"type": "status", "status": "processing", "progress": 40, "message": ""}
    status["chunk_info"] = {"current_chunk": 2, "total_chunks": 5, "chunk_progress": 0}
    said = {"segment_id": "s1", "revision": 1, "start": 0.5, "end": 1.0, "text": "good river", "speaker": "SPEAKER_1"}
    job_id = "0a4e0000-0000-4000-8000-000000000000"
    going = {**status, "job_id": job_id, "filename": "talk.wav", "model_name": "tiny", "created_at": 1e9}
    away, sockets = asyncio.Event(), list[WebSocketRoute]()

    async def live(socket: WebSocketRoute) -> None:
        if away.is_set():
            await socket.close(code=1011)
            return
        sockets.append(socket)
        for message in (said, status):
            socket.send(json.dumps(message))

    async with visit_in(browser, outages=True) as visit:
        page = visit.page
        await page.route("**/api/transcribe/jobs?*", lambda route: route.fulfill(json={"jobs": [going], "count": 1}))
        await page.route_web_socket(f"**/api/transcribe/live/{job_id}*", live)
        await page.goto(f"{node.serving.url}files")
        row = job(page, "talk.wav")
        await expect(row.locator(".job-tail")).to_have_text("good river")
        away.set()
        await sockets[0].close(code=1011)
        await expect(row.locator(".row-state")).to_contain_text("Connection lost")
        away.clear()
        await expect(row.locator(".row-state")).to_have_text("40 %, minute 2 of 5")
        sockets[-1].send(json.dumps({**said, "revision": 2, "text": "good rivers"}))
        sockets[-1].send(json.dumps({**status, "status": "failed", "message": "the engine is gone", "progress": 0}))
        await expect(row.locator(".row-state")).to_have_text("failed: the engine is gone")
        await expect(row.locator(".job-tail")).to_have_text("good rivers")


async def test_a_line_is_played_and_heard_again(node: RunningApp, browser: Browser, tmp_path: Path) -> None:
    job_id = await begun(node, recording(tmp_path / f"{HOSTILE.replace('/', '')}.wav", "good river", "stone garden"))
    async with visit_in(browser, outages=True) as visit:
        page = visit.page
        await page.goto(f"{node.serving.url}files#job={job_id}")
        row = page.locator(f'li.job[data-id="{job_id}"]')
        await expect(row.locator(".row-state")).to_have_text("finished")
        line = row.locator(".line").nth(1)
        await line.get_by_text("stone").click()
        await page.wait_for_function("() => document.querySelector('audio').played.length > 0")
        assert await page.evaluate("() => document.querySelector('audio').currentTime") > 3.4  # not from the beginning
        await expect(row.get_by_role("link", name="Open its own page")).to_have_attribute("href", f"/t/{job_id}")
        await expect(row.locator('[data-format="srt"]')).to_be_visible()

        # As if it had been misheard.
        stored = (await node.services.store.segments_of(job_id, offset=1, limit=1))[0]
        wrong = stored.segment.model_copy(update={"text": "stern guards", "words": (), "revision": 2})
        await node.services.journal.append(job_id, Transcribed(segment=wrong, track_started_at=1000.0))
        await expect(line.locator(".text")).to_have_text("stern guards")
        await line.get_by_role("button", name="Transcribe again").click()
        choice = page.get_by_label("By which recogniser")
        await expect(choice).to_be_focused()
        await expect(choice.locator("option")).to_have_text(["The best that is here", "embedded-en"])
        await sound_at_all_widths(page)
        await page.keyboard.press("Escape")
        await expect(choice).to_have_count(0)
        await expect(line.get_by_role("button", name="Transcribe again")).to_be_focused()
        await line.get_by_role("button", name="Transcribe again").click()
        await page.get_by_role("button", name="Transcribe", exact=True).click()
        await expect(line.locator(".text")).to_have_text("stone garden")
        await expect(line.get_by_role("status")).to_have_text("Heard again at 0:03, by scripted.")
        await expect(choice).to_have_count(0)

        # A refusal says what became of the words.
        await node.services.store.update_transcript(job_id, locked=True)
        await line.get_by_role("button", name="Transcribe again").click()
        await page.get_by_role("button", name="Transcribe", exact=True).click()
        note = row.get_by_role("alert").filter(has_text="This line cannot be heard again")
        await expect(note).to_contain_text("Its words stay as they are.")
        await sound_at_all_widths(page)
        assert not await page.evaluate("'hurt' in window")


async def test_refusals_are_told_and_what_to_do(browser: Browser, tmp_path: Path) -> None:
    token = SecretStr("b3Blbg/+sesame==")  # no browser's socket can carry it: a ticket opens it
    notes = tmp_path / "notes.wav"
    notes.write_text("only notes")
    large = tmp_path / "large.wav"
    large.write_bytes(bytes((1 << 20) + 1))
    async with (
        running_app(tmp_path / "data", access_token=token, upload_max_mb=1) as node,
        visit_in(browser, outages=True) as visit,
    ):
        page = visit.page
        await page.goto(f"{node.serving.url}files")
        field = page.get_by_role("textbox", name="Access token")
        await field.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await expect(page.get_by_role("alert")).to_contain_text("This server wants to know who you are.")
        await page.reload()
        await field.fill(token.get_secret_value())
        await page.get_by_role("button", name="Continue").click()
        await expect(page.get_by_text("There is none yet.")).to_be_visible()
        await expect(page.get_by_text("up to 1 MB")).to_be_visible()
        await bring(page, large)
        await expect(page.get_by_text("large.wav is too large: at most 1 MB are taken.")).to_be_visible()
        await bring(page, notes)
        note = page.get_by_role("alert")
        await expect(note).to_contain_text("No sound was found in this file")
        await expect(note).to_contain_text("Check that it plays on your device")
        await bring(page, recording(tmp_path / "talk.wav", "good river morning"))
        await expect(job(page, "talk.wav").locator(".job-tail")).to_have_text("good river morning")
        await expect(job(page, "talk.wav").locator(".row-state")).to_have_text("finished")
        await expect(note).to_be_hidden()
        await page.goto(f"{node.serving.url}files#job=00000000-0000-4000-8000-000000000000")
        await page.reload()
        await expect(note).to_contain_text("There is no such file, or it is not yours.")
        await page.route("**/api/transcribe/", lambda route: route.abort())
        await bring(page, recording(tmp_path / "talk.wav", "good river morning"))
        await expect(note).to_contain_text("The server does not answer.")


async def test_a_recogniser_that_is_not_here_is_fetched_first(
    node: RunningApp, browser: Browser, tmp_path: Path
) -> None:
    told = {"model": "whisper-tiny.en", "state": "pulling", "progress": 12.5, "message": ""}
    here: list[str] = []

    async def models(route: Route) -> None:
        answer = await route.fetch()
        listed = await answer.json()
        for model in listed["models"]:
            model["is_downloaded"] = model["is_downloaded"] or model["name"] in here
        await route.fulfill(response=answer, json=listed)

    async with visit_in(browser, outages=True) as visit:
        page = visit.page
        await page.route("**/api/transcribe/models", models)
        await page.route("**/api/transcribe/models/*/download", lambda route: route.fulfill(json=told))
        await page.goto(f"{node.serving.url}files")
        choice = page.get_by_label("Recogniser")
        await expect(choice.locator("option")).to_have_text(["The one in use", "embedded-en"])
        await page.locator("summary", has_text="Recognisers that are not here").click()
        row = page.locator('model-choice li[data-model="tiny.en"]')
        await expect(row).to_contain_text(re.compile(r"\d+ MB to fetch"))
        await sound_at_all_widths(page)
        await row.get_by_role("button", name="Fetch tiny.en").click()
        await expect(page.get_by_role("progressbar", name="Fetch tiny.en")).to_be_visible()
        await expect(page.get_by_text("Fetching tiny.en: 12 %")).to_be_visible()
        await expect(page.get_by_role("button", name="Fetch base.en")).to_be_disabled()
        catalogue = {"items": [], "total": 0, "pull": told}
        await page.route("**/v1/models", lambda route: route.fulfill(json=catalogue))
        await page.reload()
        await expect(page.get_by_text("Fetching tiny.en: 12 %")).to_be_visible()  # it goes on, and is found again
        here.append("tiny.en")
        told.update(state="done", progress=100.0)
        await expect(page.get_by_text("tiny.en is here and can be chosen.")).to_be_visible()
        await expect(choice).to_have_value("tiny.en")  # what somebody fetched they want to use
        await expect(row).to_have_count(0)
        await bring(page, recording(tmp_path / "talk.wav", "good river morning"))  # the server knows better
        note = page.get_by_role("alert")
        await expect(note).to_contain_text("This recogniser cannot be used")
        await expect(note).to_contain_text("Fetch it under “Recognisers that are not here”, or choose another.")
        told.update(state="failed", message="no space left")
        await page.unroute("**/api/transcribe/models")
        await page.reload()
        await page.locator("summary", has_text="Recognisers that are not here").click()
        await row.get_by_role("button", name="Fetch tiny.en").click()
        await expect(page.get_by_text("tiny.en could not be fetched: no space left")).to_be_visible()


async def test_what_is_asked_about_a_file(node: RunningApp, browser: Browser, tmp_path: Path) -> None:
    job_id = await begun(node, recording(tmp_path / "asked.wav", "good river", "stone garden"))
    wanted: list[Any] = []

    async def summary(route: Route) -> None:
        if route.request.method == "POST":
            wanted.append(route.request.post_data_json)
            await route.fulfill(json={"job_id": "s1", "status": "processing", "message": "begun"})
        elif "/status/" in route.request.url:
            await route.fulfill(json={"job_id": "s1", "status": "completed", "message": "", "progress": 100})
        else:
            text = f"- good river\n- {HOSTILE}"
            await route.fulfill(json={"summary": text, "topics": ["river"], "length": 4, "model_used": "extractive"})

    async def chat(route: Route) -> None:
        wanted.append(route.request.post_data_json)
        answer = {"role": "assistant", "content": f"“stone garden” {HOSTILE}"}
        quotes = [{"start": 3.5, "end": 4.1, "text": "stone garden"}]
        await route.fulfill(json={"message": answer, "model_used": "extractive", "usage": {}, "quotes": quotes})

    models = {"models": [{"id": "extractive", "name": "Extractive", "description": "quotes only"}]}
    async with visit_in(browser, outages=True) as visit:
        page = visit.page
        await page.route("**/api/chat/models", lambda route: route.fulfill(status=404, json=MISSING))
        async with page.expect_response("**/api/chat/models"):
            await page.goto(f"{node.serving.url}files#job={job_id}")
        await visit.until_heard("stone")
        await expect(page.get_by_role("heading", name="Summary")).to_be_hidden()
        await expect(page.get_by_role("alert")).to_have_count(0)
        await page.route("**/api/chat/models", lambda route: route.fulfill(json=models))
        await page.route("**/api/summary/**", summary)
        await page.route("**/api/chat/", chat)
        await page.reload()
        await expect(page.get_by_text("This server has no language model.")).to_be_visible()
        await page.get_by_label("As", exact=True).select_option("bullet_points")
        await page.get_by_role("button", name="Summarise").click()
        await expect(page.locator(".summary-text li")).to_have_text(["good river", HOSTILE])
        await expect(page.get_by_text("No language model wrote this")).to_be_visible()
        await page.get_by_label("Ask about what was said").fill("Which garden?")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("Only quotes: passages that fit the question")).to_be_visible()
        await sound_at_all_widths(page)
        await page.locator(".quotes").get_by_role("button", name="Play from 0:03").click()
        await page.wait_for_function("() => document.querySelector('audio').played.length > 0")
        assert [body["transcript_id"] for body in wanted] == [job_id, job_id]
        assert (wanted[0]["format"], wanted[1]["messages"]) == (
            "bullet_points",
            [{"role": "user", "content": "Which garden?"}],
        )
        assert not await page.evaluate("'hurt' in window")
