"""The live page is paused, here and from elsewhere: what is said then is not recorded, and the time goes on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.e2e.browser import microphone, visiting
from tests.e2e.conftest import TONES, TONES_EVERY_S, Spoken
from tests.fakes.node import words_of
from tests.fakes.running_app import running_app

pytestmark = [pytest.mark.browser, pytest.mark.process]

RATE_HZ = 16_000


@pytest.mark.parametrize("transport", ["auto", "websocket"])
async def test_what_is_said_in_a_pause_is_not_recorded_and_the_time_goes_on(
    chromium: str, tones: Spoken, tmp_path: Path, transport: str
) -> None:
    async with running_app(tmp_path / "data") as running, visiting(chromium, *microphone(tones.path)) as visit:
        page = visit.page
        pause, resume = (page.get_by_role("button", name=name) for name in ("Pause", "Go on"))
        await page.goto(f"{running.serving.url}?transport={transport}")
        await expect(pause).to_be_hidden()
        await page.get_by_role("button", name="Start speaking").click()
        await visit.until_heard("morning")
        await pause.click()
        await visit.until_state("Paused: nothing is recorded.")
        await expect(pause).to_be_hidden()
        # Until then pairs were said: each has its second.
        await expect(page.locator(".elapsed")).to_have_text(re.compile("^0:(09|1.)$"))
        transcript_id = (await running.http.get("/v1/transcripts")).json()["items"][0]["id"]
        assert (await running.http.get(f"/v1/transcripts/{transcript_id}")).json()["status"] == "paused"
        await resume.click()
        await visit.until_state("Listening")
        await visit.until_heard("never")

        await running.services.hub.pause(transcript_id)  # by another page, or a program
        await visit.until_state("Paused: nothing is recorded.")
        await running.services.hub.unpause(transcript_id)
        await visit.until_state("Listening")
        async with page.expect_response(lambda response: response.request.method == "PATCH"):
            await pause.click()
        await visit.until_state("Paused: nothing is recorded.")
        await page.get_by_role("button", name="Stop").click()
        await visit.until_phase("done")

        starts = dict(await words_of(running.services, transcript_id))
        said = " ".join(TONES).split()
        assert [word for word in said if word in starts] == list(starts), starts
        assert len(starts) < len(said) - 1, starts
        between_s = (starts["never"] - starts["morning"]) / RATE_HZ
        assert between_s == pytest.approx((len(TONES) - 1) * TONES_EVERY_S, abs=0.3)
