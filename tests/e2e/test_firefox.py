"""The pages in Firefox, whose WebRTC and recorder are not Chromium's."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from server.projects.chunks import TINY
from tests.e2e.conftest import Spoken
from tests.e2e.firefox import find_firefox, firefox_page
from tests.fakes.running_app import running_app

pytestmark = [pytest.mark.browser, pytest.mark.process]


@pytest.fixture
def firefox() -> str:
    found = find_firefox()
    if found is None:
        pytest.skip("no Firefox here; EARSHOT_FIREFOX may name one")
    return found


async def test_a_voice_becomes_words(firefox: str, tones: Spoken, tmp_path: Path) -> None:
    async with (
        running_app(tmp_path / "data") as node,
        firefox_page(firefox, tmp_path / "profile", tones.path) as page,
    ):
        await page.goto(node.serving.url)
        await page.click("Start speaking")
        await page.until_shown("WebRTC")
        for word in tones.text.split():
            await page.until_shown(word)
        await page.click("Stop")
        await page.until_shown("Finished and saved.")
        heard = await page.value(
            "[...document.querySelectorAll('.line:not(.interim) .text')].map((line) => line.innerText).join(' ')"
        )
        assert heard.split() == tones.text.split()


async def test_a_conversation_is_recorded(firefox: str, tones: Spoken, tmp_path: Path) -> None:
    async with (
        running_app(tmp_path / "data") as node,
        firefox_page(firefox, tmp_path / "profile", tones.path) as page,
    ):
        project = (await node.http.post("/api/projects", json={"name": "Talks", "language": "en"})).json()["id"]
        await page.goto(f"{node.serving.url}p/{project}?chunk_s=3")
        await page.click("Start recording")
        for word in tones.text.split():
            await page.until_shown(word)
        await page.click("Finish")
        await page.until_shown("Everything has arrived and is written down.")
        (conversation,) = (await node.http.get(f"/api/projects/{project}/conversations")).json()["items"]
        chunks = (await node.http.get(f"/api/participant/conversations/{conversation['id']}/chunks")).json()
        taken = [chunk for chunk in chunks if chunk["state"] != "announced"]
        assert len(taken) > 1
        # Firefox writes seconds of perfect silence, as before the first word, in less than any sound takes.
        assert {chunk["error"] for chunk in taken if chunk["state"] != "transcribed"} <= {TINY}
        words = " ".join(chunk["transcript"] or "" for chunk in taken).split()
        # One that a border cut in two may be on both sides.
        assert [word for word, _ in itertools.groupby(words)] == tones.text.split()
