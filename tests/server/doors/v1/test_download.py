"""Everything of a transcript in one archive."""

from __future__ import annotations

import io
import json
import zipfile

import httpx

from protocol.states import TranscriptState
from server.services import Services
from tests.fakes.node import Client, new_client, wait_for_state
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of

SOUND = scripted_sound(sentence("alpha bravo", 0.5))
DOCUMENTS = {
    "metadata.json",
    "transcript.txt",
    "transcript-timestamped.txt",
    "transcript.srt",
    "transcript.vtt",
    "transcript.json",
}


async def archive_of(client: httpx.AsyncClient, transcript_id: str) -> zipfile.ZipFile:
    answer = await client.get(f"/v1/transcripts/{transcript_id}/download/zip")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert answer.headers["content-disposition"] == 'attachment; filename="Talk.zip"'
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    return archive


async def record(client: Client) -> None:
    await client.services.store.update_transcript(client.transcript_id, title="Talk")
    await client.begin(participant={"name": "Ann/../x"})
    await client.say(SOUND)
    await client.stop()
    await wait_for_state(client.services, client.transcript_id, TranscriptState.ENDED)


async def test_what_was_uploaded_and_what_was_recorded(client: httpx.AsyncClient, services: Services) -> None:
    made = await client.post("/v1/transcripts/", files={"file": ("talk.wav", wav_of(SOUND))})
    speaker = Client(services, made.json()["id"])
    await wait_for_state(services, speaker.transcript_id, TranscriptState.ENDED)
    await record(speaker)
    archive = await archive_of(client, speaker.transcript_id)
    names = set(archive.namelist())
    assert names >= DOCUMENTS
    live, uploaded = sorted(names - DOCUMENTS)
    assert (uploaded, live) == ("tracks/Speaker 1.wav", "tracks/Ann-..-x.wav")
    assert archive.read(uploaded) == wav_of(SOUND)
    assert archive.read(live)[:4] == b"RIFF"
    assert "alpha bravo" in archive.read("transcript.txt").decode()
    assert archive.read("transcript-timestamped.txt").startswith(b"[00:00] ")
    assert archive.read("transcript.vtt").startswith(b"WEBVTT")
    record_of_it = (await client.get(f"/v1/transcripts/{speaker.transcript_id}")).json()
    assert json.loads(archive.read("metadata.json"))["participants"] == record_of_it["participants"]


async def test_removed_sound_is_not_in_it(client: httpx.AsyncClient, services: Services) -> None:
    speaker = await new_client(services)
    await record(speaker)
    await services.removal.delete_sound(speaker.transcript_id)
    assert set((await archive_of(client, speaker.transcript_id)).namelist()) == DOCUMENTS


async def test_one_without_anything(client: httpx.AsyncClient, services: Services) -> None:
    transcript = await services.store.create_transcript(title="Talk")
    assert set((await archive_of(client, transcript.id)).namelist()) == DOCUMENTS
