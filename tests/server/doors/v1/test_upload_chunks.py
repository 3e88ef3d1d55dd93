"""Files in chunks: any order, any number of times, checked, bounded, and through a restart."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import random
import time
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import httpx
import pytest

from protocol.events import Failed
from protocol.states import TranscriptState
from server import chunked_uploads
from server.chunked_uploads import CHUNKS_MAX, PER_TRANSCRIPT_MAX, SWEEP_S
from server.services import Services
from server.settings import Settings
from server.store.uploads import UploadState
from tests.fakes.node import events_of, node_settings, running_services, texts, wait_for_state, words_of
from tests.fakes.running_app import in_process
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of

WAV = wav_of(scripted_sound(sentence("alpha bravo", 0.4)))
SHA256 = hashlib.sha256(WAV).hexdigest()


def pieces_of(data: bytes, count: int) -> list[bytes]:
    size = -(-len(data) // count)
    return [data[at : at + size] for at in range(0, len(data), size)]


PIECES = pieces_of(WAV, 7)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return node_settings(tmp_path, upload_max_mb=1)


@pytest.fixture
async def transcript_id(services: Services) -> str:
    return (await services.store.create_transcript()).id


def files_under(settings: Settings) -> list[str]:
    return sorted(path.name for path in settings.uploads_dir.rglob("*") if path.is_file())


async def begin(client: httpx.AsyncClient, transcript_id: str, **wanted: Any) -> str:
    body = {"chunks": len(PIECES), "name": "talk.wav", **wanted}
    response = await client.post(f"/v1/transcripts/{transcript_id}/uploads", json=body)
    assert response.status_code == 201, response.text
    path = f"/v1/transcripts/{transcript_id}/uploads/{response.json()['upload_id']}"
    assert response.headers["location"] == path
    return path


async def assert_heard(services: Services, transcript_id: str) -> None:
    """The file became one track with its words, and nothing is left of the upload's bytes."""
    await wait_for_state(services, transcript_id, TranscriptState.ENDED)
    assert texts(await words_of(services, transcript_id)) == "alpha bravo"
    [track] = await services.store.tracks_of(transcript_id)
    assert services.hub.recording_path(track).with_suffix(".upload").read_bytes() == WAV
    assert files_under(services.settings) == []
    assert not list((services.settings.data_dir / "incoming").iterdir())


async def test_chunks_in_any_order_and_again_become_the_file(
    client: httpx.AsyncClient, services: Services, transcript_id: str
) -> None:
    path = await begin(client, transcript_id, length_bytes=len(WAV), sha256=SHA256.upper())
    order = list(enumerate(PIECES))
    random.Random(5).shuffle(order)
    for number, piece in order[:4]:
        response = await client.put(f"{path}/chunks/{number}", content=piece)
        assert response.status_code == 201
        assert response.json()["chunk"] == {"number": number, "sha256": hashlib.sha256(piece).hexdigest()}
    told = (await client.get(path)).json()
    assert told["missing"] == sorted(number for number, _ in order[4:])
    assert (told["received_chunks"], told["received_bytes"]) == (4, sum(len(piece) for _, piece in order[:4]))
    early = await client.post(f"{path}/complete")
    assert (early.status_code, early.json()["error"]["details"]["missing"]) == (409, told["missing"])
    again = await client.put(f"{path}/chunks/{order[0][0]}", content=order[0][1])
    assert (again.status_code, again.json()["received_chunks"]) == (200, 4)
    other = await client.put(f"{path}/chunks/{order[0][0]}", content=order[0][1] + b"x")
    assert (other.status_code, other.json()["error"]["code"]) == (409, "CONFLICT")
    for number, piece in order[4:]:
        await client.put(f"{path}/chunks/{number}", content=piece)
    done = await client.post(f"{path}/complete")
    assert (done.status_code, done.json()["state"]) == (200, "done")
    [track] = await services.store.tracks_of(transcript_id)
    assert (done.json()["track_id"], track.name) == (track.id, "talk.wav")
    await assert_heard(services, transcript_id)
    # Whoever did not hear the answer asks again, and nothing happens twice.
    assert (await client.post(f"{path}/complete")).json()["state"] == "done"
    assert (await client.put(f"{path}/chunks/0", content=PIECES[0])).status_code == 200
    assert (await client.get(path)).json()["missing"] == []
    assert len(await services.store.tracks_of(transcript_id)) == 1


