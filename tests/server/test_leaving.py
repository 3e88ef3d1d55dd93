"""A node that leaves: what it still takes, what it lets end, and how long all of it may take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from protocol.states import TranscriptState
from server import leaving
from server.leaving import UnderWay, leaves_within_s
from server.settings import Settings
from tests.fakes.node import running_services, texts, wait_for_state, words_of
from tests.fakes.running_app import running_app
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.waiting import until
from tests.fakes.wav import wav_of

PROMISED_S = 25.0
FILE = wav_of(scripted_sound(sentence("alpha bravo charlie", 0.5)))


def test_all_stages_together_end_within_what_is_promised(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert leaves_within_s(settings.drain_deadline_s) <= PROMISED_S
    stages_s = leaving.FAULT_S, leaving.GOODBYE_S, leaving.LEFTOVERS_S, leaving.CLOSING_S
    assert leaves_within_s(7.0) == 7.0 + sum(stages_s)
    assert all(stage_s > 0 for stage_s in stages_s)
    # What people are told beside the setting.
    described = Settings.model_fields["drain_deadline_s"].description
    assert described is not None
    assert described.endswith(f"it is gone {sum(stages_s):.0f} s later.")


async def test_what_is_under_way_is_waited_for_and_not_longer_than_was_said() -> None:
    under_way = UnderWay()
    assert await under_way.wait_empty(0.0)
    with under_way:
        with under_way:
            assert under_way.count == 2
        assert not await under_way.wait_empty(0.0)
        waiting = asyncio.create_task(under_way.wait_empty(60.0))
    assert await waiting
    assert under_way.count == 0


async def test_an_upload_under_way_comes_to_its_end_and_a_new_one_is_refused(tmp_path: Path) -> None:
    async with running_app(tmp_path) as node:
        id_ = await node.new_transcript()
        is_leaving = asyncio.Event()

        async def pieces() -> AsyncIterator[bytes]:
            yield FILE[:1000]
            await is_leaving.wait()
            yield FILE[1000:]

        path = f"/v1/transcripts_audio/{id_}/upload"
        upload = asyncio.create_task(node.http.post(path, content=pieces()))
        async with asyncio.timeout(60):
            await until(lambda: any((tmp_path / "incoming").glob("*")))
            assert node.app.state.leaving.uploads.count == 1
            node.serving.stop()
            while (await node.http.get("/health")).status_code == 200:  # noqa: ASYNC110 - nor here
                await asyncio.sleep(0.01)
        refused = await node.http.post(path, content=FILE)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "DRAINING")
        # It is no use any more, and must not be started anew because of that.
        assert (await node.http.get("/health")).json()["status"] == "draining"
        assert (await node.http.get("/health/live")).status_code == 204
        is_leaving.set()
        assert (await upload).status_code == 201
    async with running_services(tmp_path) as services:
        await wait_for_state(services, id_, TranscriptState.ENDED)
        assert texts(await words_of(services, id_)) == "alpha bravo charlie"
