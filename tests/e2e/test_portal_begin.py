"""A project's page that was open while its host changed the project."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e import test_portal_page as portal
from tests.e2e.browser import microphone, visiting
from tests.fakes.running_app import running_app
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of

pytestmark = [pytest.mark.browser, pytest.mark.process]


async def test_a_tag_that_is_deleted_meanwhile_keeps_nobody_from_speaking(chromium: str, tmp_path: Path) -> None:
    sound = tmp_path / "tones.wav"
    sound.write_bytes(wav_of(scripted_sound(sentence("good morning", 1.0), length_s=60)))
    async with running_app(tmp_path / "data") as node:
        project = await portal.new_project(node, tags=["youth", "traffic"])
        # Chromium itself tells that the first try was refused.
        async with visiting(chromium, *microphone(sound), outages=True) as visit:
            await visit.page.goto(project.url)
            for tag in project.tags:
                await visit.page.get_by_label(tag).check()
            tags = f"/api/projects/{project.id}/tags"
            (await node.http.delete(f"{tags}/{project.tags['traffic']}")).raise_for_status()
            await visit.page.get_by_role("button", name="Start recording").click()
            await visit.until_phase("recording")
        assert (await project.conversation())["tag_id_list"] == [project.tags["youth"]]