async def test_the_last_chunk_completes_it_when_asked(
    client: httpx.AsyncClient, services: Services, transcript_id: str
) -> None:
    path = await begin(client, transcript_id)
    for number in (6, 0, 1, 2, 3, 4, 5):
        response = await client.put(f"{path}/chunks/{number}?complete=true", content=PIECES[number])
    assert response.json()["state"] == "done"
    assert response.json()["track_id"]
    await assert_heard(services, transcript_id)


async def test_the_form_of_neighbouring_systems_out_of_order(
    client: httpx.AsyncClient, services: Services, transcript_id: str
) -> None:
    path = f"/v1/transcripts/{transcript_id}/record/upload"

    async def send(number: int, piece: bytes, total: int = len(PIECES)) -> httpx.Response:
        query = {"chunk_number": number, "total_chunks": total}
        return await client.post(path, params=query, files={"chunk": ("talk.wav", piece)})

    # What a crash left of one before: it was joined, and not forgotten.
    left = str(uuid5(NAMESPACE_URL, f"{transcript_id}/record/upload"))
    await services.uploads.begin(transcript_id, chunks=1, upload_id=left)
    await services.store.uploads.set_state(left, "done")
    for number in (6, 2, 2, 0, 1, 4, 5):
        answer = await send(number, PIECES[number])
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert (await send(2, b"other")).status_code == 409
    assert (await send(0, PIECES[0], total=3)).status_code == 409
    assert (await send(7, PIECES[0])).status_code == 400
    assert (await client.post(path, params={"chunk_number": 3, "total_chunks": 7}, content=b"raw")).status_code == 400
    assert (await send(3, PIECES[3])).status_code == 200
    await wait_for_state(services, transcript_id, TranscriptState.ENDED)
    assert texts(await words_of(services, transcript_id)) == "alpha bravo"
    refused = await send(0, b"no sound at all", total=1)
    assert refused.status_code in (400, 409)


async def test_a_file_without_an_id_is_heard_once_however_often_its_chunks_come(
    client: httpx.AsyncClient, services: Services, transcript_id: str
) -> None:
    path = f"/v1/transcripts/{transcript_id}/record/upload"

    async def send(number: int, piece: bytes, total: int = len(PIECES)) -> int:
        query = {"chunk_number": number, "total_chunks": total}
        return (await client.post(path, params=query, files={"chunk": ("talk.wav", piece)})).status_code

    three_times = [(number, piece) for number, piece in enumerate(PIECES)] * 3
    random.Random(7).shuffle(three_times)
    assert set(await asyncio.gather(*(send(*each) for each in three_times))) == {200}
    await assert_heard(services, transcript_id)
    # The answer to the last one was lost; and later all of it comes again.
    for number in (6, *range(7)):
        assert await send(number, PIECES[number]) == 200
    assert len(await services.store.tracks_of(transcript_id)) == 1
    # One that begins alike is not left with a hole that nobody knows of.
    assert await send(1, b"other") == 409
    assert await send(0, PIECES[0], total=2) == 200
    assert await send(1, b"".join(PIECES[1:]), total=2) == 200
    assert len(await services.store.tracks_of(transcript_id)) == 2


