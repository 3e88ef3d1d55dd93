"""The contract of jobs, example by example, on a node in process with the scripted engine."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from protocol.states import TranscriptState
from server.services import Services
from server.settings import Settings
from tests.fakes.node import node_settings, wait_for_state
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of

SAID = wav_of(scripted_sound([*sentence("alpha bravo", 0.5), *sentence("charlie", 4.0)], length_s=6.0))
LENGTH_S = 6.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return node_settings(tmp_path, upload_max_mb=1)


async def begin(client: httpx.AsyncClient, sound: bytes = SAID, **fields: str) -> httpx.Response:
    return await client.post("/api/transcribe/", data=fields, files={"file": ("talk.wav", sound, "audio/wav")})


async def ended(client: httpx.AsyncClient, services: Services, **fields: str) -> str:
    """The id of a job that is complete."""
    job_id = str((await begin(client, SAID, **fields)).json()["job_id"])
    await wait_for_state(services, job_id, TranscriptState.ENDED)
    return job_id


async def test_the_models_are_named_as_their_authors_do(client: httpx.AsyncClient) -> None:
    models = {model["name"]: model for model in (await client.get("/api/transcribe/models")).json()["models"]}
    tiny = models["tiny.en"]
    assert tiny["full_name"] == "openai/whisper-tiny.en"
    assert tiny["is_downloaded"] is False
    assert 50 < tiny["size_mb"] < 100
    assert tiny["description"]
    assert models["embedded-en"]["is_downloaded"] is True


@pytest.mark.parametrize("path", ["/api/transcribe", "/api/transcribe/"])
async def test_a_job_is_begun_at_either_spelling(client: httpx.AsyncClient, services: Services, path: str) -> None:
    answer = await client.post(path, files={"file": ("talk.wav", SAID, "audio/wav")})
    assert answer.status_code == 200
    body = answer.json()
    assert body["status"] == "processing"
    assert body["message"]
    assert (await services.store.get_transcript(body["job_id"])).source_kind == "file"
    assert answer.headers["X-Request-ID"]
    assert float(answer.headers["X-Process-Time-Ms"]) > 0


async def test_the_status_of_a_job_until_its_end(client: httpx.AsyncClient, services: Services) -> None:
    before = time.time()
    job_id = await ended(client, services, language="en", diarize="false")
    body = (await client.get(f"/api/transcribe/status/{job_id}")).json()
    assert (body["job_id"], body["status"], body["progress"]) == (job_id, "completed", 100)
    assert body["chunk_info"] == {"current_chunk": 1, "total_chunks": 1, "chunk_progress": 100}
    assert before - 1 <= body["updated_at"] <= time.time() + 1
    listed = (await client.get("/api/transcribe/jobs")).json()
    assert listed["count"] == 1
    assert listed["jobs"] == [body]


@pytest.mark.parametrize("job_id", ["05aaa04e-dc59-4e2f-af18-9fce6bf66068", "no-id", "%20"])
async def test_a_job_that_there_is_not(client: httpx.AsyncClient, job_id: str) -> None:
    answer = await client.get(f"/api/transcribe/status/{job_id}")
    assert answer.status_code == 200
    body = answer.json()
    assert body["status"] == "not_found"
    assert body["message"] == "Transcription job not found or expired"
    assert body["progress"] == 0
    assert abs(body["updated_at"] - time.time()) < 60
    for what in ("result", "debug"):
        answer = await client.get(f"/api/transcribe/{what}/{job_id}")
        assert answer.status_code == 404
        assert answer.json()["detail"] == answer.json()["error"]["message"]
        assert answer.headers["X-Request-ID"]


async def test_a_transcript_that_is_no_job_is_none(client: httpx.AsyncClient) -> None:
    id_ = (await client.post("/v1/transcripts", json={})).json()["id"]
    assert (await client.get(f"/api/transcribe/status/{id_}")).json()["status"] == "not_found"
    assert (await client.get(f"/api/transcribe/result/{id_}")).status_code == 404
    assert (await client.get("/api/transcribe/jobs")).json() == {"jobs": [], "count": 0}


async def test_the_result(client: httpx.AsyncClient, services: Services) -> None:
    job_id = await ended(client, services)
    body = (await client.get(f"/api/transcribe/result/{job_id}")).json()
    assert [segment["text"] for segment in body["segments"]] == ["alpha bravo", "charlie"]
    assert body["text"] == "alpha bravo charlie"
    assert body["language"] == "en"
    assert body["audio_duration"] == pytest.approx(LENGTH_S, abs=0.05)
    first, second = body["segments"]
    assert first["speaker"] == "SPEAKER_1"
    assert 0.0 < first["speaker_confidence"] <= 1.0
    assert (body["status"], body["problems"]) == ("completed", [])
    assert 0.0 <= first["start"] < 1.0 < first["end"] < second["start"]
    assert first["start_display"].startswith("00:00:00.")
    assert len(second["end_display"]) == len("00:00:02.340")
    assert [word["text"] for word in first["words"]] == ["alpha", "bravo"]


async def test_the_debugging_of_a_job(client: httpx.AsyncClient, services: Services) -> None:
    job_id = await ended(client, services, diarize="0")
    body = (await client.get(f"/api/transcribe/debug/{job_id}")).json()
    assert body["cached_segments"] == 2
    assert 4.0 < body["latest_time"] <= LENGTH_S
    assert (body["filename"], body["diarize"], body["status"]) == ("talk.wav", False, "completed")


@pytest.mark.parametrize(
    ("sound", "fields", "status", "says"),
    [
        (b"this is no sound", {}, 400, "no audio file"),
        (b"", {}, 400, "empty"),
        (bytes(1_200_000), {}, 413, "1 MB"),
        (SAID, {"model_name": "gpt-4"}, 404, "tiny.en"),
        (SAID, {"model_name": "tiny.en"}, 409, "download"),
        (SAID, {"language": "not a language"}, 422, "language"),
        (SAID, {"diarize": "perhaps"}, 422, "diarize"),
    ],
)
async def test_what_is_refused_leaves_nothing(
    client: httpx.AsyncClient, services: Services, sound: bytes, fields: dict[str, str], status: int, says: str
) -> None:
    answer = await begin(client, sound, **fields)
    assert answer.status_code == status, answer.text
    assert says in answer.json()["detail"]
    assert (await client.get("/api/transcribe/jobs")).json()["count"] == 0
    assert (await client.get("/v1/transcripts")).json()["total"] == 0
    assert not list((services.settings.data_dir / "incoming").iterdir())


async def test_who_sends_no_file_is_told(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/transcribe/", data={"model_name": ""})
    assert answer.status_code == 400
    assert "file" in answer.json()["detail"]


async def test_a_deleted_job_is_there_no_more(client: httpx.AsyncClient, services: Services) -> None:
    job_id = await ended(client, services)
    assert (await client.delete(f"/v1/transcripts/{job_id}")).status_code == 204
    assert (await client.get(f"/api/transcribe/status/{job_id}")).json()["status"] == "not_found"
    assert (await client.get("/api/transcribe/jobs")).json()["count"] == 0


async def test_what_has_ended_cannot_be_cancelled(client: httpx.AsyncClient, services: Services) -> None:
    job_id = await ended(client, services)
    answer = await client.post(f"/api/transcribe/cancel/{job_id}")
    assert answer.status_code == 409
    assert "ended" in answer.json()["detail"]


async def test_a_model_is_fetched_by_its_short_name(client: httpx.AsyncClient) -> None:
    found = await client.get("/api/transcribe/models/tiny.en/download")
    assert found.status_code == 404
    assert (await client.post("/api/transcribe/models/gpt-4/download")).status_code == 404


async def test_voices_are_told_apart_unless_nobody_wants_it(client: httpx.AsyncClient, services: Services) -> None:
    said = [sentence("alpha bravo charlie delta echo foxtrot", 0.5), sentence("golf hotel zero one two three", 4.5)]
    voices = [scripted_sound(words, length_s=8.0, voice=voice) for voice, words in enumerate(said)]
    apart = np.frombuffer(voices[0], np.int16) + np.frombuffer(voices[1], np.int16)
    found = {}
    for diarize in ("true", "", "false"):
        answer = await begin(client, wav_of(apart.tobytes()), diarize=diarize)
        job_id = answer.json()["job_id"]
        await wait_for_state(services, job_id, TranscriptState.ENDED)
        segments = (await client.get(f"/api/transcribe/result/{job_id}")).json()["segments"]
        found[diarize] = [(each["speaker"], each["speaker_confidence"] is not None) for each in segments]
    assert found["true"] == found[""] == [("SPEAKER_1", True), ("SPEAKER_2", True)]
    assert found["false"] == [("SPEAKER_1", False)] * 2
    assert (await begin(client, speakers_expected="0")).status_code == 422
    assert (await begin(client, max_speakers="21")).status_code == 422
