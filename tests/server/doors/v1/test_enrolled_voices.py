"""Voices enrolled over REST: who agreed, what is told of them, and that they are recognised over a real server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from server.services import Services
from server.store.records import VoicesAsked
from tests.fakes.issuer import SECRET, bearer, token
from tests.fakes.running_app import RunningApp, running_app
from tests.server.spoken_prints import Speech
from tests.server.test_recognition import ANNS, TALK

LONG = " ".join(["word"] * 26)  # each 0.4 s


async def speech_of(services: Services, owner: str | None = None) -> Speech:
    """Two voices on one track: 10.4 s of the first, 0.8 s of the second."""
    made = (await services.store.create_transcript(owner=owner)).id
    asked = VoicesAsked(diarize=True)
    track = await services.store.create_track(
        made, source="stream", started_at=1.0, speaker="Speaker 1", voices=asked, state="finished"
    )
    await services.store.voices.put_labels(made, {(track.id, 1): "Speaker 2"})
    speech = Speech(services.store, made, track.id)
    await speech.say(LONG, 0, 0)
    await speech.say("and me", 1, 1)
    return speech


@pytest.fixture
async def speech(services: Services) -> Speech:
    return await speech_of(services)


def asked(speech: Speech, **more: Any) -> dict[str, Any]:
    return {"transcript_id": speech.transcript_id, "speaker": 1, "name": " Ann ", "consent": True, **more}


async def test_made_listed_renamed_and_deleted(client: httpx.AsyncClient, services: Services, speech: Speech) -> None:
    answer = await client.post("/v1/voices", json=asked(speech))
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made == {
        "id": made["id"],
        "name": "Ann",
        "user_id": None,
        "project_id": None,
        "transcript_id": speech.transcript_id,
        "encoder": "scripted",
        "heard_s": 10.4,
        "created_at": made["created_at"],
    }
    path = f"/v1/voices/{made['id']}"
    assert answer.headers["location"] == path
    assert (await client.get("/v1/voices")).json() == {"items": [made], "total": 1}
    changed = await client.patch(path, json={"name": "Anna"})
    assert changed.json() == {**made, "name": "Anna"}
    assert (await client.patch(path, json={"name": " "})).status_code == 422
    # The mean is of the first voice alone.
    [kept] = await services.store.voices.enrolled.known_in(speech.transcript_id, of_nobody=True)
    assert (kept.dim, len(kept.embedding), kept.heard_samples) == (7, 14, 26 * 6400)
    assert (await client.delete(path)).status_code == 204
    assert (await client.delete(path)).status_code == 404
    assert (await client.get("/v1/voices")).json()["total"] == 0


@pytest.mark.parametrize("consent", [None, False])
async def test_without_consent_nothing_is_kept(
    client: httpx.AsyncClient, services: Services, speech: Speech, consent: bool | None
) -> None:
    body = {name: value for name, value in asked(speech, consent=consent).items() if value is not None}
    answer = await client.post("/v1/voices", json=body)
    assert answer.status_code == 422
    [problem] = answer.json()["error"]["details"]["problems"]
    assert problem == {"field": "consent", "problem": answer.json()["error"]["message"]}
    assert "ask the person" in problem["problem"]
    assert (await client.get("/v1/voices")).json()["items"] == []


async def test_what_cannot_be_done_is_said(client: httpx.AsyncClient, services: Services, speech: Speech) -> None:
    short = await client.post("/v1/voices", json=asked(speech, speaker=2))
    error = short.json()["error"]
    assert (short.status_code, error["details"]) == (409, {"heard_s": 0.8, "needed_s": 10.0})
    assert "0.8 s" in error["message"]
    for body, status in (
        (asked(speech, speaker="Speaker 7"), 404),
        (asked(speech, transcript_id="00000000-0000-4000-8000-000000000000"), 404),
        (asked(speech, transcript_id="x"), 404),
        (asked(speech, project_id="00000000-0000-4000-8000-000000000000"), 404),
        (asked(speech, name=" "), 422),
        (asked(speech, name="\0"), 422),
        ({"name": "Ann"}, 422),
    ):
        assert (await client.post("/v1/voices", json=body)).status_code == status, body
    kept = (await services.store.voices.prints_of(speech.track_id))[0]
    other = type(kept)(kept.track_id, "another", kept.dim, kept.steps, kept.embeddings)
    await services.store.voices.keep(speech.transcript_id, other)
    answer = await client.post("/v1/voices", json=asked(speech))
    details = answer.json()["error"]["details"]
    assert (answer.status_code, details) == (409, {"encoder": "another", "encoder_here": "scripted"})
    await services.store.remove_audio(speech.transcript_id)
    answer = await client.post("/v1/voices", json=asked(speech))
    assert (answer.status_code, "no voices were told apart" in answer.json()["error"]["message"]) == (409, True)


async def test_what_people_set_right_counts(client: httpx.AsyncClient, services: Services, speech: Speech) -> None:
    """A stretch that was told of the second voice is given to the first."""
    start = speech.at_samples
    await speech.say("mine as well", 1, 0)
    wanted = {"speaker": 1, "timestamp_from": start / 16_000, "timestamp_to": 99}
    assert (await client.post(f"/v1/transcripts/{speech.transcript_id}/speaker/assign", json=wanted)).is_success
    assert (await client.post("/v1/voices", json=asked(speech))).json()["heard_s"] == pytest.approx(10.4 + 1.2)


async def test_a_projects_voices_are_its_own(client: httpx.AsyncClient, services: Services, speech: Speech) -> None:
    project = (await client.post("/api/projects", json={"name": "p"})).json()["id"]
    made = (await client.post("/v1/voices", json=asked(speech, project_id=project))).json()
    assert made["project_id"] == project
    await client.post("/v1/voices", json=asked(speech))
    assert (await client.get("/v1/voices", params={"project_id": project})).json()["items"] == [made]
    assert (await client.get("/v1/voices")).json()["total"] == 2
    missing = {"project_id": "00000000-0000-4000-8000-000000000000"}
    assert (await client.get("/v1/voices", params=missing)).status_code == 404
    assert (await client.delete(f"/api/projects/{project}")).is_success
    assert (await client.get("/v1/voices")).json()["total"] == 1


async def spoken(node: RunningApp, sound: bytes) -> str:
    transcript_id = (await node.http.post("/v1/transcripts/", json={})).json()["id"]
    async with node.socket(f"/v1/transcripts_stream/{transcript_id}") as socket:
        await socket.send({"type": "start"})
        await socket.until("started")
        for at in range(0, len(sound), 32_000):
            await socket.send(sound[at : at + 32_000])
        await socket.send({"type": "stop"})
        await socket.until("stopped")
    return str(transcript_id)


async def speakers(node: RunningApp, transcript_id: str) -> list[tuple[str, str]]:
    items = (await node.http.get(f"/v1/transcripts/{transcript_id}/segments")).json()["items"]
    return [(item["speaker"], item["speaker_label"]) for item in items]


async def test_one_is_recognised_in_a_later_recording_over_a_real_server(tmp_path: Path) -> None:
    async with running_app(tmp_path) as node:
        first = await spoken(node, ANNS)
        body = {"transcript_id": first, "speaker": "Speaker 1", "name": "Ann", "consent": True}
        made = await node.http.post("/v1/voices", json=body)
        assert made.status_code == 201, made.text
        second = await spoken(node, TALK)
        assert await speakers(node, second) == [
            ("Speaker 1", "Speaker 1"),
            ("Ann", "Speaker 2"),
            ("Speaker 1", "Speaker 1"),
        ]
        [ann] = (await node.http.get(f"/v1/transcripts/{second}/participants")).json()
        assert (ann["name"], ann["recognised"]) == ("Ann", True)
        await node.http.delete(f"/v1/voices/{made.json()['id']}")
        third = await spoken(node, TALK)
        assert {speaker for speaker, _ in await speakers(node, third)} == {"Speaker 1", "Speaker 2"}
        assert (await speakers(node, second))[1] == ("Ann", "Speaker 2")


async def test_one_is_its_owners_alone(tmp_path: Path) -> None:
    anna, bert, admin = bearer(token("anna")), bearer(token("bert")), bearer(token("root", scope="admin"))
    async with running_app(tmp_path, auth_mode="jwt", jwt_secret=SecretStr(SECRET)) as node:
        found = await speech_of(node.services, "anna")
        project = (await node.http.post("/api/projects", json={"name": "p"}, headers=bert)).json()["id"]
        made = await node.http.post("/v1/voices", json=asked(found), headers=anna)
        assert (made.status_code, made.json()["user_id"]) == (201, "anna")
        path = made.headers["location"]
        for share_mode, status in (("private", 404), ("semi-private", 403), ("public", 403)):
            shared = await node.http.patch(
                f"/v1/transcripts/{found.transcript_id}", json={"share_mode": share_mode}, headers=anna
            )
            assert shared.is_success
            answer = await node.http.post("/v1/voices", json=asked(found), headers=bert)
            assert answer.status_code == status
        for body, headers, status in (
            (asked(found), {}, 401),
            (asked(found, project_id=project), anna, 404),
            (asked(found, project_id=project), admin, 409),  # they are not of one owner
        ):
            assert (await node.http.post("/v1/voices", json=body, headers=headers)).status_code == status
        for headers, status in ((bert, 404), ({}, 401)):
            assert (await node.http.patch(path, json={"name": "x"}, headers=headers)).status_code == status
            assert (await node.http.delete(path, headers=headers)).status_code == status
        for headers, count in ((anna, 1), (bert, 0), (admin, 1)):
            assert (await node.http.get("/v1/voices", headers=headers)).json()["total"] == count
        assert (await node.http.delete(path, headers=admin)).status_code == 204
