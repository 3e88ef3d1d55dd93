"""What a PATCH may change, what it must not, and what it says when it cannot."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from protocol.errors import StoreUnavailable
from protocol.states import TranscriptState
from server.services import Services
from tests.fakes.kept_track import kept_track
from tests.fakes.node import Client, wait_for_state
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of

SOUND = scripted_sound(sentence("alpha bravo", 0.5))


@pytest.fixture
async def path(client: httpx.AsyncClient) -> str:
    return f"/v1/transcripts/{(await client.post('/v1/transcripts/')).json()['id']}"


async def test_all_that_may_be_changed_is(client: httpx.AsyncClient, path: str) -> None:
    before = (await client.get(path)).json()
    wanted: dict[str, Any] = {
        "name": "Weekly",
        "title": "The week",
        "source_language": "de",
        "share_mode": "semi-private",
        "locked": True,
        "short_summary": "Short.",
        "long_summary": "Rather long.",
    }
    changed = (await client.patch(path, json=wanted)).json()
    assert {name: changed[name] for name in wanted} == wanted
    assert changed["data"]["summary"] == {
        "summary": "Short.",
        "topics": [],
        "action_items": [],
        "key_points": [],
        "long_summary": "Rather long.",
    }
    assert changed["change_seq"] > before["change_seq"]
    assert (await client.get(path)).json() == changed
    again = (await client.patch(path, json={"short_summary": "Shorter.", "locked": False})).json()
    assert (again["short_summary"], again["long_summary"], again["locked"]) == ("Shorter.", "Rather long.", False)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"unknown": 1},
        {"share_mode": "secret"},
        {"locked": "perhaps"},
        {"status": "flying"},
        {"title": "x" * 501},
        {"language": "!"},
        {"participants": [{"id": "x"}]},
        {"participants": "Ann"},
    ],
)
async def test_what_is_not_as_documented_changes_nothing(
    client: httpx.AsyncClient, path: str, wrong: dict[str, Any]
) -> None:
    before = (await client.get(path)).json()
    refused = await client.patch(path, json={**wrong, "name": "other"} if wrong and "unknown" not in wrong else wrong)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "VALIDATION_ERROR")
    assert (await client.get(path)).json() == before


async def test_a_version_that_is_not_the_newest_is_refused(client: httpx.AsyncClient, path: str) -> None:
    tag = (await client.get(path)).headers["etag"]
    changed = await client.patch(path, json={"name": "a"}, headers={"If-Match": tag})
    assert changed.status_code == 200
    for stale in (tag, f"W/{changed.headers['etag']}", "nonsense", '"100001", "100002"'):
        refused = await client.patch(path, json={"name": "b"}, headers={"If-Match": stale})
        assert (refused.status_code, refused.json()["error"]["code"]) == (412, "PRECONDITION_FAILED"), stale
    for good in (changed.headers["etag"], "*"):
        assert (await client.patch(path, json={"name": "c"}, headers={"If-Match": good})).status_code == 200
    newest = (await client.get(path)).headers["etag"]
    assert (
        await client.patch(path, json={"name": "d"}, headers={"If-Match": f'"100001", {newest}'})
    ).status_code == 200


async def test_a_recording_is_paused_resumed_and_completed(
    client: httpx.AsyncClient, path: str, services: Services
) -> None:
    async def asked(status: str) -> tuple[int, str]:
        answer = await client.patch(path, json={"status": status})
        body = answer.json()
        return answer.status_code, body["status"] if answer.is_success else body["error"]["code"]

    for status in ("paused", "resume", "completed", "initializing", "failed"):
        assert await asked(status) == (409, "ILLEGAL_STATE"), status
    speaker = Client(services, path.rsplit("/", 1)[-1])
    await speaker.begin()
    assert await asked("processing") == (200, "processing")  # it is
    assert await asked("pause") == (200, "paused")
    assert await asked("paused") == (200, "paused")
    assert await asked("resume") == (200, "processing")
    await speaker.say(SOUND)
    refused = await client.patch(path, json={"name": "other", "status": "failed"})
    assert refused.status_code == 409
    assert (await client.get(path)).json()["name"] == ""  # nothing of it was done
    assert (await asked("completed"))[0] == 200
    await wait_for_state(services, speaker.transcript_id, TranscriptState.ENDED)
    assert await asked("completed") == (200, "completed")


async def test_participants_are_replaced_together(client: httpx.AsyncClient, path: str) -> None:
    first = await client.patch(path, json={"participants": [{"name": "Ann", "speaker": 1}, {"name": "Bo"}]})
    ann, bo = first.json()["participants"]
    assert [(each["name"], each["speaker"]) for each in (ann, bo)] == [("Ann", "Speaker 1"), ("Bo", None)]
    wanted = [{"id": bo["id"], "name": "Bob"}, {"name": "Cy"}]
    second = (await client.patch(path, json={"participants": wanted})).json()
    assert [(each["id"] == bo["id"], each["name"]) for each in second["participants"]] == [(True, "Bob"), (False, "Cy")]
    listed = (await client.get("/v1/transcripts")).json()["items"][0]
    assert listed["participants"] == second["participants"]
    await client.patch(path, json={"locked": True})
    assert (await client.patch(path, json={"participants": [], "title": "x"})).status_code == 409
    assert (await client.get(path)).json()["title"] == ""
    assert (await client.patch(path, json={"participants": [], "locked": False})).json()["participants"] == []


async def test_a_change_is_made_whole_or_not_at_all(client: httpx.AsyncClient, path: str) -> None:
    twice = [{"name": "Ann", "speaker": 1}, {"name": "Bo", "speaker": 1}]
    before = (await client.get(path)).json()
    refused = await client.patch(path, json={"title": "x", "locked": True, "participants": twice})
    assert (refused.status_code, refused.json()["error"]["message"]) == (409, "Speaker already assigned")
    assert (await client.get(path)).json() == before
    tag = {"If-Match": (await client.get(path)).headers["etag"]}
    racing = [client.patch(path, json={"participants": [{"name": name}]}, headers=tag) for name in ("Ann", "Bo")]
    assert sorted(answer.status_code for answer in await asyncio.gather(*racing)) == [200, 412]
    wanted = {"participants": [{"name": "Cy"}], "audio_deleted": True, "locked": True}
    changed = (await client.patch(path, json=wanted)).json()
    assert (changed["audio_deleted"], changed["locked"]) == (True, True)
    assert [each["name"] for each in changed["participants"]] == ["Cy"]


async def test_sound_is_gone_when_it_is_said_to_be_whatever_fails_after_that(
    client: httpx.AsyncClient, path: str, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    transcript_id = path.rsplit("/", 1)[-1]
    await kept_track(services, transcript_id, "Ann", SOUND, started_at=1000.0)
    folders = [folder / transcript_id for folder in (services.settings.recordings_dir, services.settings.uploads_dir)]
    folders[1].mkdir(parents=True)
    assert all(folder.is_dir() for folder in folders)

    async def fails() -> None:
        raise StoreUnavailable("the database is not there")

    monkeypatch.setattr(services.journal, "flushed", fails)  # names of participants reach segments after it
    failed = await client.patch(path, json={"audio_deleted": True, "participants": [{"name": "Ann", "speaker": "Ann"}]})
    monkeypatch.undo()
    assert failed.status_code == 503
    assert (await client.get(path)).json()["audio_deleted"] is True
    assert not any(folder.exists() for folder in folders)


async def test_a_locked_one_neither_takes_sound_nor_loses_any(client: httpx.AsyncClient, path: str) -> None:
    await client.patch(path, json={"locked": True})
    for way in (path, f"{path}/audio"):
        refused = await client.delete(way)
        assert (refused.status_code, "unlock it" in refused.json()["error"]["message"]) == (409, True)
    assert (await client.patch(path, json={"audio_deleted": True, "title": "x"})).status_code == 409
    assert [(await client.get(path)).json()[field] for field in ("audio_deleted", "title")] == [False, ""]
    transcript_id = path.rsplit("/", 1)[-1]
    refused = await client.post(f"/v1/transcripts_audio/{transcript_id}/upload", content=wav_of(SOUND))
    assert refused.status_code == 409
    assert "locked" in refused.json()["error"]["message"]
    assert (await client.patch(path, json={"locked": False, "name": "x"})).status_code == 200