async def test_an_unfinished_file_without_an_id_gives_way_when_nothing_comes(
    client: httpx.AsyncClient, services: Services, transcript_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/v1/transcripts/{transcript_id}/record/upload"

    async def send(number: int, piece: bytes, total: int) -> int:
        query = {"chunk_number": number, "total_chunks": total}
        return (await client.post(path, params=query, files={"chunk": ("talk.wav", piece)})).status_code

    for number, total in ((0, 5), (4, 5)):
        assert await send(number, b"given up", total) == 200
    assert await send(0, PIECES[0], 7) == 409
    monkeypatch.setattr(chunked_uploads, "NUMBERED_IDLE_S", 0.0)
    assert await send(1, PIECES[1], 7) == 409  # only a first one tells that another begins
    assert await send(0, b"given up", 7) == 200
    for number, piece in enumerate(PIECES):
        assert await send(number, piece, 7) == 200
    await assert_heard(services, transcript_id)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-SHA256": hashlib.sha256(PIECES[0]).hexdigest()}, 201),
        ({"X-SHA256": hashlib.sha256(b"x").hexdigest()}, 400),
        ({"X-SHA256": "short"}, 400),
        ({"Content-Digest": f"sha-256=:{base64.b64encode(hashlib.sha256(PIECES[0]).digest()).decode()}:"}, 201),
        ({"Content-Digest": f"sha-256=:{base64.b64encode(hashlib.sha256(b'x').digest()).decode()}:"}, 400),
        ({"Content-Digest": "sha-256=:!!:"}, 400),
        ({"Content-Digest": "md5=:AAAA:"}, 201),  # RFC 9530: those that nobody knows are passed over
    ],
)
async def test_a_chunk_is_what_its_digest_says_or_is_not_kept(
    client: httpx.AsyncClient, settings: Settings, transcript_id: str, headers: dict[str, str], status: int
) -> None:
    path = await begin(client, transcript_id)
    response = await client.put(f"{path}/chunks/0", content=PIECES[0], headers=headers)
    assert response.status_code == status
    assert files_under(settings) == (["0"] if status == 201 else [])
    assert len((await client.get(path)).json()["missing"]) == (6 if status == 201 else 7)


async def test_what_is_not_as_announced_is_refused_and_nothing_is_left(
    client: httpx.AsyncClient, services: Services, transcript_id: str
) -> None:
    for wanted, piece, status, code in (
        ({"length_bytes": 10}, b"short", 400, "BAD_REQUEST"),
        ({"sha256": SHA256}, WAV[:-1], 400, "BAD_REQUEST"),
        ({}, b"<html>no sound</html>", 400, "AUDIO_FORMAT_ERROR"),
    ):
        path = await begin(client, transcript_id, chunks=1, **wanted)
        assert (await client.put(f"{path}/chunks/0", content=piece)).status_code == 201
        response = await client.post(f"{path}/complete")
        assert (response.status_code, response.json()["error"]["code"]) == (status, code)
        assert (await client.get(path)).status_code == 404
        assert files_under(services.settings) == []
    assert await services.store.tracks_of(transcript_id) == []
    assert await services.store.uploads.everyone() == []


async def test_sizes_and_counts_are_bounded(client: httpx.AsyncClient, services: Services, transcript_id: str) -> None:
    uploads = f"/v1/transcripts/{transcript_id}/uploads"
    for body, status in (
        ({}, 422),
        ({"chunks": 0}, 422),
        ({"chunks": CHUNKS_MAX + 1}, 422),
        ({"chunks": "3"}, 422),
        ({"chunks": 1, "sha256": "x"}, 422),
        ({"chunks": 1, "length_bytes": -1}, 422),
        ({"chunks": 1, "length_bytes": (1 << 20) + 1}, 413),
    ):
        assert (await client.post(uploads, json=body)).status_code == status, body
    path = await begin(client, transcript_id, chunks=3, length_bytes=1000)
    assert (await client.put(f"{path}/chunks/0", content=bytes(1001))).status_code == 413
    assert (await client.put(f"{path}/chunks/0", content=bytes(900))).status_code == 201
    assert (await client.put(f"{path}/chunks/1", content=bytes(101))).status_code == 413
    assert (await client.put(f"{path}/chunks/0", content=bytes(900))).status_code == 200
    assert (await client.put(f"{path}/chunks/1", content=b"")).status_code == 400
    assert (await client.put(f"{path}/chunks/3", content=b"x")).status_code == 400
    assert (await client.put(f"{path}/chunks/{CHUNKS_MAX}", content=b"x")).status_code == 422
    assert files_under(services.settings) == ["0"]
    for _ in range(PER_TRANSCRIPT_MAX - 1):
        await begin(client, transcript_id)
    full = await client.post(uploads, json={"chunks": 1})
    assert (full.status_code, full.json()["error"]["code"]) == (409, "CONFLICT")
    assert len((await client.get(uploads)).json()["items"]) == PER_TRANSCRIPT_MAX
    assert (await client.delete(path)).status_code == 204
    assert files_under(services.settings) == []
    assert (await client.delete(path)).status_code == 404
    await begin(client, transcript_id)


