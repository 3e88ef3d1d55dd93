"""What is known of voices is taken at every door that brings sound, and only as documented."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Awaitable, Callable

import httpx
import numpy as np
import pytest

from protocol.errors import ValidationFailed
from protocol.states import TranscriptState
from server.doors.v1.voices import voices_of
from server.services import Services
from server.store.records import VoicesAsked
from tests.fakes.node import wait_for_state
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of

SOUND = scripted_sound(sentence("alpha bravo", 0.3))
FIELDS = {"diarize": "true", "speakers_expected": "2", "max_speakers": "4"}

Bring = Callable[[httpx.AsyncClient, dict[str, str]], Awaitable[httpx.Response]]


async def by_upload(client: httpx.AsyncClient, fields: dict[str, str]) -> httpx.Response:
    made = (await client.post("/v1/transcripts/")).json()["id"]
    files = {"file": ("talk.wav", wav_of(SOUND), "audio/wav")}
    return await client.post(f"/v1/transcripts_audio/{made}/upload", data=fields, files=files)


async def by_transcript(client: httpx.AsyncClient, fields: dict[str, str]) -> httpx.Response:
    files = {"file": ("talk.wav", wav_of(SOUND), "audio/wav")}
    return await client.post("/v1/transcripts", data=fields, files=files)


async def by_job(client: httpx.AsyncClient, fields: dict[str, str]) -> httpx.Response:
    files = {"file": ("talk.wav", wav_of(SOUND), "audio/wav")}
    return await client.post("/api/transcribe", data=fields, files=files)


async def by_chunks(client: httpx.AsyncClient, fields: dict[str, str]) -> httpx.Response:
    made = (await client.post("/v1/transcripts/")).json()["id"]
    asked = {"chunks": 1, **{name: json.loads(value) for name, value in fields.items()}}
    begun = await client.post(f"/v1/transcripts/{made}/uploads", json=asked)
    if begun.status_code != 201:
        return begun
    path = f"/v1/transcripts/{made}/uploads/{begun.json()['upload_id']}"
    put = await client.put(f"{path}/chunks/0", content=wav_of(SOUND))
    assert put.status_code in (200, 201), put.text
    done = await client.post(f"{path}/complete")
    assert done.status_code in (200, 201), done.text
    return begun


@pytest.mark.parametrize("bring", [by_upload, by_transcript, by_job, by_chunks])
async def test_files_say_what_is_known_of_their_voices(
    client: httpx.AsyncClient, services: Services, bring: Bring
) -> None:
    answer = await bring(client, FIELDS)
    assert answer.status_code in (200, 201), answer.text
    [made] = (await services.store.list_transcripts())[0]
    [track] = await services.store.tracks_of(made.id)
    assert (track.diarize, track.speakers_expected, track.max_speakers) == (True, 2, 4)
    await wait_for_state(services, made.id, TranscriptState.ENDED)
    for wrong in ({"max_speakers": "0"}, {"speakers_expected": "21"}):
        assert (await bring(client, wrong)).status_code == 422


def stereo() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(2)
        writer.setsampwidth(2)
        writer.setframerate(16_000)
        writer.writeframes(np.repeat(np.frombuffer(SOUND, np.int16), 2).tobytes())
    return file.getvalue()


@pytest.mark.parametrize(("fields", "is_told_apart"), [({}, False), ({"diarize": "true"}, True)])
async def test_several_channels_are_not_guessed_at_unless_somebody_asks(
    client: httpx.AsyncClient, services: Services, fields: dict[str, str], is_told_apart: bool
) -> None:
    files = {"file": ("talk.wav", stereo(), "audio/wav")}
    made = (await client.post("/v1/transcripts", data=fields, files=files)).json()["id"]
    [track] = await services.store.tracks_of(made)
    assert track.diarize is is_told_apart
    await wait_for_state(services, made, TranscriptState.ENDED)


def test_empty_fields_are_none() -> None:
    assert voices_of({"diarize": " ", "max_speakers": "3", "other": "x"}) == VoicesAsked(max_speakers=3)
    with pytest.raises(ValidationFailed):
        voices_of({"diarize": "perhaps"})
