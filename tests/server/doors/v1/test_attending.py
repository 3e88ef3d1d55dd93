"""Taking part in a meeting: by REST and by WebRTC, with real peers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest

from protocol.states import TranscriptState
from server.services import Services
from tests.fakes.node import finals_of, wait_for_state
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.net.rtc_client import RtcClient

ANNA = scripted_sound(sentence("alpha bravo charlie", 0.3))
BEN = scripted_sound(sentence("delta echo foxtrot", 0.3))


def bearer(joined: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {joined['token']}"}


async def opened(client: httpx.AsyncClient, **room: Any) -> dict[str, Any]:
    made = (await client.post("/v1/rooms", json=room)).json()
    meeting: dict[str, Any] = (await client.post(f"/v1/rooms/{made['id']}/meeting")).json()
    return meeting


async def joined_as(
    client: httpx.AsyncClient, meeting: dict[str, Any], name: str | None, **more: str
) -> dict[str, Any]:
    answer = await client.post(f"/v1/meetings/{meeting['id']}/join", json={"name": name, **more})
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    joined: dict[str, Any] = answer.json()
    return joined


async def connect(client: httpx.AsyncClient, joined: dict[str, Any], peer: RtcClient) -> dict[str, Any]:
    told: dict[str, Any] = {}

    async def exchange(sdp: str, type_: str) -> tuple[str, str]:
        answer = await client.post(joined["offer_url"], json={"sdp": sdp, "type": type_}, headers=bearer(joined))
        assert answer.status_code == 200, answer.text
        told.update(answer.json())
        return told["sdp"], told["type"]

    await peer.connect(exchange)
    return told


@asynccontextmanager
async def speaking(client: httpx.AsyncClient, joined: dict[str, Any], sound: bytes) -> AsyncIterator[RtcClient]:
    async with RtcClient(sound) as peer:
        await connect(client, joined, peer)
        yield peer


async def said(services: Services, meeting: dict[str, Any]) -> dict[str, str]:
    """What was written down, by whom it was said."""
    texts: dict[str, str] = {}
    for segment in await finals_of(services, meeting["transcript_id"]):
        speaker = segment.speaker or ""
        texts[speaker] = f"{texts.get(speaker, '')} {segment.text}".strip()
    return texts


async def test_two_speak_and_each_is_written_down_under_their_own_name(
    client: httpx.AsyncClient, services: Services
) -> None:
    await services.asr.wait_ready()
    meeting = await opened(client)
    anna, ben = await joined_as(client, meeting, "Anna"), await joined_as(client, meeting, "Ben")
    assert anna["meeting"]["id"] == anna["id"] == meeting["id"]
    assert anna["transcript_id"] == meeting["transcript_id"]
    async with AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(speaking(client, who, it)) for who, it in ((anna, ANNA), (ben, BEN))]
        # Either is told of both.
        await peers[0].wait_message(lambda text: '"is_final":true' in text and "charlie" in text)
        await peers[0].wait_message(lambda text: '"is_final":true' in text and "foxtrot" in text)
        status = (await client.get(f"/v1/transcripts/{meeting['transcript_id']}")).json()["status"]
        assert status == "processing"  # as the contract calls what is being recorded
        people = (await client.get(f"/v1/meetings/{meeting['id']}/participants")).json()
        assert (people["total"], people["sound_kept"]) == (2, True)
        assert [(each["name"], each["connected"], each["muted"]) for each in people["items"]] == [
            ("Anna", True, False),
            ("Ben", True, False),
        ]
        assert "token" not in str(people)
        assert services.peers.sounds.members == 2
        ended = await client.post(f"/v1/meetings/{meeting['id']}/end")
        assert ended.json()["status"] == "ended"
        # Though both still send: nobody is heard any more, nothing is recorded, and who reads is told.
        assert services.peers.sounds.members == 0
        lengths = {s.track.id: s.pipeline.length_samples for s in services.hub.sessions_of(meeting["transcript_id"])}
        await peers[1].wait_message(lambda text: '"state":"processing"' in text)
        await wait_for_state(services, meeting["transcript_id"], TranscriptState.ENDED)
    assert await said(services, meeting) == {"Anna": "alpha bravo charlie", "Ben": "delta echo foxtrot"}
    tracks = await services.store.tracks_of(meeting["transcript_id"])
    assert {track.name for track in tracks} == {anna["participant_id"], ben["participant_id"]}
    assert {track.id: track.length_samples for track in tracks} == lengths
    refused = await client.post(anna["offer_url"], json={"sdp": "v=0"}, headers=bearer(anna))
    assert (refused.status_code, refused.json()["error"]["message"]) == (409, "Meeting has ended")


async def test_who_comes_back_goes_on_with_their_track(client: httpx.AsyncClient, services: Services) -> None:
    await services.asr.wait_ready()
    meeting = await opened(client)
    anna = await joined_as(client, meeting, "Anna")
    async with speaking(client, anna, ANNA) as peer:
        await peer.wait_message(lambda text: '"is_final":true' in text)
    # Without any resume token: the page was loaded anew and knows who it is, no more.
    async with speaking(client, anna, BEN) as peer:
        await peer.wait_message(lambda text: '"is_final":true' in text and "delta" in text)
        assert (await client.post(f"/v1/meetings/{meeting['id']}/leave", headers=bearer(anna))).status_code == 204
        await wait_for_state(services, meeting["transcript_id"], TranscriptState.ENDED)
    (person,) = (await client.get(f"/v1/meetings/{meeting['id']}/participants")).json()["items"]
    assert (person["is_here"], person["connected"]) == (False, False)
    # Who left may come again, too.
    async with speaking(client, anna, ANNA):
        (person,) = (await client.get(f"/v1/meetings/{meeting['id']}/participants")).json()["items"]
        assert person["is_here"] is True
    assert len(await services.store.tracks_of(meeting["transcript_id"])) == 1
    assert (await said(services, meeting))["Anna"].startswith("alpha bravo charlie delta echo foxtrot")


async def test_names_of_those_who_are_called_alike(client: httpx.AsyncClient) -> None:
    meeting = await opened(client)
    names = ["Anna", "anna", "Anna", None, "  ", "A\u202enna\n\x00 Lee", "Zoë"]
    joined = await asyncio.gather(*(joined_as(client, meeting, name) for name in names[:1]))
    joined += [await joined_as(client, meeting, name) for name in names[1:]]
    assert [each["name"] for each in joined] == ["Anna", "anna 2", "Anna 3", "Guest", "Guest 2", "Anna Lee", "Zoë"]
    assert len({each["token"] for each in joined}) == len(names)
    # Those who left keep their names: their words stand under them.
    await client.post(f"/v1/meetings/{meeting['id']}/leave", headers=bearer(joined[6]))
    assert (await joined_as(client, meeting, "Zoë"))["name"] == "Zoë 2"
    again = await joined_as(client, meeting, "whoever", token=joined[6]["token"])
    assert (again["name"], again["participant_id"]) == ("Zoë", joined[6]["participant_id"])
    assert (await client.post(f"/v1/meetings/{meeting['id']}/join", json={"name": "x" * 101})).status_code == 422


async def test_a_token_is_good_for_one_participant_only(client: httpx.AsyncClient) -> None:
    meeting, other = await opened(client), await opened(client)
    anna, ben = await joined_as(client, meeting, "Anna"), await joined_as(client, meeting, "Ben")
    stranger = await joined_as(client, other, "Anna")
    for headers in ({}, bearer(ben), bearer(stranger), {"Authorization": "Bearer eap_guessed"}):
        refused = await client.post(anna["offer_url"], json={"sdp": "v=0"}, headers=headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "NOT_FOUND"), headers
    for headers in ({}, bearer(stranger)):
        assert (await client.post(f"/v1/meetings/{meeting['id']}/leave", headers=headers)).status_code == 404
    refused = await client.post(f"/v1/meetings/{meeting['id']}/join", json={"token": stranger["token"]})
    assert refused.status_code == 404
    own = await client.post(anna["offer_url"], json={"sdp": "v=0"}, headers=bearer(anna))
    assert own.json()["error"]["code"] == "SDP_ERROR"
    assert (await client.post(anna["offer_url"], json={}, headers=bearer(anna))).status_code == 422


async def test_the_token_itself_is_kept_nowhere(client: httpx.AsyncClient, services: Services) -> None:
    anna = await joined_as(client, await opened(client), "Anna")
    assert len(anna["token"]) >= 43
    for path in services.settings.data_dir.rglob("*"):
        if path.is_file():
            assert anna["token"].encode() not in path.read_bytes(), path


async def test_a_meeting_is_full_and_a_room_is_locked(client: httpx.AsyncClient, services: Services) -> None:
    meeting = await opened(client)
    room = (await client.get(f"/v1/rooms/{meeting['room_id']}")).json()
    people = [await joined_as(client, meeting, "Anna") for _ in range(3)]
    full = services.settings.model_copy(update={"meeting_participants_max": 3})
    services.attendances._settings = full
    refused = await client.post(f"/v1/meetings/{meeting['id']}/join", json={"name": "Ben"})
    assert (refused.status_code, "full" in refused.json()["error"]["message"]) == (413, True)
    await client.post(f"/v1/meetings/{meeting['id']}/leave", headers=bearer(people[0]))
    assert (await joined_as(client, meeting, "Ben"))["name"] == "Ben"
    # Who vanished without leaving makes room as well.
    services.attendances._settings = full.model_copy(update={"meeting_empty_s": 0.0})
    assert (await joined_as(client, meeting, "Cleo"))["name"] == "Cleo"
    listed = (await client.get(f"/v1/meetings/{meeting['id']}/participants")).json()["items"]
    assert not any(each["is_here"] for each in listed)
    await client.patch(f"/v1/rooms/{room['id']}", json={"is_locked": True})
    with pytest.raises(Exception, match="locked"):
        await services.attendances.join(meeting["id"], "Eve", is_host=False)


@pytest.mark.parametrize("who", ["participant", "somebody", "room"])
async def test_one_denial_deletes_the_sound_and_keeps_the_words(
    client: httpx.AsyncClient, services: Services, who: str
) -> None:
    await services.asr.wait_ready()
    meeting = await opened(client, recording_type="none" if who == "room" else "local")
    anna, ben = await joined_as(client, meeting, "Anna"), await joined_as(client, meeting, "Ben")
    recordings = services.settings.recordings_dir / meeting["transcript_id"]
    async with speaking(client, anna, ANNA) as peer:
        await peer.wait_message(lambda text: '"is_final":true' in text)
        path = f"/v1/meetings/{meeting['id']}/consent"
        given = await client.post(path, json={"consent_given": True}, headers=bearer(anna))
        assert given.json() == {"status": "success", "consent_id": anna["participant_id"]}
        again = await joined_as(client, meeting, "Anna", token=anna["token"])
        assert (anna["consent_given"], again["consent_given"]) == (None, True)  # so that a page need not ask twice
        if who != "room":
            headers = bearer(ben) if who == "participant" else {}
            denied = await client.post(path, json={"consent_given": False}, headers=headers)
            assert denied.json()["status"] == "success"
        assert any(recordings.iterdir())  # not before the words are final
        await client.post(f"/v1/meetings/{meeting['id']}/end")
        await services.meetings.conclude_soon(await services.store.rooms.get_meeting(meeting["id"]))
    assert not recordings.exists()
    assert await said(services, meeting) == {"Anna": "alpha bravo charlie"}
    people = (await client.get(f"/v1/meetings/{meeting['id']}/participants")).json()
    assert [each["name"] for each in people["items"]] == ["Anna", "Ben"]
    assert people["sound_kept"] is False
    assert (await client.post(path, json={})).status_code == 422


async def test_all_agree_and_a_denial_afterwards_counts_too(client: httpx.AsyncClient, services: Services) -> None:
    await services.asr.wait_ready()
    meeting = await opened(client)
    anna = await joined_as(client, meeting, "Anna")
    recordings = services.settings.recordings_dir / meeting["transcript_id"]
    async with speaking(client, anna, ANNA) as peer:
        await peer.wait_message(lambda text: '"is_final":true' in text)
        await client.post(f"/v1/meetings/{meeting['id']}/end")
        await services.meetings.conclude_soon(await services.store.rooms.get_meeting(meeting["id"]))
    assert any(recordings.iterdir())
    await client.post(f"/v1/meetings/{meeting['id']}/consent", json={"consent_given": False}, headers=bearer(anna))
    await services.meetings.conclude_soon(await services.store.rooms.get_meeting(meeting["id"]))
    assert not recordings.exists()
