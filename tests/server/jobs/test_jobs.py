"""Jobs on a real node: cancelled, by another recogniser, and gone on with after a restart."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from asr.models import model_named
from protocol.errors import BadInput, Conflict, NotFound
from protocol.events import Event, Failed
from protocol.states import TranscriptState
from server.services import Services
from server.store.job_store import Job
from server.store.standing import EVERYBODY
from tests.fakes.node import DEADLINE_S, events_of, finals_of, running_services, wait_for_state, words_of
from tests.fakes.scripted_sound import scripted_sound, scripted_words, sentence
from tests.fakes.spoken_sample import FOLDER, spoken_sample
from tests.server.test_intake import write_wav

WORDS = [word for at in range(0, 600, 5) for word in sentence("alpha bravo charlie", at + 0.5)]
EXPECTED = [(word.text, word.start_samples) for word in scripted_words(WORDS)]


async def begin(services: Services, folder: Path, **options: Any) -> Job:
    """With ten minutes of words."""
    path = await asyncio.to_thread(write_wav, folder / "talk.wav", scripted_sound(WORDS))
    return await services.jobs.start(path, filename="talk.wav", owner=None, **options)


async def until_words(services: Services, job_id: str) -> None:
    """Some of it is heard."""
    async with asyncio.timeout(DEADLINE_S), services.journal.subscribe(job_id, after=0, queue_max=1000) as events:
        async for event in events:
            if isinstance(event, Event) and event.body.type == "transcription":
                return


async def test_a_cancelled_job_ends_with_the_words_until_then(tmp_path: Path) -> None:
    async with running_services(tmp_path / "data") as services:
        job = await begin(services, tmp_path)
        await until_words(services, job.id)
        cancelled = await services.jobs.cancel(job.id)
        assert cancelled.has_ended
        far = await services.jobs.progress(cancelled)
        assert (far.status, far.percent) == ("cancelled", 0)
        words = await words_of(services, job.id)
        assert 0 < len(words) < len(EXPECTED)
        assert words == EXPECTED[: len(words)]
        errors = [event.body for event in await events_of(services, job.id) if isinstance(event.body, Failed)]
        assert [error.code for error in errors] == ["CANCELLED"]
        assert (await services.jobs.cancel(job.id)).cancelled_at == cancelled.cancelled_at  # again is the same
        await services.jobs.check_ended(cancelled)
        assert services.hub.sessions == {}


async def test_a_file_that_is_fed_whole_is_cancelled_at_once_all_the_same(tmp_path: Path) -> None:
    async with running_services(tmp_path / "data", engine="embedded-en") as services:
        path = tmp_path / "talk.flac"
        await asyncio.to_thread(shutil.copy, FOLDER / "conversation.flac", path)
        job = await services.jobs.start(path, filename="talk.flac", owner=None)
        await until_words(services, job.id)
        await services.jobs.cancel(job.id)
        said = await words_of(services, job.id)
        assert services.hub.sessions == {}
        job = await services.store.jobs.get(job.id)
        assert (job.has_ended, (await services.jobs.progress(job)).status) == (True, "cancelled")
        assert await words_of(services, job.id) == said
        assert 0 < len(said) < 60
        [track] = await services.store.tracks_of(job.id)
        assert track.state == "finished"


async def test_while_it_goes_on_it_says_so_and_has_no_result(tmp_path: Path) -> None:
    async with running_services(tmp_path / "data") as services:
        job = await begin(services, tmp_path)
        await until_words(services, job.id)
        job = await services.store.jobs.get(job.id)
        with pytest.raises(Conflict, match=r"Processing chunk \d+/10 \(\d+%\)"):
            await services.jobs.check_ended(job)
        await wait_for_state(services, job.id, TranscriptState.ENDED)
        assert await words_of(services, job.id) == EXPECTED
        far = await services.jobs.progress(await services.store.jobs.get(job.id))
        assert (far.status, far.percent, far.chunks) == ("completed", 100, 10)


async def test_a_job_goes_on_after_a_restart_and_a_cancelled_one_does_not(tmp_path: Path) -> None:
    async with running_services(tmp_path / "data") as services:
        kept = await begin(services, tmp_path)
        given_up = await begin(services, tmp_path)
        await until_words(services, given_up.id)
        await services.store.jobs.cancel(given_up.id)  # and the server went away before it could be stopped
    async with running_services(tmp_path / "data") as services:
        await wait_for_state(services, kept.id, TranscriptState.ENDED)
        assert await words_of(services, kept.id) == EXPECTED
        await wait_for_state(services, given_up.id, TranscriptState.FAILED)
        job = await services.store.jobs.get(given_up.id)
        assert (await services.jobs.progress(job)).status == "cancelled"
        assert len(await words_of(services, given_up.id)) < len(EXPECTED)
        assert {each.id for each in await services.store.jobs.newest(EVERYBODY, limit=10)} == {kept.id, given_up.id}


async def test_a_job_whose_file_never_came_whole_is_gone_after_a_restart(tmp_path: Path) -> None:
    async with running_services(tmp_path / "data") as services:
        job = await services.store.jobs.create(owner=None, language="en", model="x", diarize=True, filename="a.wav")
    async with running_services(tmp_path / "data") as services:
        with pytest.raises(NotFound):
            await services.store.jobs.get(job.id)


async def test_another_recogniser_hears_a_job_beside_the_one_in_use(tmp_path: Path) -> None:
    path = tmp_path / "talk.flac"
    async with running_services(tmp_path / "data") as services:
        await asyncio.to_thread(shutil.copy, FOLDER / "conversation.flac", path)
        model = model_named("embedded-en")
        job = await services.jobs.start(path, filename="talk.flac", owner=None, model=model)
        assert services.asr.status.model == "scripted"
        await wait_for_state(services, job.id, TranscriptState.ENDED)
        said = " ".join(segment.text for segment in await finals_of(services, job.id)).lower().split()
        wanted = spoken_sample().text.lower().replace(".", "").replace(",", "").replace("?", "").split()
        assert len(set(said) & set(wanted)) > 0.8 * len(set(wanted))
        [track] = await services.store.tracks_of(job.id)
        assert (track.model, job.model) == ("embedded-en", "embedded-en")


async def test_one_by_another_recogniser_goes_on_by_it_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "talk.flac"
    async with running_services(tmp_path / "data") as services:
        await asyncio.to_thread(shutil.copy, FOLDER / "conversation.flac", path)
        job = await services.jobs.start(path, filename="a.flac", owner=None, model=model_named("embedded-en"))
    async with running_services(tmp_path / "data") as services:
        await wait_for_state(services, job.id, TranscriptState.ENDED)
        assert len(await words_of(services, job.id)) > 50


async def test_a_model_that_is_damaged_fails_the_job_and_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "models" / "whisper-tiny"
    folder.mkdir(parents=True)
    for name in ("config.json", "model.bin", "tokenizer.json"):
        (folder / name).write_text("{}")
    async with running_services(tmp_path / "data") as services:
        job = await begin(services, tmp_path, model=model_named("whisper-tiny"))
        await wait_for_state(services, job.id, TranscriptState.FAILED)
        far = await services.jobs.progress(await services.store.jobs.get(job.id))
        assert far.status == "failed"
        assert "whisper-tiny" in far.message
        assert services.recognisers.others == ()


async def test_a_server_may_hear_by_one_recogniser_alone(tmp_path: Path) -> None:
    async with running_services(tmp_path / "data", other_models_max=0) as services:
        with pytest.raises(Conflict, match="scripted alone"):
            await begin(services, tmp_path, model=model_named("embedded-en"))
        assert await services.store.jobs.newest(EVERYBODY, limit=10) == []


async def test_a_language_that_the_recogniser_does_not_know_is_refused(tmp_path: Path) -> None:
    async with running_services(tmp_path / "data") as services:
        jobs = services.jobs
        for language in (None, "auto", "en", "en-GB"):
            jobs.check_language(model_named("whisper-tiny.en"), language)
        jobs.check_language(model_named("whisper-tiny"), "de")  # knows about a hundred
        jobs.check_language(None, "de")  # the one in use writes whatever it is told
        with pytest.raises(BadInput, match=r"tiny\.en knows en only"):
            await begin(services, tmp_path, model=model_named("whisper-tiny.en"), language="de")
        assert await services.store.jobs.newest(EVERYBODY, limit=9) == []
        with pytest.raises(BadInput):
            await services.rehearing.clip(tmp_path / "talk.wav", model=model_named("embedded-en"), language="de-AT")
