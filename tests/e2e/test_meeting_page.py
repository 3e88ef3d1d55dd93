"""The page of a meeting that a bot attended: who took part, who spoke when, what was written, each heard alone."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.e2e import one_browser
from tests.e2e.one_browser import IN_ONE_LOOP, visit_in
from tests.e2e.page_checks import assert_sound_page
from tests.fakes.running_app import RunningApp, running_app
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of
from tests.server.commands.test_bot import run
from tests.server.doors.bots.test_stream import did, ended, path_of, pieces, recall, register, told, wait_for_words

pytestmark = [pytest.mark.browser, pytest.mark.process, IN_ONE_LOOP]
no_leaked_threads = one_browser.no_leaked_threads
no_leaked_tasks, browser = one_browser.no_leaked_tasks, one_browser.browser

NEAR_S = 0.3  # words begin on the engine's cells, and a picture has pixels
PEOPLE = ("alpha", "bravo", "charlie", "delta", "one", "two", "three", "four", "five", "six")  # also what they say
SPOKE_S = {name: 1.0 + 0.8 * number for number, name in enumerate(PEOPLE)}
LENGTH_S = 11.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(no_leaked_tasks: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningApp]:
    async with running_app(tmp_path_factory.mktemp("node") / "data", sessions_max=30) as node:
        yield node


PURE = """async () => {
  const { heardFrom, peopleOf } = await import('/js/meeting.js');
  const { joined, stepOf, turnsOf } = await import('/js/stretches.js');
  const act = (id, action, start, more = {}) => ({ action, start, participant: { id, ...more } });
  const said = (track, start, end, more = {}) => ({ track, start, end, text: 'x', is_final: true, ...more });
  const track = (id, name, more = {}) => ({ id, name, speaker: `of ${id}`, duration: 9, ...more });
  const plain = ({ id, name, isHost, isHere, there, spoke, shown, track }) =>
    [id, name, isHost, isHere, there, spoke, shown, track];
  const of = (acted, segments = [], tracks = [], { names = [], endS = 60, over = true } = {}) =>
    peopleOf(acted, segments, tracks, new Map(names), { endS, over }).map(plain);
  const ada = [act(1, 'join', 1, { name: 'Ada', is_host: true }), act(1, 'leave', 9, { name: null })];
  const one = track('a', 'participant-1');
  const notYet = [said('a', 8, 9, { is_final: false }), said('a', 8, 9, { text: '' })];
  const spoken = [said('b', 1, 2), said('a', 5, 6), said('b', 9, 10)];
  const both = peopleOf([], spoken, [one, track('b', 'participant-2')], new Map(), { endS: 9 });
  return {
    'comes and goes': of(ada),
    'in any order': of([...ada].reverse()),
    'comes again': of([...ada, act(1, 'join', 20, { name: 'Ada L.' })]),
    'is there': of([ada[0]], [], [], { over: false }),
    'stayed': of([ada[0], act(1, 'webcam_on', 5), act(1, 'screenshare_on', 6), act(1, 'screenshare_off', 7)]),
    'told to speak': of(
      [act(1, 'speech_on', 2), act(1, 'speech_off', 4), act(1, 'speech_on', 50)], [said('a', 20, 21)], [one]),
    'is heard': of([], [said('a', 2, 3), said('a', 3.9, 5), said('a', 6, 7), ...notYet], [one]),
    'is renamed': of(ada, [], [one], { names: [['of a', 'Adele']] }),
    'by words alone': of([], [said('a', 2, 3)], [track('a', 'participant-1 (told)')]),
    'of a room': of([ada[0]], [said('a', 2, 3)], [track('a', 'mixed')]),
    'of others': of([], [said('a', 2, 3)], [track('a', 'microphone'), track('b', null)]),
    'who came first': of([act(2, 'join', 3)], [said('a', 1, 2)], [one]).map(([id]) => id),
    'joined': joined([[5, 6], [1, 2], [2.5, 3], [1.5, 4]], 1),
    'steps': [10, 61, 3600, 86400].map((length) => stepOf(length, 6)),
    'turns': turnsOf(both).map(({ id, from, to }) => [id, from, to]),
    'heard from': [0, 2, 4, 9].map((time) => heardFrom([[1, 3], [5, 6]], time)).concat(heardFrom([], 7)),
  };
}"""

ADA: list[Any] = [1, "Ada", True, False, [[1, 9]], [], [], None]


async def test_who_did_what_when(node: RunningApp, browser: Browser) -> None:
    async with visit_in(browser) as visit:
        await visit.page.goto(f"{node.serving.url}stories.html")
        found = await visit.page.evaluate(PURE)
    spoke_once = [[2, 3]]
    assert found == {
        "comes and goes": [ADA],
        "in any order": [ADA],
        "comes again": [[1, "Ada L.", True, False, [[1, 9], [20, 60]], [], [], None]],
        "is there": [[1, "Ada", True, True, [[1, 60]], [], [], None]],
        "stayed": [[1, "Ada", True, False, [[1, 60]], [], [[6, 7], [5, 60]], None]],
        # Of whom it is told, what is heard does not count; the document of the timeline has it so.
        "told to speak": [[1, "of a", False, False, [[2, 60]], [[2, 4], [50, 60]], [], "a"]],
        "is heard": [[1, "of a", False, False, [[2, 7]], [[2, 5], [6, 7]], [], "a"]],
        "is renamed": [[1, "Adele", True, False, [[1, 9]], [], [], "a"]],
        "by words alone": [[1, "of a", False, False, spoke_once, spoke_once, [], None]],
        "of a room": [
            [1, "Ada", True, False, [[1, 60]], [], [], None],
            ["room", "", False, False, spoke_once, spoke_once, [], "a"],
        ],
        "of others": [],
        "who came first": [1, 2],
        "joined": [[1, 4], [5, 6]],
        "steps": [2, 15, 600, 14_400],
        "turns": [[2, 1, 2], [1, 5, 6], [2, 9, 10]],
        "heard from": [1, 2, 5, 1, 7],
    }


def script(folder: Path) -> list[str]:
    """Ten participants, each of whom says their own name at a time of their own."""
    parts = []
    for number, name in enumerate(PEOPLE):
        path = folder / f"{name}.wav"
        path.write_bytes(wav_of(scripted_sound(sentence(name, SPOKE_S[name]), length_s=LENGTH_S)))
        parts.append(f"{path},name={name.title()},join={number / 20}")
    parts[0] += ",chat=2:Here is <b>the</b> agenda,screen=2-5"
    parts[1] += ",mute=3-6,webcam=3-6"
    parts[2] += ",leave=6"
    return parts


async def newest(node: RunningApp) -> str:
    """The recording of the bot that was registered last, as soon as there is one."""
    found: list[dict[str, Any]] = []
    while not found:
        await asyncio.sleep(0.05)
        found = (await node.http.get("/api/v1/recording/")).json()["results"]
    return str(found[0]["id"])


BARS = """() => Object.fromEntries([...document.querySelectorAll('.lane-who')].map((row) => {
  const svg = document.querySelector('.timeline svg');
  const lane = svg.querySelector(`[data-lane="${row.dataset.key}"]`);
  const numbers = lane.querySelector('.spoke').getAttribute('d').match(/M[\\d.]+/g) ?? [];
  return [row.querySelector('.who-name').textContent, numbers.map((text) => Number(text.slice(1)) / svg.clientWidth)];
}))"""


async def test_a_meeting_while_it_goes_on_and_after_it(node: RunningApp, browser: Browser, tmp_path: Path) -> None:
    given = "bot", "simulate", *script(tmp_path), "--server", f"http://127.0.0.1:{node.port}"
    playing = asyncio.create_task(run(tmp_path, *given))
    try:
        async with asyncio.timeout(60):
            recording_id = await newest(node)
        async with visit_in(browser, reduced_motion="reduce") as visit:
            page = visit.page
            await page.goto(f"{node.serving.url}t/{recording_id}")
            rows = page.locator(".lane-who")
            await expect(page.locator('.lane-who[data-key="1"] .who-name')).to_have_text("Alpha")
            await expect(rows).to_have_count(len(PEOPLE))
            await expect(rows.first).to_contain_text("there since 0:00")
            # It grows while one looks: who speaks, what is written.
            first = page.locator('[data-lane="1"] .spoke')
            await expect(first).to_have_attribute("d", re.compile("^M"))
            await expect(page.locator(".written b")).to_have_text(["Alpha"])
            await expect(page.locator(".written .what")).to_have_text(["Here is <b>the</b> agenda"])
            await expect(page.locator(".listen").first).to_be_hidden()  # there is no sound before it is over
            await playing
            await expect(page.get_by_role("button", name="Play Alpha alone")).to_be_visible()
            await it_is_whole(page)
            await page.reload()  # nor is anything lost of it later
            await expect(page.get_by_role("button", name="Play Alpha alone")).to_be_visible()
            await expect(page.locator(".written .what")).to_have_text(["Here is <b>the</b> agenda"])
            await it_is_whole(page)
            await assert_sound_page(page)
            await somebody_is_heard_alone(page)
            await what_was_shown_is_played(page)
            await assert_sound_page(page)
            await page.set_viewport_size({"width": 390, "height": 800})
            await assert_sound_page(page)
    finally:
        await playing


async def it_is_whole(page: Page) -> None:
    """Who took part, from when to when, and who spoke when: in the picture, and in words."""
    await expect(page.locator(".lane-who")).to_have_count(len(PEOPLE))
    assert await page.locator(".who-name").all_text_contents() == [name.title() for name in PEOPLE]
    await expect(page.locator(".lane-who").nth(0)).to_contain_text("Host · there 0:00 to 0:11 · spoke 0:00")
    await expect(page.locator(".lane-who").nth(2)).to_contain_text("there 0:00 to 0:06")
    bars = await page.evaluate(BARS)
    assert len(bars) == len(PEOPLE)
    for name, starts in bars.items():
        assert [start * LENGTH_S for start in starts] == [pytest.approx(SPOKE_S[name.lower()], abs=NEAR_S)], name
    await page.locator("meeting-view summary", has_text="Who spoke when, in words").click()
    turns = page.locator("meeting-view .in-words .moment b")
    await expect(turns).to_have_text([name.title() for name in PEOPLE])
    await expect(page.locator("meeting-view .in-words .moment-time").nth(4)).to_have_text("0:04")


PLAYED = "() => (({src, currentTime: at, paused}) => [src, at, paused])(document.querySelector('audio'))"


async def somebody_is_heard_alone(page: Page) -> None:
    """By the keyboard, from where they speak on; a click goes elsewhere in it; and everybody is heard again."""
    button = page.get_by_role("button", name="Play Delta alone")
    await button.focus()
    await page.keyboard.press("Enter")
    await expect(button).to_have_attribute("aria-pressed", "true")
    await page.wait_for_function("() => document.querySelector('audio').currentTime > 3.4")
    await expect(page.locator("meeting-view .cursor")).to_be_visible()
    src, _, _ = await page.evaluate(PLAYED)
    assert "/audio?track=" in src
    await expect(button).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(button).to_have_attribute("aria-pressed", "false")
    box = await page.locator("meeting-view .timeline").bounding_box()
    assert box is not None
    await page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + 20)
    await page.wait_for_function("() => Math.abs(document.querySelector('audio').currentTime - 5.5) < 0.1")
    cursor = await page.locator("meeting-view .cursor").bounding_box()
    assert cursor is not None
    assert cursor["x"] == pytest.approx(box["x"] + box["width"] * 0.5, abs=box["width"] * 0.02)
    everybody = page.get_by_role("button", name="Play everybody")
    await everybody.click()
    await page.wait_for_function("() => document.querySelector('audio').src.endsWith('/audio')")
    await expect(everybody).to_be_hidden()


async def what_was_shown_is_played(page: Page) -> None:
    await page.locator("summary", has_text="Cameras and screens").click()
    shown = page.locator("meeting-films .moment")
    await expect(shown).to_have_count(2)
    await expect(shown.nth(0)).to_contain_text("Alpha")
    await expect(shown.nth(0)).to_contain_text("Screen · 0:02 to 0:05")
    await expect(shown.nth(1)).to_contain_text("Camera · 0:03 to 0:06")
    await shown.nth(0).click()
    await page.wait_for_function("() => document.querySelector('meeting-films video')?.readyState >= 2")
    assert await page.evaluate("document.querySelector('meeting-films video').duration") == pytest.approx(3, abs=0.2)


async def test_a_meeting_of_deeds_alone_and_hostile_names(node: RunningApp, browser: Browser) -> None:
    """Nobody speaks, so that there is no track; the page is opened during it and again after it."""
    bot = await register(node)
    recording_id = bot["recordings"][0]["id"]
    hostile = "<img src=x onerror='window.hurt=1'>" + "x" * 80

    def called(message: Any, name: str | None) -> Any:
        message["data"]["data"]["participant"]["name"] = name
        return message

    async with visit_in(browser) as visit:
        page = visit.page
        async with node.socket(path_of(bot)) as socket:
            await socket.send(called(did("join", 1, 0.0), hostile))
            await socket.send(called(did("join", 2, 1.0), None))
            await wait_for_words_of(node, bot, 2)
            await page.goto(f"{node.serving.url}t/{recording_id}")
            await expect(page.locator(".who-name")).to_have_text([hostile, "Participant 2"])
            await page.locator("meeting-view .in-words summary").first.focus()
            await socket.send(called(did("join", 3, 2.0), "دانا"))
            await socket.send(did("chat_message", 2, 3.0, {"text": hostile, "to": hostile}))
            await expect(page.locator(".who-name")).to_have_count(3)
            await expect(page.locator(".written .what")).to_have_text([hostile])
            await expect(page.locator("meeting-view .in-words summary").first).to_be_focused()
            await ended(node, bot)
        await expect(page.get_by_text("finished")).to_be_visible()
        await expect(page.locator(".lane-who").nth(2)).to_contain_text("there 0:02 to 0:03 · did not speak")
        await page.reload()
        await expect(page.locator(".who-name")).to_have_text([hostile, "Person 2", "دانا"])
        await expect(page.locator(".written .what")).to_have_text([hostile])
        await assert_sound_page(page)
        await page.set_viewport_size({"width": 320, "height": 640})
        await assert_sound_page(page)
        assert not await page.evaluate("'hurt' in window")


async def wait_for_words_of(node: RunningApp, bot: dict[str, Any], participant_id: int) -> None:
    """Until something that this participant did is told."""
    events = node.services.journal.subscribe(bot["recordings"][0]["id"], after=0, types=frozenset({"participant"}))
    async with asyncio.timeout(60), events as found:
        async for event in found:
            if f'"id":{participant_id},' in event.model_dump_json():
                return


async def test_words_of_others_and_of_whoever_comes_later(node: RunningApp, browser: Browser) -> None:
    """A page that was opened before anybody spoke learns whose words come."""
    bot = await register(node)
    async with visit_in(browser) as visit:
        page = visit.page
        await page.goto(f"{node.serving.url}t/{bot['recordings'][0]['id']}")
        await expect(page.get_by_text("Nothing has been said yet")).to_be_visible()
        assert await page.locator("meeting-view").count() == 0
        async with node.socket(path_of(bot)) as socket:
            await socket.send(told(2, 3.0, "delta"))
            await expect(page.locator(".who-name")).to_have_text(["Person 2"])
            await socket.send(told(4, 9.0, "echo"))
            await expect(page.locator(".who-name")).to_have_text(["Person 2", "Person 4"])
            await ended(node, bot)
        await expect(page.locator(".lane-who").nth(1)).to_contain_text("there 0:09")
        await expect(page.locator(".listen").first).to_be_hidden()
        await page.locator("summary", has_text="Speakers").click()
        field = page.get_by_label("Name of Speaker 1")
        await field.fill("Benno")
        await field.press("Enter")  # called as beside the words, at once
        await expect(page.locator(".who-name")).to_have_text(["Benno", "Person 4"])


async def test_readers_see_it_and_others_fetch_nothing_of_it(tmp_path: Path, browser: Browser) -> None:
    async with running_app(tmp_path / "data", access_token="open-sesame") as node:
        node.http.headers["Authorization"] = "Bearer open-sesame"
        bot = await register(node)
        async with node.socket(path_of(bot)) as socket:
            for message in (
                did("join", 1, 0.0),
                *pieces(recall, 1, "alpha", 1.0),
                did("chat_message", 1, 2.0, {"text": "hello", "to": "everyone"}),
            ):
                await socket.send(message)
            await wait_for_words(node, bot, "alpha", "hello")
            recording = await ended(node, bot)
        plain_id = (await node.services.store.create_transcript(name="Plain")).id
        for transcript_id in (recording["id"], plain_id):
            await node.services.store.update_transcript(transcript_id, share_mode="public")
        async with visit_in(browser, outages=True) as visit:  # the browser reports the 401 itself
            page = visit.page
            fetched: list[str] = []
            page.on("request", lambda request: fetched.append(httpx.URL(request.url).path))
            await page.goto(f"{node.serving.url}t/{plain_id}")
            await expect(
                page.get_by_text("Nothing was said").or_(page.get_by_text("Nothing has been said"))
            ).to_be_visible()
            assert [path for path in fetched if "meeting" in path] == []
            await page.goto(f"{node.serving.url}t/{recording['id']}")
            await expect(page.locator(".who-name")).to_have_text(["Person 1"])
            await expect(page.locator(".written .what")).to_have_text(["hello"])
            await page.get_by_role("button", name="Play Person 1 alone").click()
            await page.wait_for_function("() => document.querySelector('audio').played.length > 0")
            await expect(page.get_by_role("dialog")).to_have_count(0)
