"""One transcript: who speaks is set right, it is shared, locked, kept without its sound, and read from its contents."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Route, WebSocketRoute, expect

from protocol.events import Interim, StatusChanged, Summarised, Transcribed
from protocol.states import TranscriptState
from tests.e2e import one_browser
from tests.e2e.browser import Visit
from tests.e2e.one_browser import IN_ONE_LOOP, visit_in
from tests.e2e.page_checks import assert_sound_page
from tests.fakes.kept_track import kept_track
from tests.fakes.node import Client
from tests.fakes.running_app import RunningApp, running_app
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.server.spoken import put, segment

pytestmark = [pytest.mark.browser, pytest.mark.process, IN_ONE_LOOP]
SOUND = re.compile("/v1/transcripts/")
no_leaked_threads = one_browser.no_leaked_threads
no_leaked_tasks, browser, node = one_browser.no_leaked_tasks, one_browser.browser, one_browser.node


async def two_voices(node: RunningApp) -> str:
    """The id of a transcript without sound, in which two voices said something each, and the first once more."""
    made = (await node.services.store.create_transcript(name="Budget")).id
    for number, speaker in enumerate(("Speaker 1", "Speaker 2", "Speaker 1")):
        spoken = segment(f"seg_{number}", f"hello there {number}", start_samples=number * 32_000)
        spoken = spoken.model_copy(update={"speaker": speaker})
        await put(node.services.store, made, Transcribed(segment=spoken, track_started_at=1000.0))
    return made


async def spoken(node: RunningApp) -> str:
    """The id of one that Anna spoke."""
    made = (await node.services.store.create_transcript(name="Spoken")).id
    client = Client(node.services, made)
    await client.begin(participant={"id": "a", "name": "Anna"})
    await client.say(scripted_sound(sentence("good river morning")))
    await client.stop()
    return made


async def names(page: Page) -> list[str]:
    return list(await page.locator(".line .name").all_text_contents())


async def open_panel(page: Page, title: str) -> None:
    await page.locator("summary", has_text=title).click()


def yes_to_all(visit: Visit) -> None:
    visit.page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))


async def test_a_speaker_gets_a_name_everywhere_and_at_once(node: RunningApp, browser: Browser) -> None:
    transcript_id = await two_voices(node)
    async with visit_in(browser) as visit:
        page = visit.page
        await page.goto(f"{node.serving.url}t/{transcript_id}")
        reader = await page.context.new_page()  # somebody who reads along
        await reader.goto(f"{node.serving.url}t/{transcript_id}")
        await expect(reader.locator(".line")).to_have_count(3)
        await open_panel(page, "Speakers")
        await assert_sound_page(page)
        field = page.get_by_label("Name of Speaker 1")
        await field.fill("Anna <b>B</b>")
        await field.press("Enter")
        for each in (page, reader):
            await expect(each.locator(".line .name").first).to_have_text("Anna <b>B</b>")
            await expect(each.locator(".line .name").nth(2)).to_have_text("Anna <b>B</b>")
            await expect(each.locator(".line .name").nth(1)).to_have_text("Speaker 2")
        await expect(field).to_have_value("Anna <b>B</b>")
        await field.fill("")  # no name: what the voice is called without one
        await field.press("Enter")
        await expect(reader.locator(".line .name").first).to_have_text("Speaker 1")


async def test_two_speakers_are_made_one_named_or_not(node: RunningApp, browser: Browser) -> None:
    async with visit_in(browser, outages=True) as visit:  # the browser reports the refusal itself
        page = visit.page
        yes_to_all(visit)
        for first, second in (("Speaker 1", "Speaker 2"), ("Anna", "Anna 2")):
            transcript_id = await two_voices(node)
            if first == "Anna":  # as in a room, where everybody has a name
                for name, speaker in ((first, "Speaker 1"), (second, "Speaker 2")):
                    await node.services.speakers.add(transcript_id, name=name, speaker=speaker)
            await page.goto(f"{node.serving.url}t/{transcript_id}")
            await open_panel(page, "Speakers")
            merge = page.get_by_label(f"“{second}” is the same person as")
            if first == "Anna":  # what cannot be done is said, with what to do, and can be done later
                await node.services.store.update_transcript(transcript_id, locked=True)
                await merge.select_option("Speaker 1")
                await expect(page.get_by_role("alert")).to_contain_text("Load this page again")
                await expect(page.locator(".speaker")).to_have_count(2)
                await node.services.store.update_transcript(transcript_id, locked=False)
            await merge.select_option("Speaker 1")
            await expect(page.locator(".line .name").nth(1)).to_have_text(first)
            await expect(page.locator(".speaker")).to_have_count(1)
            await expect(page.get_by_role("alert")).to_be_hidden()
            if first == "Anna":
                await expect(page.locator(".words-bar")).to_contain_text("“Anna 2” is the same person as “Anna” now.")
                await page.get_by_role("button", name="Undo").click()
                await expect(page.locator(".words-bar")).to_contain_text("They are two again")
                assert await names(page) == [first, second, first]
                assert len(await node.services.speakers.participants(transcript_id)) == 2
                await merge.select_option("Speaker 1")
                await expect(page.locator(".speaker")).to_have_count(1)
            await page.reload()
            await expect(page.locator(".line")).to_have_count(3)
            assert await names(page) == [first] * 3
        assert [each.name for each in await node.services.speakers.participants(transcript_id)] == ["Anna"]


# Pages of two; what is told of the second is that one of the first was taken back, with or without end.
PAGES = """
async (endless) => {
  const { allSegments } = await import('/js/api.js');
  const [real, asked] = [window.fetch, []];
  window.fetch = async (path) => {
    const page = Number(new URL(path, location).searchParams.get('page'));
    asked.push(page);
    const isFirst = endless ? page === 1 : asked.length === 1;
    const all = isFirst ? ['a', 'b', 'c', 'd'] : ['b', 'c', 'd'];
    return new Response(JSON.stringify({ items: all.slice(2 * page - 2, 2 * page), total: all.length }));
  };
  try {
    return [await allSegments('x'), asked];
  } finally {
    window.fetch = real;
  }
}
"""
TAKEN_BACK = """
() => {
  const words = document.querySelector('words-view');
  const [first, second, third] = words.segments.map((each) => ({ ...each }));
  const before = [first.segment_id, second.segment_id]; // the third came while all were asked for
  words.load([{ ...first, text: `${first.text} ${second.text}`, revision: 2 }], before);
  return words.finals.length;
}
"""


async def test_what_a_pass_took_back_is_shown_no_more_and_hides_nothing(node: RunningApp, browser: Browser) -> None:
    made = await two_voices(node)
    async with visit_in(browser) as visit:
        await visit.page.goto(f"{node.serving.url}t/{made}")
        await expect(visit.page.locator(".line")).to_have_count(3)
        assert await visit.page.evaluate(PAGES, False) == [["b", "c", "d"], [1, 2, 1, 2]]
        found, asked = await visit.page.evaluate(PAGES, True)
        assert (found[-1], asked) == ("d", [1, 2] * 4)
        assert await visit.page.evaluate(TAKEN_BACK) == 2
        await expect(visit.page.locator('[data-segment="seg_1"]')).to_have_count(0)
        await expect(visit.page.locator('[data-segment="seg_2"]')).to_be_visible()


async def test_no_interim_is_left_beside_the_words_that_took_its_place(node: RunningApp, browser: Browser) -> None:
    """As after a crash of the server, when a sentence is heard anew and told under another id."""
    transcript_id = (await node.services.store.create_transcript(name="Crash")).id
    journal = node.services.journal
    sockets: list[WebSocketRoute] = []
    away = asyncio.Event()

    async def route(socket: WebSocketRoute) -> None:
        if away.is_set():
            await socket.close(code=1012)
            return
        socket.connect_to_server()
        sockets.append(socket)

    def interim(track: str, id: str, start_s: int) -> None:
        said = segment(id, f"interim {id}", start_samples=start_s * 16_000)
        said = said.model_copy(update={"track": track, "is_final": False})
        journal.tell(Interim(transcript_id=transcript_id, segment=said, track_started_at=1000.0, lag_ms=1))

    async with visit_in(browser) as visit:
        page = visit.page
        open_ones = page.locator(".line.interim")
        await page.route_web_socket(re.compile("/v1/transcripts_websocket/"), route)
        await page.goto(f"{node.serving.url}t/{transcript_id}")
        await expect(page.get_by_text("Nothing has been said yet")).to_be_visible()
        await expect(page.locator(".facts")).not_to_contain_text("words")  # nobody knows yet how many it will have
        for track, id, start_s in (("trk_1", "seg_a", 0), ("trk_1", "seg_b", 5), ("trk_2", "seg_c", 0)):
            interim(track, id, start_s)
        await expect(open_ones).to_have_count(3)
        final = segment("seg_d", "the same words", start_samples=0).model_copy(update={"track": "trk_1"})
        await journal.append(transcript_id, Transcribed(segment=final, track_started_at=1000.0))
        await expect(page.locator('[data-segment="seg_d"]')).to_be_visible()
        await expect(page.locator('[data-segment="seg_a"]')).to_have_count(0)
        await expect(open_ones).to_have_count(2)  # what was said at another time, or by somebody else, stays
        for id in ("seg_a", "seg_b"):
            journal.forget_interim(transcript_id, id)  # as a server that was killed forgets
        away.set()
        await sockets[0].close(code=1012)
        await expect(page.get_by_text("Connection lost, trying again")).to_be_visible()
        away.clear()
        await expect(open_ones).to_have_count(1)
        await expect(page.get_by_text("Connection lost")).to_be_hidden()
        await expect(page.locator('[data-segment="seg_c"]')).to_be_visible()
        ended = StatusChanged(state=TranscriptState.ENDED)
        await journal.append(transcript_id, ended)
        await expect(open_ones).to_have_count(0)
        assert len(sockets) == 2


async def test_it_is_shared_and_locked(node: RunningApp, browser: Browser) -> None:
    transcript_id = await two_voices(node)
    store = node.services.store
    async with visit_in(browser, outages=True) as visit:  # the browser reports the refusal itself
        page = visit.page
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await page.goto(f"{node.serving.url}t/{transcript_id}")
        await open_panel(page, "Sharing and keeping")
        await expect(page.get_by_label("Private", exact=True)).to_be_checked()
        await page.get_by_label("Public", exact=True).check()
        await expect(page.get_by_text("Saved.")).to_be_visible()
        assert (await store.get_transcript(transcript_id)).share_mode == "public"
        await page.get_by_role("button", name="Copy link").click()
        await expect(page.get_by_text("Copied.")).to_be_visible()
        assert await page.evaluate("navigator.clipboard.readText()") == page.url
        await page.get_by_label("Locked").check()
        await expect(page.locator(".facts")).to_contain_text("locked")
        assert (await store.get_transcript(transcript_id)).locked
        await open_panel(page, "Speakers")
        await expect(page.get_by_label("Name of Speaker 1")).not_to_be_editable()
        await expect(page.get_by_role("button", name="Delete this transcript")).to_be_disabled()
        await assert_sound_page(page)


async def test_a_link_leads_to_a_word_and_the_sound_is_deleted_without_the_words(
    node: RunningApp, browser: Browser
) -> None:
    transcript_id = await spoken(node)
    async with visit_in(browser) as visit:
        page = visit.page
        yes_to_all(visit)
        await page.goto(f"{node.serving.url}t/{transcript_id}#t=0.9")
        await expect(page.locator(".word.spoken")).to_have_text("river")
        await expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
        await expect(page.locator("audio")).to_have_attribute("src", SOUND)
        await expect(page.get_by_role("link", name="Sound (WAV)")).to_be_visible()
        async with page.expect_download() as waiting:
            await page.get_by_role("link", name="Text with times").click()
        assert "[00:00" in Path(await (await waiting.value).path()).read_text()
        reader = await page.context.new_page()  # somebody who may be listening
        await reader.goto(f"{node.serving.url}t/{transcript_id}")
        await expect(reader.locator("audio")).to_have_attribute("src", SOUND)
        await open_panel(page, "Sharing and keeping")
        await page.get_by_role("button", name="Delete the sound, keep the words").click()
        for each in (page, reader):
            await expect(each.get_by_text("The sound was deleted. The words were kept.")).to_be_visible()
            await expect(each.get_by_role("button", name="Play", exact=True)).to_be_hidden()
            await expect(each.locator("audio")).not_to_have_attribute("src", SOUND)  # nor does it play on
            await expect(each.get_by_role("link", name="Sound (WAV)")).to_have_count(0)
            await expect(each.locator(".line .text").first).to_have_text("good river morning")
        assert (await node.services.store.get_transcript(transcript_id)).audio_deleted


async def test_two_tracks_are_heard_as_one_and_kept_apart(node: RunningApp, browser: Browser) -> None:
    store = node.services.store
    made = (await store.create_transcript(name="weekly")).id
    for number, (speaker, said) in enumerate((("Anna", "good morning all"), ("Ben", "hello there"))):
        track = await kept_track(node.services, made, speaker, bytes(64_000), started_at=1000.0 + number / 2)
        told = segment(f"seg_{number}", said).model_copy(update={"track": track.id, "speaker": speaker})
        await put(store, made, Transcribed(segment=told, track_started_at=track.started_at))
    async with visit_in(browser) as visit:
        page = visit.page
        # Ben's track began half a second later: when his first word is said, Anna's last one is.
        await page.goto(f"{node.serving.url}t/{made}#t=0.05&track={track.id}")
        await expect(page.locator(".word.spoken")).to_have_text(["all", "hello"])
        await page.get_by_text("there", exact=True).click()
        await expect(page.locator(".word.spoken", has_text="there")).to_be_visible()
        played = await page.evaluate("() => (({src, currentTime: at}) => [src, at])(document.querySelector('audio'))")
        assert played[0].endswith("/audio")
        assert played[1] > 0.55

        await expect(page.locator('[data-format="wav"]')).to_have_text(
            ["Sound (WAV)", "Sound (WAV): Anna", "Sound (WAV): Ben"]
        )
        await open_panel(page, "Speakers")
        field = page.get_by_label("Name of Ben")
        await field.fill("Anna")
        await field.press("Enter")  # two of one name can still be told apart
        await expect(page.locator('[data-format="wav"]')).to_have_text(
            ["Sound (WAV)", "Sound (WAV): Anna 1", "Sound (WAV): Anna 2"]
        )
        await field.fill("Benno")
        await field.press("Enter")
        for link, name in (("Sound (WAV)", "weekly.wav"), ("Sound (WAV): Benno", "weekly - Benno.wav")):
            async with page.expect_download() as waiting:
                await page.get_by_role("link", name=link, exact=True).click()
            assert (await waiting.value).suggested_filename == name
    await its_sound_may_be_missing(node, browser, made, track.id)


async def its_sound_may_be_missing(node: RunningApp, browser: Browser, transcript_id: str, track_id: str) -> None:
    """To somebody with a token, whose page fetches sound itself: it says so, shows the words, and asks again."""

    async def unmixed(route: Route) -> None:
        answer = await route.fetch()
        record = await answer.json()
        record["data"]["mix"] = None
        await route.fulfill(response=answer, json=record)

    async def absent(route: Route) -> None:
        error = {"code": "NOT_FOUND", "message": "no such recording", "details": {}}
        await route.fulfill(status=404, json={"error": error})

    sound = re.compile("/v1/.+/(audio|download)")
    async with visit_in(browser, outages=True) as visit:  # the browser reports the refusals itself
        page = visit.page
        await page.add_init_script("sessionStorage.setItem('earshot.token', 'open-sesame')")
        await page.route(f"**/v1/transcripts/{transcript_id}", unmixed)
        await page.route(sound, absent)
        await page.goto(f"{node.serving.url}t/{transcript_id}#t=0.05&track={track_id}")
        note = page.get_by_role("alert")
        await expect(note).to_contain_text("The sound cannot be played.")
        await expect(page.locator(".line")).to_have_count(2)
        await expect(page.get_by_label("Name of this transcript")).to_have_value("weekly")
        await page.locator('[data-format="wav"]').first.click()
        await expect(note).to_contain_text("Something went wrong: no such recording")
        await page.unroute(sound)
        await page.get_by_text("there", exact=True).click()
        await page.wait_for_function("() => document.querySelector('audio').played.length > 0")
        await expect(page.locator("audio")).to_have_attribute("src", re.compile("^blob:"))


async def test_contents_lead_to_the_words(node: RunningApp, browser: Browser) -> None:
    made = (await node.services.store.create_transcript(name="Long")).id
    subjects = ["the water pipes of the city are old and leak", "the budget for schools grows by two percent"]
    for number in range(60):
        text = subjects[number // 30]
        said = segment(f"seg_{number}", text, start_samples=number * 160_000)
        await put(node.services.store, made, Transcribed(segment=said, track_started_at=1000.0))
    async with visit_in(browser) as visit:
        page = visit.page
        await page.goto(f"{node.serving.url}t/{made}")
        await open_panel(page, "Contents")
        await assert_sound_page(page)
        last = page.locator("button.topic").last
        time = await last.locator(".topic-time").inner_text()
        line = page.locator(".line", has=page.locator(".time", has_text=time))
        await expect(line).not_to_be_in_viewport()
        await last.click()
        await expect(line).to_be_in_viewport()


async def test_a_summary_comes_while_one_reads_and_the_next_takes_its_place(node: RunningApp, browser: Browser) -> None:
    made = (await node.services.store.create_transcript()).id
    await node.services.store.set_state(made, TranscriptState.RECORDING)
    async with visit_in(browser) as visit:
        page = visit.page
        await page.goto(f"{node.serving.url}t/{made}")
        await expect(page.get_by_text("Nothing has been said yet")).to_be_hidden()
        panel = page.locator("details", has=page.locator("summary-view"))
        await expect(panel).to_be_hidden()
        first = Summarised(summary="The roof leaks.", title="A roof", method="extractive")
        await node.services.journal.append(made, first)
        await open_panel(page, "Summary")
        await expect(panel).to_contain_text("The roof leaks.")
        hostile = "<img src=x onerror=alert(1)>"
        tasks, topics = ("Anna calls the council.", hostile), ("roof", "council")
        second = Summarised(
            summary="It rains in.",
            key_points=("It rains in.", "Soon."),
            action_items=tasks,
            topics=topics,
            title="Rain",
            method="language_model",
        )
        await node.services.journal.append(made, second)
        for text in ("It rains in.", "Soon.", *tasks, "roof · council", "Written by a language model"):
            await expect(panel).to_contain_text(text)
        await expect(panel).not_to_contain_text("The roof leaks.")
        await assert_sound_page(page)
        await node.services.membership.holding.hold(made)
        for state in (TranscriptState.PROCESSING, TranscriptState.ENDED):
            await node.services.hub._status.move(made, state)
        await expect(page.get_by_text("finished")).to_be_visible()
        await node.services.journal.append(made, second)
        await expect(page.get_by_label("Name of this transcript")).to_have_value("Rain")
        await page.reload()
        await open_panel(page, "Summary")
        await expect(panel).to_contain_text("It rains in.")


async def test_whoever_may_only_read_is_offered_no_changes(tmp_path: Path, browser: Browser) -> None:
    async with running_app(tmp_path / "data", access_token="open-sesame") as node:
        transcript_id = await two_voices(node)
        await node.services.store.update_transcript(transcript_id, share_mode="public")
        async with visit_in(browser, outages=True) as visit:  # the browser reports the 401 itself
            page = visit.page
            await page.goto(f"{node.serving.url}t/{transcript_id}")
            await expect(page.locator(".line")).to_have_count(3)
            await expect(page.get_by_role("dialog")).to_have_count(0)
            await expect(page.get_by_label("Name of this transcript")).not_to_be_editable()
            await expect(page.get_by_role("button", name="Delete this transcript")).to_be_hidden()
            await expect(page.locator("summary", has_text="Sharing and keeping")).to_be_hidden()