async def test_ids_of_other_transcripts_are_not_found(
    client: httpx.AsyncClient, services: Services, transcript_id: str
) -> None:
    path = await begin(client, transcript_id)
    other = (await services.store.create_transcript()).id
    foreign = path.replace(transcript_id, other)
    assert (await client.get(foreign)).status_code == 404
    assert (await client.put(f"{foreign}/chunks/0", content=b"x")).status_code == 404
    assert (await client.post(f"{foreign}/complete")).status_code == 404
    assert (await client.delete(foreign)).status_code == 404
    assert (await client.get(path)).status_code == 200


async def test_a_locked_transcript_takes_nothing(
    client: httpx.AsyncClient, services: Services, transcript_id: str
) -> None:
    path = await begin(client, transcript_id, chunks=1)
    assert (await client.put(f"{path}/chunks/0", content=WAV)).status_code == 201
    await services.store.update_transcript(transcript_id, locked=True)
    base = f"/v1/transcripts/{transcript_id}"
    alias = {"chunk_number": 0, "total_chunks": 1}
    for response in (
        await client.post(f"{base}/uploads", json={"chunks": 1}),
        await client.post(f"{path}/complete"),
        await client.post(f"{base}/record/upload", params=alias, files={"chunk": ("a", WAV)}),
        await client.post(f"/v1/transcripts_audio/{transcript_id}/upload", content=WAV),
    ):
        assert (response.status_code, response.json()["error"]["code"]) == (409, "CONFLICT")
    await services.store.update_transcript(transcript_id, locked=False)
    assert (await client.post(f"{path}/complete")).status_code == 200
    await assert_heard(services, transcript_id)


async def test_a_full_disk_is_507_and_what_was_sent_stays(
    client: httpx.AsyncClient, services: Services, settings: Settings, transcript_id: str
) -> None:
    path = await begin(client, transcript_id, chunks=2)
    assert (await client.put(f"{path}/chunks/0", content=PIECES[0])).status_code == 201
    full = node_settings(settings.data_dir, disk_reserve_mb=1 << 40)
    async with in_process(full, services) as other:
        response = await other.put(f"{path}/chunks/1", content=PIECES[1])
    assert (response.status_code, response.json()["error"]["code"]) == (507, "DISK_FULL")
    assert response.headers["retry-after"] == "60"
    assert (await client.get(path)).json()["missing"] == [1]
    assert files_under(settings) == ["0"]


async def test_what_nobody_goes_on_with_expires(
    client: httpx.AsyncClient, services: Services, settings: Settings, transcript_id: str
) -> None:
    path = await begin(client, transcript_id)
    await client.put(f"{path}/chunks/0", content=PIECES[0])
    stray = settings.uploads_dir / "00000000-0000-4000-8000-000000000000" / "upl_0"
    stray.mkdir(parents=True)
    os.utime(stray, (time.time() - 2 * SWEEP_S,) * 2)
    now = time.time()
    await services.uploads.sweep(now + settings.upload_expires_s - 60)
    assert (await client.get(path)).status_code == 200
    assert not stray.parent.exists()
    await services.uploads.sweep(now + settings.upload_expires_s + 60)
    assert (await client.get(path)).status_code == 404
    assert files_under(settings) == []


async def test_with_the_transcript_its_uploads_go(
    client: httpx.AsyncClient, services: Services, settings: Settings, transcript_id: str
) -> None:
    path = await begin(client, transcript_id)
    await client.put(f"{path}/chunks/0", content=PIECES[0])
    await services.removal.discard(transcript_id)
    assert files_under(settings) == []
    assert await services.store.uploads.everyone() == []


