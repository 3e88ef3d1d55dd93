"""A project's page, as participants use it: recorded without an account, and nothing lost on the way to the server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route, expect

from tests.e2e import one_browser
from tests.e2e.browser import Visit, microphone, visiting
from tests.e2e.one_browser import IN_ONE_LOOP, launched, visit_in
from tests.e2e.page_checks import assert_sound_page
from tests.fakes.running_app import RunningApp
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of

pytestmark = [pytest.mark.browser, pytest.mark.process, IN_ONE_LOOP]
no_leaked_threads = one_browser.no_leaked_threads
no_leaked_tasks, node = one_browser.no_leaked_tasks, one_browser.node

LOOK_EVERY_S = 4.0  # so often a page asks that hears nothing
PHONE = {"width": 375, "height": 740}
DESK = {"width": 1280, "height": 800}
# What the microphone hears each time that it is opened, in tones that no browser takes for noise.
PAIRS = ("good morning", "alpha yellow", "river one", "stone kilo", "papa window")
PAIR_EVERY_S = 2.0  # the pauses are long, so that a busy machine, too, cuts the chunks in them
LEAD_S = 1.5  # and begins to record before the first word
WORDS = [word for pair in PAIRS for word in pair.split()]

# How much the page keeps in this browser, by kind.
KEPT = """() => new Promise((resolve) => {
  indexedDB.open('earshot.portal').onsuccess = ({ target: { result: db } }) => {
    const kept = {};
    const names = ['conversations', 'chunks', 'pieces'];
    const tx = db.transaction(names);
    for (const name of names) {
      tx.objectStore(name).count().onsuccess = ({ target }) => { kept[name] = target.result; };
    }
    tx.oncomplete = () => { db.close(); resolve(kept); };
  };
})"""
UNTIL_PIECES = f"""async (least) => {{
  while ((await ({KEPT})()).pieces < least) await new Promise(requestAnimationFrame);
}}"""
ROOM_BYTES = 100_000  # three quarters of it are an empty database's
NOTHING = {"conversations": 0, "chunks": 0, "pieces": 0}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(
    no_leaked_tasks: None, chromium: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Browser]:
    sound = tmp_path_factory.mktemp("microphone") / "tones.wav"
    said = [word for n, pair in enumerate(PAIRS) for word in sentence(pair, LEAD_S + n * PAIR_EVERY_S)]
    sound.write_bytes(wav_of(scripted_sound(said, length_s=120)))
    async with launched(chromium, *microphone(sound)) as browser:
        yield browser


@dataclass
class Project:
    """A project on a node, and what it holds."""

    node: RunningApp
    id: str
    tags: dict[str, str]

    @property
    def url(self) -> str:
        """Of its page, with chunks so short that little is waited for, and so long that each has a pause."""
        return f"{self.node.serving.url}p/{self.id}?chunk_s=3"

    async def conversation(self) -> dict[str, Any]:
        """The only one that was begun in it."""
        page = (await self.node.http.get(f"/api/projects/{self.id}/conversations")).raise_for_status().json()
        assert page["total"] == 1
        found: dict[str, Any] = page["items"][0]
        return found

    async def chunks(self) -> list[dict[str, Any]]:
        id_ = (await self.conversation())["id"]
        answer = await self.node.http.get(f"/api/participant/conversations/{id_}/chunks")
        chunks: list[dict[str, Any]] = answer.raise_for_status().json()
        return [chunk for chunk in chunks if chunk["state"] != "announced"]  # of some the address was asked for twice

    async def words(self) -> list[str]:
        """Of what was said, in the order of the chunks. A word that a border cut in two may be on both sides."""
        words: list[str] = []
        for chunk in await self.chunks():
            said = (chunk["transcript"] or "").split() if chunk["path"] else []
            words += said[1:] if said[:1] == words[-1:] else said
        return words


async def new_project(node: RunningApp, **fields: Any) -> Project:
    answer = await node.http.post("/api/projects", json={"name": "Talks", "language": "en", **fields})
    project = answer.raise_for_status().json()
    return Project(node, project["id"], {tag["text"]: tag["id"] for tag in project["tags"]})


async def start(visit: Visit, project: Project, *, chunk_s: int = 3) -> None:
    await visit.page.goto(project.url.replace("chunk_s=3", f"chunk_s={chunk_s}"))
    await visit.page.get_by_role("button", name="Start recording").click()
    await visit.until_phase("recording")


async def finish(visit: Visit) -> None:
    """Until all of it is written down."""
    await visit.page.get_by_role("button", name="Finish").click()
    done = visit.page.get_by_text("Everything has arrived and is written down.")
    await expect(done).to_be_visible()


async def until_sent(page: Page) -> None:
    sent = page.get_by_text("Everything up to here has arrived.")
    await expect(sent).to_be_visible()


async def until_kept(page: Page, chunks: int) -> None:
    """Until so many whole chunks, or more, wait in this browser."""
    text = re.compile(rf"\b({'|'.join(map(str, range(chunks, 60)))}) parts are kept on this device")
    await expect(page.locator(".dock sending-progress")).to_contain_text(text)


async def test_a_whole_conversation(node: RunningApp, browser: Browser) -> None:
    texts = {"title": "Our street", "welcome_text": "What should change?\nA minute is enough.", "finish_text": "Bye."}
    project = await new_project(node, **texts, ask_for_email=True, name_label="First name", tags=["youth", "traffic"])
    async with visit_in(browser, width=375, height=740) as visit:
        page = visit.page
        await page.add_init_script(
            "const { request } = navigator.wakeLock;"
            "navigator.wakeLock.request = async (kind) => (window.lock = await request.call(navigator.wakeLock, kind));"
        )
        await page.goto(project.url)
        await expect(page.get_by_role("heading", name="Our street")).to_be_visible()
        await expect(page.get_by_text("A minute is enough.")).to_be_visible()
        for size in (PHONE, DESK, PHONE):
            await page.set_viewport_size({"width": size["width"], "height": size["height"]})
            await assert_sound_page(page)
        await page.get_by_label("First name").fill("Anna")
        await page.get_by_label("Your e-mail address").fill("anna@example.org")
        await page.get_by_label("traffic").check()
        await page.get_by_role("button", name="Start recording").click()
        await visit.until_phase("recording")
        await page.wait_for_function("window.lock && !window.lock.released")
        said = page.get_by_role("log")
        await expect(said).to_contain_text("good morning")
        await page.get_by_label("Add something in writing").fill("And more <b>benches</b>")
        await page.get_by_role("button", name="Send", exact=True).click()
        await expect(said).to_contain_text("And more <b>benches</b>")
        await expect(page.get_by_label("Add something in writing")).to_have_value("")
        await assert_sound_page(page)

        await page.get_by_role("button", name="Pause").click()
        await expect(page.get_by_text("Paused: nothing is recorded.")).to_be_visible()
        await page.wait_for_function("window.lock.released")
        await until_sent(page)
        before = len(await project.chunks())
        await page.get_by_role("button", name="Go on recording").click()
        await visit.until_phase("recording")
        await expect(said.get_by_text("good morning")).to_have_count(2)
        await finish(visit)
        await expect(page.get_by_text("Bye.")).to_be_visible()
        await assert_sound_page(page)
        assert await page.evaluate(KEPT) == NOTHING  # nobody who comes next finds it

        await page.get_by_role("button", name="New conversation").click()
        await expect(page.get_by_role("button", name="Start recording")).to_be_visible()
        await expect(said).to_be_hidden()
    conversation = await project.conversation()
    told = {key: conversation[key] for key in ("participant_name", "participant_email", "tag_id_list")}
    tags = [project.tags["traffic"]]
    assert told == {"participant_name": "Anna", "participant_email": "anna@example.org", "tag_id_list": tags}
    chunks = await project.chunks()
    assert len(chunks) > before
    assert conversation["expected_chunks"] == len(chunks)
    assert [each["transcript"] for each in chunks if not each["path"]] == ["And more <b>benches</b>"]


async def test_words_come_when_they_are_told_and_the_host_sees_that_sound_comes(
    node: RunningApp, browser: Browser
) -> None:
    project = await new_project(node)
    told: list[str] = []
    looks: list[str] = []
    async with visit_in(browser) as visit:
        page = visit.page
        page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: told.append(str(frame))))
        page.on("request", lambda request: looks.append(request.url) if request.url.endswith("/chunks") else None)
        await start(visit, project)
        async with asyncio.timeout(90):
            while ((await project.conversation())["level_dbfs"] or -100) < -40:
                await page.wait_for_timeout(100)  # the microphone begins with a moment of silence
        said = page.get_by_role("log")
        await expect(said).to_contain_text("good morning")
        await page.get_by_role("button", name="Pause").click()
        await until_sent(page)
        events, asked = len([each for each in told if "ping" not in each]), len(looks)
        await asyncio.sleep(3 * LOOK_EVERY_S)
        more = len([each for each in told if "ping" not in each]) - events
        assert len(looks) - asked <= more + 1, "nobody asks while nothing is told"
        conversation = (await project.conversation())["id"]
        path = f"/api/participant/conversations/{conversation}"
        written = await node.http.post(f"{path}/upload-text", json={"content": "from another device"})
        await expect(said).to_contain_text("from another device")
        await node.http.delete(f"{path}/chunks/{written.json()['id']}")
        await expect(said).not_to_contain_text("from another device")
        await expect(said).to_contain_text("good morning")
        await finish(visit)
    assert any("from another device" in each for each in told)


async def test_a_lost_network_and_a_reload_lose_nothing(node: RunningApp, browser: Browser) -> None:
    project = await new_project(node)
    async with visit_in(browser, outages=True) as visit:
        page, network = visit.page, visit.page.context
        await start(visit, project)
        await expect(page.get_by_role("log")).to_contain_text("good morning")
        await network.set_offline(True)
        await until_kept(page, 6)  # the last words are said meanwhile
        await assert_sound_page(page)
        assert await project.words() != WORDS
        await network.set_offline(False)
        await page.reload()
        await expect(page.get_by_text("Your conversation is not finished.")).to_be_visible()
        await until_sent(page)
        await assert_sound_page(page)
        await finish(visit)
        assert await page.evaluate(KEPT) == NOTHING
    assert await project.words() == WORDS
    moments = [chunk["timestamp"] for chunk in await project.chunks()]
    assert moments == sorted(set(moments))


async def test_a_closed_tab_loses_nothing_and_can_be_gone_on_with(node: RunningApp, browser: Browser) -> None:
    project = await new_project(node)
    async with visit_in(browser, outages=True) as visit:
        first = visit.page
        await start(visit, project)
        await first.context.set_offline(True)
        await until_kept(first, 2)
        pieces = (await first.evaluate(KEPT))["pieces"] + 3
        await first.evaluate(UNTIL_PIECES, pieces)
        again = Visit(await first.context.new_page(), visit.faults)
        again.watch(outages=True)
        await first.close()  # in the middle of a chunk
        await again.page.context.set_offline(False)
        await again.page.goto(project.url)
        await until_sent(again.page)
        kept = await project.chunks()
        assert len(kept) >= 3  # the one that was cut off, too
        await again.page.get_by_role("button", name="Go on recording").click()
        await again.until_phase("recording")
        await expect(again.page.get_by_role("log").get_by_text("good morning")).to_have_count(2)
        await finish(again)
        assert await again.page.evaluate(KEPT) == NOTHING
    words = await project.words()
    once = words.index("good", 1)
    assert words[:once] == WORDS[:once]
    assert words[once:] == WORDS[: len(words) - once]
    assert once >= 4


async def test_an_answer_that_is_lost_makes_nothing_twice(node: RunningApp, browser: Browser) -> None:
    project = await new_project(node)
    lost: list[str] = []

    async def lose_once(route: Route) -> None:
        step = route.request.url.rpartition("/")[2]
        if step in lost:
            await route.continue_()
            return
        lost.append(step)
        await route.fetch()  # the server does it, and nobody hears of it
        await route.abort()

    async with visit_in(browser, outages=True) as visit:
        for step in ("confirm-upload", "upload-text", "finish"):
            await visit.page.route(f"**/{step}", lose_once)
        await start(visit, project)
        await visit.page.get_by_label("Add something in writing").fill("more trees")
        await visit.page.get_by_role("button", name="Send", exact=True).click()
        await expect(visit.page.get_by_role("log")).to_contain_text("alpha yellow")
        await finish(visit)
    assert sorted(lost) == ["confirm-upload", "finish", "upload-text"]
    words = await project.words()
    assert words == WORDS[: len(words)]
    assert [each["transcript"] for each in await project.chunks() if not each["path"]] == ["more trees"]


async def test_a_second_window_waits_for_the_first(node: RunningApp, browser: Browser) -> None:
    project = await new_project(node)
    async with visit_in(browser) as visit:
        first = visit.page
        await start(visit, project)
        second = await first.context.new_page()
        await second.goto(project.url)
        note = second.get_by_role("alert").filter(has_text="This page is open in another window.")
        await expect(note).to_be_visible()
        await assert_sound_page(second)
        await first.get_by_role("button", name="Pause").click()
        await until_sent(first)
        await first.close()
        await expect(second.get_by_text("Your conversation is not finished.")).to_be_visible()
        await expect(note).to_be_hidden()


async def test_a_full_device_is_told_and_goes_on_when_it_could_send(node: RunningApp, browser: Browser) -> None:
    project = await new_project(node)
    async with visit_in(browser, outages=True) as visit:
        page, network = visit.page, visit.page.context
        devtools = await network.new_cdp_session(page)
        room = {"origin": node.serving.url.rstrip("/"), "quotaSize": ROOM_BYTES}
        await devtools.send("Storage.overrideQuotaForOrigin", room)
        await start(visit, project)
        await network.set_offline(True)
        note = page.get_by_role("alert").filter(has_text="There is no room left on this device")
        await expect(note).to_contain_text("What was said before is kept")
        await visit.until_phase("paused")
        await assert_sound_page(page)
        await network.set_offline(False)
        await until_sent(page)
        await page.get_by_role("button", name="Go on recording").click()
        await visit.until_phase("recording")
        await expect(note).to_be_hidden()
        await finish(visit)
    assert (await project.words())[:2] == WORDS[:2]


async def test_a_denied_microphone_leaves_writing(node: RunningApp, chromium: str) -> None:
    project = await new_project(node)
    async with visiting(chromium, "--use-fake-device-for-media-stream", "--deny-permission-prompts") as visit:
        page = visit.page
        await page.goto(project.url)
        await page.get_by_role("button", name="Start recording").click()
        note = page.get_by_role("alert").filter(has_text="The microphone is not allowed.")
        await expect(note).to_contain_text("Allow it for this page")
        await assert_sound_page(page)
        listed = (await node.http.get(f"/api/projects/{project.id}/conversations")).json()
        assert listed["total"] == 0  # nothing empty is left behind
        await page.get_by_role("button", name="Write instead").click()
        await page.get_by_label("Add something in writing").fill("more trees")
        await page.get_by_role("button", name="Send", exact=True).click()
        await expect(page.get_by_role("log")).to_contain_text("more trees")
        await finish(visit)
    assert [chunk["transcript"] for chunk in await project.chunks()] == ["more trees"]


async def test_a_silent_microphone_is_noticed(node: RunningApp, chromium: str, tmp_path: Path) -> None:
    silence = tmp_path / "silence.wav"
    silence.write_bytes(wav_of(bytes(2 * 16_000 * 60)))
    project = await new_project(node)
    async with visiting(chromium, *microphone(silence), width=375, height=740) as visit:
        await start(visit, project)
        alarm = visit.page.get_by_role("alert").filter(has_text="Is sound coming in?")
        await expect(alarm).to_contain_text("not muted or covered")
        await assert_sound_page(visit.page)
        await visit.page.get_by_role("button", name="Pause").click()
        await expect(alarm).to_be_hidden()
        await finish(visit)
        await expect(visit.page.get_by_text("No words were understood.")).to_be_visible()


@pytest.mark.parametrize(
    ("fields", "told"),
    [({"is_open": False}, "Nobody can take part now"), (None, "There is no such project.")],
)
async def test_what_is_closed_or_not_there_is_told(
    node: RunningApp, browser: Browser, fields: dict[str, Any] | None, told: str
) -> None:
    project = await new_project(node, **fields or {})
    if fields is None:
        (await node.http.delete(f"/api/projects/{project.id}")).raise_for_status()
    async with visit_in(browser, outages=True) as visit:  # the browser reports the refusal itself
        await visit.page.goto(project.url)
        await expect(visit.page.get_by_role("alert").filter(has_text=told)).to_be_visible()
        await expect(visit.page.get_by_role("button", name="Start recording")).to_be_hidden()
        await assert_sound_page(visit.page)


async def test_a_browser_that_cannot_record_can_write_and_speaks_the_language_of_the_project(
    node: RunningApp, browser: Browser
) -> None:
    project = await new_project(node, language="de", welcome_text="Was soll sich ändern?")
    async with visit_in(browser) as visit:
        await visit.page.add_init_script("delete window.MediaRecorder")
        await visit.page.goto(project.url)
        note = visit.page.get_by_role("alert").filter(has_text="Dieser Browser")
        await expect(note).to_be_visible()
        await expect(visit.page.locator("html")).to_have_attribute("lang", "de")
        await expect(visit.page.get_by_role("button", name="Aufnahme starten")).to_be_hidden()
        await expect(visit.page.get_by_role("button", name="Lieber schreiben")).to_be_visible()
        await assert_sound_page(visit.page)


async def test_a_conversation_that_is_gone_is_told_and_can_be_let_go(node: RunningApp, browser: Browser) -> None:
    project = await new_project(node)
    async with visit_in(browser, outages=True) as visit:
        page = visit.page
        await start(visit, project)
        id_ = (await project.conversation())["id"]
        (await node.http.delete(f"/v1/transcripts/{id_}")).raise_for_status()
        note = page.get_by_role("alert").filter(has_text="does not know this conversation any more")
        await expect(note).to_contain_text("still on this device")
        page.on("dialog", lambda dialog: dialog.accept())
        await note.get_by_role("button", name="Delete it from this device").click()
        await expect(page.get_by_role("button", name="Start recording")).to_be_visible()
        assert await page.evaluate(KEPT) == NOTHING
