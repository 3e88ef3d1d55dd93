"""A stretch of sound heard again, on a node in process; by the recogniser in use, and by another."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from protocol.ids import new_transcript_id
from protocol.states import TranscriptState
from server.services import Services
from tests.fakes.node import finals_of, wait_for_state
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.spoken_sample import spoken_sample
from tests.fakes.wav import wav_of

PCM = scripted_sound([*sentence("alpha bravo", 0.5), *sentence("charlie delta", 4.0)], length_s=6.0)


@pytest.fixture
async def job_id(client: httpx.AsyncClient, services: Services) -> str:
    """A job that is complete."""
    answer = await client.post("/api/transcribe/", files={"file": ("talk.wav", wav_of(PCM), "audio/wav")})
    found = str(answer.json()["job_id"])
    await wait_for_state(services, found, TranscriptState.ENDED)
    return found


def stretch(**more: Any) -> dict[str, Any]:
    return {"segment_id": "seg-1", "start_time": 3.5, "end_time": 5.5, **more}


async def test_a_clip(client: httpx.AsyncClient, services: Services) -> None:
    fields = {"segment_id": "seg-1", "start_time": "0", "end_time": "6.0", "language": "en"}
    answer = await client.post("/api/retranslate/segment", data=fields, files={"file": ("clip.wav", wav_of(PCM))})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["segment_id"], body["text"]) == ("seg-1", "alpha bravo charlie delta")
    assert 0.0 < body["confidence"] <= 1.0
    assert (body["speaker"], body["model_used"], body["revision"]) == (None, "scripted", None)
    assert (await client.get("/v1/transcripts")).json()["total"] == 0
    assert not list((services.settings.data_dir / "incoming").iterdir())


async def test_a_clip_by_another_recogniser(client: httpx.AsyncClient) -> None:
    start_s, end_s, text = spoken_sample().turns[0]
    samples = spoken_sample().samples[round(start_s * 16_000) : round(end_s * 16_000)]
    fields = {"segment_id": "seg-1", "start_time": "0", "end_time": "6.0", "model_name": "embedded-en"}
    files = {"file": ("clip.wav", wav_of(samples.astype("<i2").tobytes()))}
    body = (await client.post("/api/retranslate/segment", data=fields, files=files)).json()
    assert body["model_used"] == "embedded-en"
    said, wanted = set(body["text"].lower().split()), {word.strip(".,?").lower() for word in text.split()}
    assert len(said & wanted) >= 0.7 * len(wanted)


async def test_a_segment_of_a_job_gets_the_new_text_and_keeps_the_old(
    client: httpx.AsyncClient, services: Services, job_id: str
) -> None:
    """What is heard takes the place of what stood in that stretch: of one word here, in a segment of two."""
    before = (await client.get(f"/api/transcribe/result/{job_id}")).json()["segments"][1]
    first, second = before["words"]
    body = stretch(segment_id=before["segment_id"], start_time=second["start"] - 0.02, end_time=second["end"] + 0.5)
    answer = await client.post(f"/api/retranslate/segment-from-full?job_id={job_id}", json=body)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["text"], told["revision"], told["speaker"]) == ("delta", 2, "SPEAKER_1")
    assert told["words"][0]["start"] == pytest.approx(second["start"], abs=0.05)
    after = (await client.get(f"/api/transcribe/result/{job_id}")).json()["segments"]
    assert [segment["text"] for segment in after] == ["alpha bravo", "charlie delta"]
    assert (after[1]["segment_id"], after[1]["revision"], after[1]["words"][0]) == (before["segment_id"], 2, first)
    versions = [segment.text for segment in await finals_of(services, job_id)]
    assert versions == ["alpha bravo", "charlie delta", "charlie delta"]


async def test_what_is_heard_of_the_neighbours_stays_theirs(client: httpx.AsyncClient, job_id: str) -> None:
    before = (await client.get(f"/api/transcribe/result/{job_id}")).json()
    body = stretch(segment_id=before["segments"][0]["segment_id"], start_time=0.0, end_time=6.0)
    told = (await client.post(f"/api/retranslate/segment-from-full?job_id={job_id}", json=body)).json()
    assert told["text"] == "alpha bravo charlie delta"
    after = (await client.get(f"/api/transcribe/result/{job_id}")).json()
    assert after["text"] == before["text"]
    assert [segment["revision"] for segment in after["segments"]] == [2, 1]


async def test_a_stretch_elsewhere_changes_nothing(client: httpx.AsyncClient, job_id: str) -> None:
    before = (await client.get(f"/api/transcribe/result/{job_id}")).json()
    body = stretch(segment_id=before["segments"][0]["segment_id"])
    told = (await client.post(f"/api/retranslate/segment-from-full?job_id={job_id}", json=body)).json()
    assert (told["text"], told["revision"]) == ("charlie delta", None)
    assert (await client.get(f"/api/transcribe/result/{job_id}")).json() == before


async def test_another_name_of_a_segment_changes_nothing(client: httpx.AsyncClient, job_id: str) -> None:
    before = (await client.get(f"/api/transcribe/result/{job_id}")).json()
    answer = await client.post(f"/api/retranslate/segment-from-full?job_id={job_id}", json=stretch())
    assert answer.json()["text"] == "charlie delta"
    assert answer.json()["revision"] is None
    assert (await client.get(f"/api/transcribe/result/{job_id}")).json() == before


async def test_where_nothing_is_heard_the_words_stay(client: httpx.AsyncClient, job_id: str) -> None:
    before = (await client.get(f"/api/transcribe/result/{job_id}")).json()
    body = stretch(segment_id=before["segments"][0]["segment_id"], start_time=2.0, end_time=3.0)
    answer = await client.post(f"/api/retranslate/segment-from-full?job_id={job_id}", json=body)
    assert (answer.status_code, answer.json()["text"]) == (200, "")
    assert (await client.get(f"/api/transcribe/result/{job_id}")).json() == before


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (stretch(start_time=5.0, end_time=5.0), 400),
        (stretch(start_time=100.0, end_time=110.0), 400),
        (stretch(start_time=-1.0), 422),
        (stretch(model_name="gpt-4"), 404),
        (stretch(model_name="whisper-large-v3-turbo"), 409),
        ({"segment_id": "seg-1"}, 422),
        (stretch(language="no language at all"), 422),
    ],
)
async def test_what_cannot_be_is_refused(
    client: httpx.AsyncClient, job_id: str, body: dict[str, Any], status: int
) -> None:
    answer = await client.post(f"/api/retranslate/segment-from-full?job_id={job_id}", json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]


async def test_a_job_that_there_is_not(client: httpx.AsyncClient) -> None:
    path = f"/api/retranslate/segment-from-full?job_id={new_transcript_id()}"
    assert (await client.post(path, json=stretch())).status_code == 404


async def test_a_locked_job_and_one_without_sound_stay_as_they_are(
    client: httpx.AsyncClient, services: Services, job_id: str
) -> None:
    path = f"/api/retranslate/segment-from-full?job_id={job_id}"
    await services.store.update_transcript(job_id, locked=True)
    assert (await client.post(path, json=stretch())).status_code == 409
    await services.store.update_transcript(job_id, locked=False)
    assert (await client.delete(f"/v1/transcripts/{job_id}/audio")).status_code in (200, 204)
    answer = await client.post(path, json=stretch())
    assert answer.status_code == 409
    assert "sound" in answer.json()["detail"]


async def test_what_is_no_sound_is_refused(client: httpx.AsyncClient) -> None:
    fields = {"segment_id": "seg-1", "start_time": "0", "end_time": "6.0"}
    answer = await client.post("/api/retranslate/segment", data=fields, files={"file": ("clip.wav", b"no sound")})
    assert answer.status_code == 400


async def test_a_clip_that_is_too_long_is_refused(client: httpx.AsyncClient) -> None:
    fields = {"segment_id": "seg-1", "start_time": "0", "end_time": "6.0"}
    files = {"file": ("clip.wav", wav_of(bytes(2 * 16_000 * 150)))}
    answer = await client.post("/api/retranslate/segment", data=fields, files=files)
    assert answer.status_code == 413