async def test_an_upload_that_was_complete_before_a_crash_is_heard_after_it(tmp_path: Path) -> None:
    """At each step that a crash can cut short; and the client goes on where it was."""
    async with running_services(tmp_path) as services:
        ids: dict[str, str] = {}
        for step in ("chunks", "joined", "handed over", "spoilt", "half"):
            transcript = await services.store.create_transcript(name=step)
            ids[step] = transcript.id
            async with in_process(services.settings, services) as client:
                path = await begin(client, transcript.id, chunks=2)
                await client.put(f"{path}/chunks/0", content=b"no sound" if step == "spoilt" else WAV[:30_000])
                if step != "half":
                    await client.put(f"{path}/chunks/1", content=b"no sound" if step == "spoilt" else WAV[30_000:])
            [upload] = await services.store.uploads.of_transcript(transcript.id)
            folder = services.settings.uploads_dir / transcript.id / upload.id
            if step != "half":
                await services.store.uploads.set_state(upload.id, "joining")
            if step == "joined":
                (folder / "whole").write_bytes(WAV)
                (folder / "0").unlink()
            if step == "handed over":
                for number in "01":
                    (folder / number).unlink()
    async with running_services(tmp_path) as services:
        for step in ("chunks", "joined"):
            await wait_for_state(services, ids[step], TranscriptState.ENDED)
            assert texts(await words_of(services, ids[step])) == "alpha bravo", step
            assert len(await services.store.tracks_of(ids[step])) == 1
        async with services.journal.subscribe(
            ids["spoilt"], after=0, types=frozenset({"error"}), queue_max=10
        ) as events:
            await anext(aiter(events))
        [error] = [event.body for event in await events_of(services, ids["spoilt"])]
        assert isinstance(error, Failed)
        assert error.code == "AUDIO_FORMAT_ERROR"
        assert await services.store.uploads.of_transcript(ids["spoilt"]) == []
        [handed] = await services.store.uploads.of_transcript(ids["handed over"])
        assert (handed.state, await services.store.tracks_of(ids["handed over"])) == ("done", [])
        async with in_process(services.settings, services) as client:
            [half] = await services.store.uploads.of_transcript(ids["half"])
            path = f"/v1/transcripts/{ids['half']}/uploads/{half.id}"
            assert (await client.get(path)).json()["missing"] == [1]
            response = await client.put(f"{path}/chunks/1?complete=true", content=WAV[30_000:])
            assert response.json()["state"] == "done"
        await wait_for_state(services, ids["half"], TranscriptState.ENDED)
        assert texts(await words_of(services, ids["half"])) == "alpha bravo"
        assert files_under(services.settings) == []


async def test_a_node_without_the_chunks_does_not_say_that_it_is_done(
    client: httpx.AsyncClient, services: Services, settings: Settings, transcript_id: str
) -> None:
    path = await begin(client, transcript_id, chunks=1)
    await client.put(f"{path}/chunks/0", content=WAV)
    [upload] = await services.store.uploads.of_transcript(transcript_id)
    elsewhere = settings.data_dir / "elsewhere"
    settings.uploads_dir.rename(elsewhere)
    states: tuple[UploadState, ...] = ("open", "joining")
    for state in states:
        await services.store.uploads.set_state(upload.id, state)
        refused = await client.post(f"{path}/complete")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "CONFLICT")
        await services.uploads.sweep(time.time())
    elsewhere.rename(settings.uploads_dir)
    await services.uploads.sweep(time.time())
    assert (await client.get(path)).json()["state"] == "done"
    await assert_heard(services, transcript_id)


async def test_a_chunk_that_the_disk_lost_is_asked_for_again(
    client: httpx.AsyncClient, services: Services, settings: Settings, transcript_id: str
) -> None:
    path = await begin(client, transcript_id)
    for number, piece in enumerate(PIECES):
        await client.put(f"{path}/chunks/{number}", content=piece)
    [lost] = settings.uploads_dir.rglob("3")
    lost.write_bytes(b"torn")
    refused = await client.post(f"{path}/complete")
    assert (refused.status_code, refused.json()["error"]["details"]) == (409, {"missing": [3]})
    assert (await client.get(path)).json()["missing"] == [3]
    assert (await client.put(f"{path}/chunks/3?complete=true", content=PIECES[3])).json()["state"] == "done"
    await assert_heard(services, transcript_id)
