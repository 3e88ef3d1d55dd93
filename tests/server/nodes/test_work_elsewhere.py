"""What is asked of one node and done on another: jobs cancelled, files that come in chunks, the bin, bots."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from protocol.errors import Conflict, HeldElsewhere
from protocol.states import TranscriptState
from server import removal as removal_module
from server.bots.signatures import new_secret
from server.jobs import jobs as jobs_module
from server.services import Services
from server.store.bot_store import Bot, NewBot
from server.store.uploads import Chunk, ChunkedUpload
from tests.fakes.node import texts, words_of
from tests.fakes.s3 import S3Server
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.waiting import until
from tests.fakes.wav import wav_of
from tests.server.bots.meetings import Meeting
from tests.server.jobs.test_jobs import begin as begin_job
from tests.server.nodes.test_membership import gone, nodes, speaking
from tests.server.projects.test_chunks_in_bucket import bucket, s3

__all__ = ["s3"]

WAV = wav_of(scripted_sound(sentence("alpha bravo charlie", 0.4)))
PIECES = [WAV[at : at + 20_000] for at in range(0, len(WAV), 20_000)]


async def until_state(services: Services, transcript_id: str, state: TranscriptState) -> None:
    """As the store has it: without Redis nobody tells this node what another does."""
    async with asyncio.timeout(60):
        while (await services.store.get_transcript(transcript_id)).state is not state:
            pass


async def test_a_job_that_is_cancelled_at_another_node_is_heard_no_more(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "LOOK_S", 0.05)
    async with nodes(postgres_url, [tmp_path / "a", tmp_path / "b"], node_lease_s=120) as (a, b):
        job = await begin_job(a, tmp_path)
        assert (await b.jobs.cancel(job.id)).cancelled_at is not None
        await until_state(b, job.id, TranscriptState.FAILED)
        await until(lambda: not a.hub.sessions_of(job.id))
        assert (await b.jobs.progress(await b.store.jobs.get(job.id))).status == "cancelled"
        assert [track.state for track in await a.store.tracks_of(job.id)] == ["finished"]


async def put(services: Services, upload: ChunkedUpload, number: int, folder: Path) -> bool:
    path = folder / f"piece-{number}"
    path.write_bytes(PIECES[number])
    chunk = Chunk(number, len(PIECES[number]), hashlib.sha256(PIECES[number]).hexdigest())
    _, is_new = await services.uploads.put(upload.transcript_id, upload.id, chunk, path)
    return is_new


async def test_chunks_of_a_file_may_go_to_any_node(postgres_url: str, tmp_path: Path, s3: S3Server) -> None:
    async with nodes(postgres_url, [tmp_path / name for name in "abc"], node_lease_s=120, **bucket(s3)) as fleet:
        a, b, c = fleet
        made = await a.store.create_transcript()
        upload = await a.uploads.begin(
            made.id, chunks=len(PIECES), name="talk.wav", sha256=hashlib.sha256(WAV).hexdigest()
        )
        for number in range(1, len(PIECES)):
            assert await put(fleet[number % 3], upload, number, tmp_path)
        assert not await put(b, upload, 1, tmp_path)
        with pytest.raises(Conflict, match="missing"):
            await c.uploads.complete(made.id, upload.id)
        assert await put(a, upload, 0, tmp_path)
        answers = await asyncio.gather(
            *(each.uploads.complete(made.id, upload.id) for each in fleet), return_exceptions=True
        )
        assert sum(isinstance(each, tuple) and each[1] is not None for each in answers) == 1, answers
        assert {type(each) for each in answers} <= {tuple, Conflict}
        await until_state(c, made.id, TranscriptState.ENDED)
        assert texts(await words_of(c, made.id)) == "alpha bravo charlie"
        assert len(await c.store.tracks_of(made.id)) == 1
        assert not [key for key in s3.objects if "/uploads/" in key]


async def test_a_file_whose_node_died_while_it_was_put_together_is_so_by_another(
    postgres_url: str, tmp_path: Path, s3: S3Server
) -> None:
    async with nodes(postgres_url, [tmp_path / "a", tmp_path / "b"], node_lease_s=120, **bucket(s3)) as (a, b):
        made = await a.store.create_transcript()
        upload = await a.uploads.begin(made.id, chunks=len(PIECES), name="talk.wav")
        for number in range(len(PIECES)):
            await put(a, upload, number, tmp_path)
        async with a.duties.alone(f"upload {upload.id}"):
            await a.store.uploads.set_state(upload.id, "joining")
            await b.uploads.sweep(0.0)  # it is not b's
            assert (await b.store.uploads.get(made.id, upload.id)).state == "joining"
            await gone(a)
            await b.store.nodes.leave(a.membership.holding.node_id)
            await b.uploads.sweep(0.0)
        await until_state(b, made.id, TranscriptState.ENDED)
        assert texts(await words_of(b, made.id)) == "alpha bravo charlie"
        # As if it had died after that, and before it could say so: the file is not heard twice.
        await b.store.uploads.set_state(upload.id, "joining")
        await b.uploads.sweep(0.0)
        assert (await b.store.uploads.get(made.id, upload.id)).state == "done"
        assert len(await b.store.tracks_of(made.id)) == 1


async def test_what_another_node_deletes_ends_soon_and_is_restored_by_anybody_then(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal_module, "LOOK_S", 0.05)
    async with nodes(postgres_url, [tmp_path / "a", tmp_path / "b"], node_lease_s=120) as (a, b):
        client = await speaking(a, scripted_sound(sentence("alpha bravo", 0.5)))
        await b.removal.delete(client.transcript_id)
        with pytest.raises(HeldElsewhere) as refused:
            await b.removal.restore(client.transcript_id)
        assert refused.value.details["server_url"] == "http://n0:1"
        assert client.speaking is not None
        await client.speaking.wait_ended()
        async with asyncio.timeout(30):
            while await b.store.nodes.holder(client.transcript_id) is not None:
                pass
        await b.removal.restore(client.transcript_id)
        assert (await b.store.get_transcript(client.transcript_id)).state is TranscriptState.ENDED
        assert texts(await words_of(b, client.transcript_id)) == "alpha bravo"


async def test_what_a_bot_is_in_is_ended_by_no_other_node(postgres_url: str, tmp_path: Path) -> None:
    async with nodes(postgres_url, [tmp_path / "a", tmp_path / "b"], node_lease_s=120) as (a, b):
        bot: Bot = await a.store.bots.create(NewBot("Notes", None, {}, None, None, new_secret()), language="en")
        id_ = bot.transcript.id
        stream = Meeting(a, id_, bot.id).connect()
        async with a.attending.connected(bot, stream):
            await a.hub.settle(id_)
            assert (await b.store.get_transcript(id_)).state is TranscriptState.RECORDING
            await b.hub.settle(id_)
            assert (await b.store.get_transcript(id_)).state is TranscriptState.RECORDING
            with pytest.raises(HeldElsewhere):
                async with b.attending.connected(bot, stream):
                    pass
            await b.store.bots.leave(bot.id)
        assert (await b.store.get_transcript(id_)).state is TranscriptState.ENDED
