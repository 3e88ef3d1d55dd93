"""What a person does with transcripts: brings a recording, names it, keeps it, deletes it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route, expect
from pydantic import SecretStr

from protocol.events import Transcribed
from tests.e2e import one_browser
from tests.e2e.browser import PATIENCE_MS
from tests.e2e.one_browser import IN_ONE_LOOP, visit_in
from tests.e2e.page_checks import assert_sound_page
from tests.fakes.running_app import RunningApp, running_app
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of
from tests.server.spoken import segment

pytestmark = [pytest.mark.browser, pytest.mark.process, IN_ONE_LOOP]
no_leaked_threads = one_browser.no_leaked_threads
no_leaked_tasks, browser, node = one_browser.no_leaked_tasks, one_browser.browser, one_browser.node

# Deadlines that end when the test says so.
DEADLINES = """
  globalThis.deadlines = [];
  AbortSignal.timeout = () => {
    const deadline = new AbortController();
    deadlines.push(deadline);
    return deadline.signal;
  };
"""


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "water talk.wav"
    path.write_bytes(wav_of(scripted_sound(sentence("good river morning"))))
    return path


@pytest_asyncio.fixture(loop_scope="module")
async def transcript(node: RunningApp) -> str:
    """The id of one without sound."""
    return (await node.services.store.create_transcript(name="Budget talk")).id


async def late(page: Page, held: asyncio.Queue[Route]) -> None:
    """Let what is held go on after any deadline that the page set."""
    async with asyncio.timeout(PATIENCE_MS / 1000):
        route = await held.get()
    await page.evaluate("() => deadlines.forEach((each) => each.abort(new DOMException('late', 'TimeoutError')))")
    await route.continue_()


async def test_a_file_is_brought_with_the_token_and_becomes_words(
    browser: Browser, tmp_path: Path, recording: Path
) -> None:
    token = SecretStr("b3Blbg/+sesame==")
    async with (
        running_app(tmp_path / "data", access_token=token, upload_max_mb=1) as node,
        visit_in(browser, outages=True) as visit,
    ):
        page = visit.page
        await page.goto(f"{node.serving.url}t")
        field = page.get_by_role("textbox", name="Access token")
        for no_token in ("сезам", "open “sesame”", "open sesame"):  # what no header can carry
            await field.fill(no_token)
            await page.get_by_role("button", name="Continue").click()
            await expect(page.get_by_text("This is no token")).to_be_visible()
            await field.fill("")
        await field.press("Escape")  # none is given for the list
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await expect(page.get_by_role("alert")).to_contain_text("wants to know who you are")
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
        await page.get_by_label("choose one").set_input_files(recording)
        await page.get_by_role("textbox", name="Access token").fill(token.get_secret_value())
        await page.get_by_role("button", name="Continue").click()
        await expect(page.get_by_text("water talk.wav is being written down.")).to_be_visible()
        assert sent == [f"{node.serving.url}v1/transcripts"]  # not once in vain before somebody was asked
        await expect(page.get_by_text("up to 1 MB")).to_be_visible()
        large = tmp_path / "large.wav"
        large.write_bytes(bytes((1 << 20) + 1))
        await page.get_by_label("choose one").set_input_files(large)
        await expect(page.get_by_text("large.wav is too large: at most 1 MB are taken.")).to_be_visible()
        row = page.locator("transcript-list li", has_text="water talk.wav").first
        await expect(row).to_contain_text("finished")
        await assert_sound_page(page)
        held: asyncio.Queue[Route] = asyncio.Queue()
        await page.add_init_script(DEADLINES)
        await page.route(re.compile("/v1/.+/(audio|waveform|export)"), held.put)
        await row.get_by_role("link").click()
        await visit.until_heard("river")
        # No browser's socket can carry this token: a ticket opened it.
        told = Transcribed(segment=segment("seg_told", "told by a socket"), track_started_at=1000.0)
        await node.services.journal.append(page.url.rpartition("/")[2], told)
        await expect(page.locator('[data-segment="seg_told"]')).to_be_visible()
        # A secret of another is never exchanged for a ticket of ours.
        with_another = "import('/js/open_socket.js').then(({openSocket}) => openSocket('/none', 'b3Blbg/+none=='))"
        assert await page.evaluate(f"{with_another}.then(() => null, ({{status}}) => status)") == 401
        # The sound of an hour takes its time.
        await late(page, held)
        await page.wait_for_function("() => document.querySelector('audio').readyState > 0")
        assert str(await page.locator("audio").get_attribute("src")).startswith("blob:")
        await late(page, held)
        await expect(page.locator("transcript-player .pictured")).to_be_visible()
        async with page.expect_download() as waiting:
            await page.locator('download-links a[data-format="txt"]').click()
            await late(page, held)
        assert (await waiting.value).suggested_filename == "water talk.txt"


async def test_what_is_no_sound_is_refused_and_leaves_nothing(
    node: RunningApp, browser: Browser, tmp_path: Path
) -> None:
    notes = tmp_path / "notes.wav"
    notes.write_text("only notes")
    async with visit_in(browser, outages=True) as visit:  # the browser reports the refusal itself
        page = visit.page
        await page.goto(f"{node.serving.url}t")
        await expect(page.get_by_text("up to 500 MB")).to_be_visible()
        await page.get_by_label("choose one").set_input_files(notes)
        await expect(page.get_by_text(re.compile(r"^notes\.wav could not be taken: "))).to_be_visible()
        await page.reload()
        await expect(page.get_by_role("heading", name="Transcripts")).to_be_visible()
        await expect(page.locator("transcript-list li", has_text="notes.wav")).to_have_count(0)


async def test_a_new_name_stays(node: RunningApp, browser: Browser, transcript: str) -> None:
    async with visit_in(browser) as visit:
        page = visit.page
        await page.goto(f"{node.serving.url}t/{transcript}")
        name = page.get_by_label("Name of this transcript")
        await expect(name).to_have_value("Budget talk")
        async with page.expect_response(lambda response: response.request.method == "PATCH"):
            await name.fill("Gespräch: <b>1/2</b>")
            await name.press("Enter")
        await expect(page).to_have_title("Gespräch: <b>1/2</b> · Earshot")
        await page.reload()
        await expect(name).to_have_value("Gespräch: <b>1/2</b>")
        async with page.expect_download() as waiting:
            await page.locator('download-links a[data-format="txt"]').click()
        assert (await waiting.value).suggested_filename == "Gespräch- -b-1-2-b.txt"


async def test_what_is_deleted_is_gone_and_nothing_is_unasked(
    node: RunningApp, browser: Browser, transcript: str
) -> None:
    async with visit_in(browser) as visit:
        page = visit.page
        answers = iter((False, True))
        asked: list[str] = []

        async def answer(dialog: object) -> None:
            asked.append(dialog.message)  # type: ignore[attr-defined]
            await (dialog.accept() if next(answers) else dialog.dismiss())  # type: ignore[attr-defined]

        page.on("dialog", lambda dialog: asyncio.ensure_future(answer(dialog)))
        await page.goto(f"{node.serving.url}t/{transcript}")
        delete = page.get_by_role("button", name="Delete this transcript")
        await delete.click()
        await expect(delete).to_be_visible()
        await delete.click()
        await expect(page).to_have_url(f"{node.serving.url}t")
        await expect(page.locator("transcript-list")).to_be_visible()
        await expect(page.locator(f'li[data-id="{transcript}"]')).to_have_count(0)
        assert asked == ["Move “Budget talk” to the bin? It can be restored from there."] * 2
    assert (await node.http.get(f"/v1/transcripts/{transcript}")).status_code == 404
