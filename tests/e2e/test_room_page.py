"""Rooms: made, entered, spoken in; and each thing that can go wrong there, said with what to do about it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from server.pipeline import TrackPipeline
from tests.e2e import one_browser
from tests.e2e.browser import Visit, microphone, visiting
from tests.e2e.one_browser import IN_ONE_LOOP, launched, visit_in
from tests.e2e.page_checks import assert_sound_page
from tests.fakes.running_app import RunningApp
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.server_process import ServerProcess
from tests.fakes.wav import wav_of

pytestmark = [pytest.mark.browser, pytest.mark.process, IN_ONE_LOOP]
no_leaked_threads = one_browser.no_leaked_threads
no_leaked_tasks, node = one_browser.no_leaked_tasks, one_browser.node

REPEATS = 30  # of what the microphone hears; three seconds each, longer than any test


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(
    no_leaked_tasks: None, chromium: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Browser]:
    """With a microphone that says the same again and again."""
    sound = tmp_path_factory.mktemp("microphone") / "tones.wav"
    once = scripted_sound(sentence("good river morning", 1.0), length_s=3.0)
    sound.write_bytes(wav_of(once * REPEATS))
    async with launched(chromium, *microphone(sound)) as browser:
        yield browser


async def new_room(url: str, name: str, **fields: object) -> str:
    """The address of its page."""
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        (await http.post("/v1/rooms", json={"name": name, "share_mode": "public", **fields})).raise_for_status()
    return f"{url.rstrip('/')}/r/{name}"


async def join(page: Page, name: str, how: str = "Join with microphone") -> None:
    await page.get_by_label("Your name").fill(name)
    await page.get_by_role("button", name=how).click()
    await expect(page.locator("body")).to_have_attribute("data-phase", "live")


async def person(page: Page, name: str, state: str) -> None:
    """Until the page shows them so."""
    shown = page.locator(".person", has_text=name).locator(".person-state")
    await expect(shown).to_contain_text(state)


@asynccontextmanager
async def somebody_else(visit: Visit) -> AsyncIterator[Page]:
    """Another person in the same browser, with storage of their own; what their page does wrong is held against it."""
    browser = visit.page.context.browser
    assert browser is not None
    context = await browser.new_context(viewport={"width": 390, "height": 700})
    other = Visit(await context.new_page(), visit.faults)
    other.watch(outages=False)
    yield other.page
    await context.close()


async def test_a_room_is_made_listed_and_deleted(node: RunningApp, browser: Browser) -> None:
    async with visit_in(browser) as visit:
        page = visit.page
        await page.goto(f"{node.serving.url}rooms")
        await page.get_by_label("Name", exact=True).fill("Blue Room")
        await page.get_by_label("Who may enter").select_option("semi-private")
        await page.get_by_role("button", name="Make the room").click()
        await expect(page).to_have_url(f"{node.serving.url}r/blue-room")
        await expect(page.get_by_role("heading", name="blue-room")).to_be_visible()
        await expect(page.get_by_text("Nobody is in the room now.")).to_be_visible()
        await assert_sound_page(page)
        await page.get_by_role("link", name="Rooms").click()
        row = page.locator("room-list li", has_text="blue-room")
        await expect(row).to_contain_text("Whoever is signed in")
        await row.get_by_role("button", name="Lock “blue-room”").click()
        await expect(row).to_contain_text("locked")
        await assert_sound_page(page)
        page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
        await row.get_by_role("button", name="Delete “blue-room”").click()
        await expect(row).to_have_count(0)


@contextmanager
def last_words_held() -> Iterator[None]:
    """Inside, no session comes to its end."""
    over, finish = asyncio.Event(), TrackPipeline.finish

    async def held(self: TrackPipeline, *, finals: bool = True) -> None:
        await over.wait()
        await finish(self, finals=finals)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(TrackPipeline, "finish", held)
        try:
            yield
        finally:  # the node is the other tests' as well
            over.set()


async def test_two_meet(node: RunningApp, browser: Browser) -> None:
    address = await new_room(node.serving.url, "two-meet")
    async with visit_in(browser) as visit, somebody_else(visit) as bens:
        annas = visit.page
        await annas.goto(address)
        await join(annas, "Anna")
        await bens.goto(address)
        await expect(bens.get_by_text("In the room now: \u2068Anna\u2069")).to_be_visible()
        await join(bens, "Ben", "Only listen")
        await person(annas, "Ben", "here")
        await person(bens, "Ben", "you · listening")
        # The others' sound is played by the page.
        playing = "({srcObject, paused}) => Boolean(srcObject?.active) && !paused"
        await bens.wait_for_function(f"() => ({playing})(document.querySelector('audio'))")
        words = bens.locator(".line", has_text=re.compile("good", re.IGNORECASE))
        await expect(words.first).to_be_visible()
        await expect(bens.locator(".line.turn .name").first).to_have_text("Anna")
        for page in (annas, bens):
            await assert_sound_page(page)

        await annas.get_by_role("button", name="Mute").click()
        await person(bens, "Anna", "muted")
        await annas.keyboard.press("m")
        await expect(annas.get_by_text("The others hear you", exact=True)).to_be_visible()
        asked = annas.get_by_text("May the sound of this meeting be kept?")
        await expect(asked).to_be_visible()
        await bens.get_by_role("button", name="No, words only").click()
        for page in (bens, annas):  # one denial settles it for all
            await expect(page.get_by_text("will be deleted when the words are final")).to_be_visible()
        await expect(asked).to_be_hidden()

        await bens.reload()
        await expect(bens.get_by_label("Your name")).to_have_value("Ben")  # asked once
        await join(bens, "Ben", "Only listen")
        await expect(bens.locator(".person")).to_have_count(2)  # the same Ben as before
        await bens.get_by_role("button", name="Leave").click()
        await expect(bens.get_by_role("heading", name="You have left the meeting.")).to_be_visible()
        await expect(annas.locator(".person")).to_have_count(1)
        await bens.get_by_role("button", name="Join again").click()
        await person(annas, "Ben", "here")

        annas.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
        soon_ms = node.settings.drain_deadline_s * 500  # then even a connection that was told nothing is closed
        with last_words_held():
            await annas.get_by_role("button", name="End for all").click()
            for page in (annas, bens):  # who need not wait for the last words to know it
                over = page.get_by_role("heading", name="The meeting has ended.")
                await expect(over).to_be_visible(timeout=soon_ms)
                await expect(page.get_by_text("Writing down the last words.")).to_be_visible()
                await assert_sound_page(page)
        for page in (annas, bens):
            await expect(page.get_by_text("What was said is in its transcript.")).to_be_visible()
        # The last words still come, and stand in the transcript.
        await expect(annas.locator(".line:not(.interim) .word").first).to_be_visible()
        await annas.get_by_role("link", name="Open the transcript").click()
        await expect(annas.locator(".line.turn .name").first).to_have_text("Anna")


async def test_another_window_takes_the_place(node: RunningApp, browser: Browser) -> None:
    address = await new_room(node.serving.url, "two-windows")
    async with visit_in(browser) as visit:
        page = visit.page
        await page.goto(address)
        await join(page, "Anna")
        await page.get_by_role("button", name="Yes, keep it").click()
        await expect(page.get_by_text("You agreed that the sound is kept.")).to_be_visible()
        storage = await page.evaluate("({...sessionStorage})")
        second = await page.context.new_page()
        await second.goto(address)
        await second.evaluate("(all) => Object.assign(sessionStorage, all)", storage)  # as a duplicated tab has it
        await join(second, "Anna")
        await expect(second.get_by_text("You agreed that the sound is kept.")).to_be_visible()
        await expect(second.get_by_text("May the sound of this meeting be kept?")).to_be_hidden()  # asked once
        note = page.get_by_role("heading", name="You are in this meeting in another window.")
        await expect(note).to_be_visible()
        await page.get_by_role("button", name="Come back here").click()
        await expect(page.locator("body")).to_have_attribute("data-phase", "live")
        await expect(page.locator(".person")).to_have_count(1)


async def test_a_denied_microphone_leaves_listening(node: RunningApp, chromium: str) -> None:
    address = await new_room(node.serving.url, "denied")
    async with visiting(chromium, "--use-fake-device-for-media-stream", "--deny-permission-prompts") as visit:
        page = visit.page
        await page.goto(address)
        await page.get_by_label("Your name").fill("Anna")
        await page.get_by_role("button", name="Join with microphone").click()
        note = page.get_by_role("alert").filter(has_text="The microphone is not allowed.")
        await expect(note).to_contain_text("Allow it for this page")
        await assert_sound_page(page)
        await note.get_by_role("button", name="Only listen").click()
        await expect(page.get_by_text("You are listening without a microphone")).to_be_visible()


async def test_no_such_room(node: RunningApp, browser: Browser) -> None:
    async with visit_in(browser, outages=True) as visit:  # the browser reports the 404 itself
        await visit.page.goto(f"{node.serving.url}r/nowhere")
        note = visit.page.get_by_role("alert").filter(has_text="There is no such room")
        await expect(note).to_contain_text("Check the link")
        await expect(visit.page.get_by_role("button", name="Join with microphone")).to_be_hidden()


async def test_full_and_then_the_server_is_lost_and_comes_back(browser: Browser, tmp_path: Path) -> None:
    async with visit_in(browser, outages=True) as visit:
        page = visit.page
        async with ServerProcess(tmp_path / "data", meeting_participants_max=1) as server:
            port = int(server.url.rpartition(":")[2])
            address = await new_room(server.url, "small", skip_consent=True)
            await page.goto(address)
            await join(page, "Anna")
            await expect(page.get_by_text("May the sound of this meeting be kept?")).to_be_hidden()
            async with somebody_else(visit) as bens:
                await bens.goto(address)
                await bens.get_by_label("Your name").fill("Ben")
                await bens.get_by_role("button", name="Join with microphone").click()
                note = bens.get_by_role("alert").filter(has_text="The room is full: 1 may take part.")
                await expect(note).to_contain_text("Try again when somebody has left.")
                visit.faults.clear()  # the browser reports the refusal itself
            await server.kill()
            await expect(page.locator("state-line")).to_contain_text("Connection lost")
            await expect(page.locator("state-line")).to_contain_text("The others do not hear you now.")
        async with ServerProcess(tmp_path / "data", port=port, meeting_participants_max=1):
            await expect(page.locator("body")).to_have_attribute("data-phase", "live")
            await expect(page.locator(".person")).to_have_count(1)
            await person(page, "Anna", "you")
