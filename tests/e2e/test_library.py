"""What a person does with transcripts: brings a recording, names it, keeps it, deletes it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import httpx
import pytest
from playwright.async_api import expect

from tests.e2e.browser import visiting
from tests.e2e.conftest import Served
from tests.e2e.page_checks import assert_sound_page
from tests.fakes.spoken_sample import spoken_sample
from tests.fakes.wav import wav_of

pytestmark = [pytest.mark.browser, pytest.mark.process]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """The third turn of the sample: four seconds."""
    sample = spoken_sample()
    start_s, end_s, _ = sample.turns[2]
    path = tmp_path / "water talk.wav"
    path.write_bytes(wav_of(sample.samples[round((start_s - 0.5) * 16_000) : round((end_s + 0.5) * 16_000)].tobytes()))
    return path


@pytest.fixture
async def transcript(server: Served) -> str:
    """The id of one without sound, called as nothing else is."""
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
        return str((await http.post("/v1/transcripts", json={"name": "Budget talk"})).json()["id"])


async def test_a_file_is_brought_and_becomes_words(server: Served, chromium: str, recording: Path) -> None:
    async with visiting(chromium) as visit:
        page = visit.page
        await page.goto(f"{server.url}/t")
        await page.get_by_label("choose one").set_input_files(recording)
        await expect(page.get_by_text("water talk.wav is being written down.")).to_be_visible()
        row = page.locator("transcript-list li", has_text="water talk.wav").first
        await expect(row).to_contain_text("finished", timeout=30_000)
        await assert_sound_page(page)
        await row.get_by_role("link").click()
        await visit.until_heard("year")
        async with page.expect_download() as waiting:
            await page.locator('download-links a[data-format="txt"]').click()
        assert (await waiting.value).suggested_filename == "water talk.txt"


async def test_what_is_no_sound_is_refused_and_leaves_nothing(server: Served, chromium: str, tmp_path: Path) -> None:
    notes = tmp_path / "notes.wav"
    notes.write_text("only notes")
    async with visiting(chromium, outages=True) as visit:  # the browser reports the refusal itself
        page = visit.page
        await page.goto(f"{server.url}/t")
        await page.get_by_label("choose one").set_input_files(notes)
        await expect(page.get_by_text(re.compile(r"^notes\.wav could not be taken: "))).to_be_visible()
        await page.reload()
        await expect(page.get_by_role("heading", name="Transcripts")).to_be_visible()
        await expect(page.locator("transcript-list li", has_text="notes.wav")).to_have_count(0)


async def test_a_new_name_stays(server: Served, chromium: str, transcript: str) -> None:
    async with visiting(chromium) as visit:
        page = visit.page
        await page.goto(f"{server.url}/t/{transcript}")
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


async def test_what_is_deleted_is_gone_and_nothing_is_unasked(server: Served, chromium: str, transcript: str) -> None:
    async with visiting(chromium) as visit:
        page = visit.page
        answers = iter((False, True))
        asked: list[str] = []

        async def answer(dialog: object) -> None:
            asked.append(dialog.message)  # type: ignore[attr-defined]
            await (dialog.accept() if next(answers) else dialog.dismiss())  # type: ignore[attr-defined]

        page.on("dialog", lambda dialog: asyncio.ensure_future(answer(dialog)))
        await page.goto(f"{server.url}/t/{transcript}")
        delete = page.get_by_role("button", name="Delete this transcript")
        await delete.click()
        await expect(delete).to_be_visible()
        await delete.click()
        await expect(page).to_have_url(f"{server.url}/t")
        await expect(page.locator("transcript-list")).to_be_visible()
        await expect(page.locator(f'li[data-id="{transcript}"]')).to_have_count(0)
        assert asked == ["Move “Budget talk” to the bin? It can be restored from there."] * 2
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
        assert (await http.get(f"/v1/transcripts/{transcript}")).status_code == 404
