"""Whole nodes that share a database and a bucket: sound of one is heard, gone on with and deleted at the other, and
what cameras showed is a film there."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from protocol.states import TranscriptState
from server import blobs as blobs_module
from server import recovery as recovery_module
from server.bots.signatures import new_secret
from server.live import SourceOptions
from server.nodes import shipping as shipping_module
from server.services import Services
from server.store.bot_store import NewBot
from tests.fakes.buckets import no_other_bucket
from tests.fakes.node import Client, new_client, running_services, texts, wait_for_state, words_of
from tests.fakes.pictures import h264, length_s, shown
from tests.fakes.running_app import AppClient, in_process
from tests.fakes.s3 import S3Server
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.waiting import until
from tests.media.opus_sound import opus_packets
from tests.server.bots.meetings import Meeting
from tests.server.bots.test_video_parts import picture
from tests.server.databases import lay_sqlite_file
from tests.server.projects.test_chunk_removal import confirmed, heard
from tests.server.projects.test_chunks import begun, ended
from tests.server.projects.test_chunks_in_bucket import bucket
from tests.server.test_intake import EXPECTED as FILE_EXPECTED
from tests.server.test_intake import WORDS as FILE_WORDS
from tests.server.test_intake import write_wav

SOUND = scripted_sound(sentence("alpha bravo charlie", 0.6), length_s=2.2)
OTHER = scripted_sound(sentence("delta echo", 0.6), length_s=2.2)
Running = Callable[..., AbstractAsyncContextManager[Services]]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    no_other_bucket(monkeypatch)
    monkeypatch.setattr(blobs_module, "RETRIES_MAX", 0)
    with S3Server() as running:
        yield running


@pytest.fixture
def node(tmp_path: Path, s3: S3Server) -> Running:
    """Of a name, with a folder of its own, or without the bucket."""
    lay_sqlite_file(tmp_path / "earshot.db")
    database_url = f"sqlite+aiosqlite:///{tmp_path / 'earshot.db'}"

    @asynccontextmanager
    async def running(name: str, *, shared: bool = True, **options: Any) -> AsyncIterator[Services]:
        place = bucket(s3) if shared else {}
        settings = {
            "database_url": database_url,
            "record_remote_interval_s": 1.0,
            "shared_secret": "the same on all nodes",
        }
        async with running_services(tmp_path / name, **settings, **place, **options) as services:
            yield services

    return running


async def recorded(services: Services, pcm: bytes = SOUND, client: Client | None = None, **start: Any) -> Client:
    client = client or await new_client(services)
    await client.begin(**start)
    if start.get("encoding") == "opus":
        assert client.speaking is not None
        for packet in opus_packets(pcm):
            await client.speaking.audio(packet)
    else:
        await client.say(pcm)
    await client.stop()
    await wait_for_state(services, client.transcript_id, TranscriptState.ENDED)
    return client


async def sounds_of(http: AppClient, transcript_id: str) -> dict[str, bytes]:
    """In all its forms, by their names."""
    found: dict[str, bytes] = {}
    for form in ("wav", "ogg", "mp3"):
        answer = await http.get(f"/v1/transcripts/{transcript_id}/audio", params={"format": form})
        found[form] = answer.content if answer.status_code == 200 else b""
    part = await http.get(f"/v1/transcripts/{transcript_id}/audio", headers={"Range": "bytes=100-199"})
    found["part"] = part.content
    peaks = await http.get(f"/v1/transcripts/{transcript_id}/waveform")
    found["peaks"] = peaks.content
    return found


@pytest.mark.parametrize("tracks", ["one of samples", "one of Opus", "two"])
async def test_all_forms_of_it_are_the_same_at_another_node(node: Running, tracks: str) -> None:
    async with node("a") as first, node("b") as second:
        opus = {"encoding": "opus", "sample_rate": 48_000}
        client = await recorded(first, **(opus if tracks == "one of Opus" else {"track": "x"}))
        if tracks == "two":
            await recorded(first, OTHER, client, track="y")
        async with in_process(first.settings, first) as here, in_process(second.settings, second) as there:
            listed = [
                (await http.get(f"/v1/transcripts/{client.transcript_id}")).json()["data"]["tracks"]
                for http in (here, there)
            ]
            own = await sounds_of(here, client.transcript_id)
            assert bool(own["ogg"]) is (tracks == "one of Opus")
            assert len(own["part"]) == 100
            assert await sounds_of(there, client.transcript_id) == own
            # Before anybody asked there, only Ogg was not known of.
            for ours, theirs in zip(*listed, strict=True):
                assert set(ours["formats"]) - set(theirs["formats"]) <= {"ogg"}
            listed_again = (await there.get(f"/v1/transcripts/{client.transcript_id}")).json()["data"]["tracks"]
            assert listed_again == listed[0]


async def test_without_a_bucket_a_reader_is_told_what_to_do(node: Running) -> None:
    async with node("a", shared=False) as first:
        client = await recorded(first)
    async with node("b", shared=False) as second, in_process(second.settings, second) as http:
        answer = await http.get(f"/v1/transcripts/{client.transcript_id}/audio")
        assert answer.status_code == 503
        assert "set blobs_url to one bucket on all nodes" in answer.json()["error"]["message"]


async def test_a_file_goes_on_at_another_node_where_its_first_one_is_gone(node: Running, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "talk.wav", scripted_sound(FILE_WORDS))
    uploaded = path.read_bytes()
    async with node("a") as first:
        client = await new_client(first)
        await first.intake.add_file(client.transcript_id, path, filename="talk.wav")
    (tmp_path / "a").rename(tmp_path / "gone")
    async with node("b") as second, in_process(second.settings, second) as http:
        await wait_for_state(second, client.transcript_id, TranscriptState.ENDED)
        assert await words_of(second, client.transcript_id) == FILE_EXPECTED
        answer = await http.get(f"/v1/transcripts/{client.transcript_id}/audio", params={"format": "original"})
        assert answer.content == uploaded
    async with node("c") as third, in_process(third.settings, third) as http:
        answer = await http.get(f"/v1/transcripts/{client.transcript_id}/audio", params={"format": "original"})
        assert answer.content == uploaded


async def test_a_recording_is_completed_once_the_bucket_is_back_that_was_away_when_its_node_was_gone(
    node: Running, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery_module, "AGAIN_S", 0.05)
    async with node("a") as first:
        client = await new_client(first)
        await client.begin()
        await client.say(SOUND)
        await client.wait_for(lambda client: bool(client.of("ack")))
    s3.faults_of["GET"] = deque([503] * 5)
    async with node("b", resume_grace_s=0) as second, in_process(second.settings, second) as http:
        await wait_for_state(second, client.transcript_id, TranscriptState.ENDED)
        assert not s3.faults_of["GET"]
        answer = await http.get(f"/v1/transcripts/{client.transcript_id}/audio")
        assert answer.content[44:] == SOUND
        assert texts(await words_of(second, client.transcript_id)) == "alpha bravo charlie"


async def test_a_camera_is_a_film_at_another_node_where_its_first_one_is_gone(
    node: Running, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping_module, "END_S", 0.05)
    monkeypatch.setattr(shipping_module, "LOOK_S", 0.01)
    async with node("a") as first:
        bot = await first.store.bots.create(NewBot("Notes", None, {}, None, None, new_secret()), language="en")
        stream = Meeting(first, bot.transcript.id, bot.id).connect()
        async with first.attending.connected(bot, stream):
            pieces = h264([40, 120, 200])
            for at_s, piece in zip((1.0, 1.5), pieces, strict=False):
                await stream.take(picture(at_s, piece, form="h264"))
            [recorded] = (first.settings.recordings_dir / bot.transcript.id).glob("*.pictures")
            whole_bytes = recorded.stat().st_size
            await until(
                lambda: sum(len(data) for key, data in s3.objects.items() if recorded.name in key) == whole_bytes
            )
            await first.hub.sound.pictures.stop()  # from here on nothing of it arrives
            await stream.take(picture(2.0, pieces[2], form="h264"))
            await stream.lost("away")
        await wait_for_state(first, bot.transcript.id, TranscriptState.ENDED)
    (tmp_path / "a").rename(tmp_path / "gone")
    async with node("b") as second, in_process(second.settings, second) as http:
        listed = (await http.get(f"/api/v1/video_separate/{bot.transcript.id}/")).json()
        [part] = (await http.get(listed["data"]["download_url"])).json()
        assert (part["type"], part["duration"]) == ("webcam", 1.5)  # a second after the last picture that is left
        film = (await http.get(part["download_url"])).content
        assert length_s(io.BytesIO(film)) == pytest.approx(1.5, abs=0.001)
        assert [at_s for at_s, _ in shown(io.BytesIO(film))] == [0.0, 0.5]


async def test_sound_is_deleted_everywhere(node: Running, s3: S3Server) -> None:
    async with node("a") as first, node("b") as second:
        client = await recorded(first)
        async with in_process(second.settings, second) as http:
            assert (await http.get(f"/v1/transcripts/{client.transcript_id}/audio")).status_code == 200
            await second.removal.delete_sound(client.transcript_id)
            assert [key for key in s3.objects if client.transcript_id in key] == []
            assert (await http.get(f"/v1/transcripts/{client.transcript_id}/audio")).status_code == 404
        assert not (second.settings.recordings_dir / client.transcript_id).exists()
        assert await first.removal.sweep() == 1
        assert not (first.settings.recordings_dir / client.transcript_id).exists()


async def test_sound_is_deleted_though_the_bucket_is_away_and_leaves_it_later(node: Running, s3: S3Server) -> None:
    async with node("a") as first:
        client = await recorded(first)
        s3.faults_of.update({"GET": deque([503] * 5), "POST": deque([503] * 5)})
        await first.removal.discard(client.transcript_id)
        assert [key for key in s3.objects if client.transcript_id in key] != []
        s3.faults_of.clear()
        assert await first.hub.sound._leftovers.remove() == 0  # once more in an hour
        assert [key for key in s3.objects if client.transcript_id in key] == []


async def test_a_chunk_that_is_deleted_leaves_the_bucket_and_its_neighbour_stays(node: Running, s3: S3Server) -> None:
    async with node("a") as first:
        id_ = await begun(first)
        kept, gone = await confirmed(first, id_, "alpha bravo"), await confirmed(first, id_, "papa window")
        await heard(first, kept)
        await heard(first, gone)
        assert [key for key in s3.objects if gone.track_id in key] != []
        await first.chunks.delete(id_, gone.id)
        assert [key for key in s3.objects if gone.track_id in key] == []
        assert [key for key in s3.objects if kept.track_id in key] != []
        await first.chunks.finish(id_)
        assert await ended(first, id_) == "alpha bravo"


async def test_a_track_that_is_spoken_on_at_another_node_keeps_what_was_said(node: Running) -> None:
    """Without a crash: the first is finished there, and its speaker comes back to the other."""
    async with node("a") as first:
        client = await recorded(first)
        token = client.of("started")[0]["resume_token"]
    async with node("b") as second, in_process(second.settings, second) as http:
        session = await second.hub.attach(client.transcript_id, SourceOptions(), resume_token=token)
        session.attach(lambda error: None)
        assert session.pipeline.length_samples * 2 == len(SOUND)
        await session.stop()
        answer = await http.get(f"/v1/transcripts/{client.transcript_id}/audio")
        assert answer.content[44:] == SOUND
