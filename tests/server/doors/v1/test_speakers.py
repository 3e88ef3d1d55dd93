"""Assigning and merging speakers over REST."""

from __future__ import annotations

import asyncio

import httpx

from server.services import Services
from server.store.records import VoicesAsked
from tests.server.doors.v1.test_participants import path, shown
from tests.server.spoken_prints import Speech
from tests.server.test_track_prints import said_half

__all__ = ["path"]


async def test_a_stretch_is_given_to_a_speaker_and_merged_back(client: httpx.AsyncClient, path: str) -> None:
    ann = (await client.post(f"{path}/participants", json={"name": "Ann"})).json()
    wanted = {"participant": ann["id"], "timestamp_from": 2.1, "timestamp_to": 3}
    done = (await client.patch(f"{path}/speaker/assign", json=wanted)).json()
    assert {**done, "participant": done["participant"]["name"]} == {
        "status": "ok",
        "speaker": "Speaker 3",
        "speaker_number": 3,
        "participant": "Ann",
        "segments": 1,
        "split": 1,
        "rounded": 0,
        "merge": None,
    }
    assert await shown(client, path) == [
        ("hello there", "Speaker 1", "Speaker 1"),
        ("you", "Ann", "Speaker 3"),
        ("hello there you", "Speaker 2", "Speaker 2"),
    ]
    done = (await client.post(f"{path}/speaker/merge", json={"speaker_from": 3, "speaker_to": "Speaker 1"})).json()
    assert (done["speaker"], done["participant"]["name"], done["segments"]) == ("Speaker 1", "Ann", 2)
    assert [speaker for _, speaker, _ in await shown(client, path)] == ["Ann", "Ann", "Speaker 2"]
    await client.post(f"{path}/participants", json={"name": "Bob", "speaker": 2})
    answer = await client.patch(f"{path}/speaker/merge", json={"speaker_from": 1, "speaker_to": 2})
    assert answer.status_code == 409
    assert answer.json()["error"]["message"] == "Both speakers are assigned to participants"
    wanted = {"speaker_from": 1, "speaker_to": 2, "participant": answer.json()["error"]["details"]["participants"][1]}
    answer = await client.patch(f"{path}/speaker/merge", json=wanted)
    assert (answer.status_code, answer.json()["participant"]["name"]) == (200, "Bob")
    assert [speaker for _, speaker, _ in await shown(client, path)] == ["Bob"] * 3


async def test_a_locked_transcript_is_a_conflict(client: httpx.AsyncClient, services: Services, path: str) -> None:
    await services.store.update_transcript(path.rsplit("/", 1)[1], locked=True)
    for method, place, body in (
        ("POST", "speaker/merge", {"speaker_from": 1, "speaker_to": 2}),
        ("POST", "speaker/assign", {"speaker": 1, "timestamp_from": 0, "timestamp_to": 9}),
        ("POST", "participants", {"name": "Ann"}),
        ("POST", "speaker/relabel", {}),
    ):
        answer = await client.request(method, f"{path}/{place}", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONFLICT")


async def test_what_cannot_be_done_is_said(client: httpx.AsyncClient, path: str) -> None:
    before = await shown(client, path)
    for place, body, status in (
        ("assign", {"timestamp_from": 0, "timestamp_to": 1}, 422),
        ("assign", {"speaker": 1, "participant": "par_0", "timestamp_from": 0, "timestamp_to": 1}, 422),
        ("assign", {"speaker": 1, "timestamp_from": 2, "timestamp_to": 1}, 422),
        ("assign", {"speaker": 1, "timestamp_from": -1, "timestamp_to": 1}, 422),
        ("assign", {"speaker": 1, "timestamp_to": 1}, 422),
        ("assign", {"participant": "par_0", "timestamp_from": 0, "timestamp_to": 1}, 404),
        ("assign", {"speaker": 1, "timestamp_from": 0, "timestamp_to": 1, "track": "none"}, 404),
        ("merge", {"speaker_from": 1}, 422),
        ("merge", {"speaker_from": 1, "speaker_to": 1}, 422),
        ("merge", {"speaker_from": 1, "speaker_to": 9}, 404),
    ):
        answer = await client.post(f"{path}/speaker/{place}", json=body)
        assert answer.status_code == status, (place, body)
        assert status != 422 or answer.json()["error"]["details"]["problems"][0]["problem"], (place, body)
    assert await shown(client, path) == before


async def test_a_merge_is_undone(client: httpx.AsyncClient, path: str) -> None:
    before = await shown(client, path)
    body = {"speaker_from": 2, "speaker_to": 1}
    merged = (await client.patch(f"{path}/speaker/merge", json=body)).json()
    assert await shown(client, path) != before
    assert (await client.post(f"{path}/speaker/unmerge", json={"merge": "mrg_other"})).status_code == 409
    done = await client.post(f"{path}/speaker/unmerge", json={"merge": merged["merge"]})
    assert (done.status_code, done.json()["speaker_number"], done.json()["merge"]) == (200, 2, None)
    assert await shown(client, path) == before
    assert (await client.patch(f"{path}/speaker/unmerge")).status_code == 404


async def test_who_spoke_is_said_anew(client: httpx.AsyncClient, services: Services) -> None:
    transcript_id = (await services.store.create_transcript()).id
    place = f"/v1/transcripts/{transcript_id}/speaker/relabel"
    await services.store.create_track(
        transcript_id, source="stream", started_at=1000.0, track_id="trk_9", voices=VoicesAsked(diarize=True)
    )
    refused = await client.post(place, json={})  # nothing was heard
    assert (refused.status_code, "yet" in refused.json()["error"]["message"]) == (409, True)
    speech = Speech(services.store, transcript_id, "trk_9")
    for text, heard in (("one two three four", 0), ("five six seven eight", 1)):
        await speech.say(text, 0, heard)
    done = await client.post(place)
    assert (done.status_code, done.json()) == (200, {"status": "ok", "voices": 2, "segments": 1, "split": 0})
    done = await client.patch(place, json={"max_speakers": 1})
    assert done.json()["voices"] == 1
    for wrong in ({"speakers_expected": 0}, {"max_speakers": 21}, {"max_speakers": "many"}):
        assert (await client.post(place, json=wrong)).status_code == 422
    refused = await client.post(place, json={"speakers_expected": 3, "max_speakers": 2})
    problems = [{"field": "max_speakers", "problem": "fewer than speakers_expected"}]
    assert refused.json()["error"]["details"] == {"problems": problems}


async def test_what_is_assigned_while_somebody_speaks_brings_a_pass(
    client: httpx.AsyncClient, services: Services
) -> None:
    speaking = await said_half(services)
    path = f"/v1/transcripts/{speaking.transcript_id}/speaker/assign"
    wanted = {"speaker": 7, "timestamp_from": 3.9, "timestamp_to": 7.0}
    assert (await client.patch(path, json=wanted)).json()["segments"] == 1
    async with asyncio.timeout(60):
        while not (await services.store.tracks_of(speaking.transcript_id))[0].grouped_samples:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await speaking.stop()
