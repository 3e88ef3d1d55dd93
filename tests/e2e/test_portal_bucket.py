"""A project's page that puts what it records into a bucket, past the server."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.e2e import test_portal_page as portal
from tests.e2e.browser import microphone, visiting
from tests.fakes.buckets import no_other_bucket, storage_of
from tests.fakes.running_app import running_app
from tests.fakes.s3 import S3Server
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of
from tests.server.projects.test_chunks_in_bucket import bucket

pytestmark = [pytest.mark.browser, pytest.mark.process]


@pytest.fixture(params=["s3", "az"])
def storage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """Whose ``PUT`` is plain, and whose is not. To a page Google's is as that of S3."""
    no_other_bucket(monkeypatch)
    with storage_of(request.param, request) as running:
        yield running


async def test_what_is_recorded_goes_through_a_bucket_that_is_busy(
    chromium: str, storage: S3Server, tmp_path: Path
) -> None:
    sound = tmp_path / "tones.wav"
    said = [
        word
        for n, pair in enumerate(portal.PAIRS[:2])
        for word in sentence(pair, portal.LEAD_S + n * portal.PAIR_EVERY_S)
    ]
    sound.write_bytes(wav_of(scripted_sound(said, length_s=60)))
    async with running_app(tmp_path / "data", **bucket(storage)) as node:
        storage.let_pages_put(node.serving.url.rstrip("/"))
        storage.faults_of = {"PUT": deque([503, 500]), "HEAD": deque([503])}
        project = await portal.new_project(node)
        async with visiting(chromium, *microphone(sound), outages=True) as visit:
            await portal.start(visit, project)
            await expect(visit.page.get_by_role("log")).to_contain_text("yellow")
            await portal.finish(visit)
        assert await project.words() == portal.WORDS[:4]
        assert storage.faults_of == {"PUT": deque(), "HEAD": deque()}
        kept = {f"of/earshot/{chunk['path']}" for chunk in await project.chunks() if chunk["state"] == "failed"}
        chunks = {key for key in storage.objects if not key.startswith("of/earshot/recordings/")}
        assert chunks <= kept, "what is written down is not kept twice"
        sent = {key for method, key, length in storage.requests if method == "PUT" and length > 100}
        sent = {key for key in sent if not key.startswith("of/earshot/recordings/")}
        assert len(sent) >= len([chunk for chunk in await project.chunks() if chunk["path"]]) > 0
        assert all(key.startswith("of/earshot/conversations/") for key in sent)
