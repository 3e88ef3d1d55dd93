"""Whereby as a provider, against a stand-in that checks what it is asked and misbehaves when told so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from protocol.errors import EarshotError, ProviderFailed, ProviderUnavailable
from server.meetings.whereby import ATTEMPTS, Whereby
from server.services import Services
from server.settings import Settings
from server.store.meeting_records import Room
from tests.fakes.node import node_settings
from tests.fakes.running_app import AppClient, in_process
from tests.fakes.whereby import KEY, WherebyServer, running_whereby

ROOM = Room(
    id="r",
    name="weekly_stand-up",
    owner=None,
    platform="whereby",
    share_mode="private",
    is_locked=True,
    language="en",
    settings={"room_mode": "group", "recording_type": "cloud", "recording_trigger": "automatic"},
    created_at=0.0,
    updated_at=0.0,
    deleted_at=None,
)


@pytest.fixture
async def server() -> AsyncIterator[WherebyServer]:
    async with running_whereby() as running:
        yield running
    assert running.wrong == []


async def no_pause(_seconds: float) -> None:
    pass


def client_of(server: WherebyServer, *, key: str = KEY, deadline_s: float = 5.0) -> Whereby:
    return Whereby(SecretStr(key), server.url, deadline_s=deadline_s, sleep=no_pause)


async def test_a_meeting_is_opened_and_ended(server: WherebyServer) -> None:
    whereby = client_of(server)
    first, second = await asyncio.gather(whereby._client(), whereby._client())
    assert first is second  # the one that is closed in the end
    ends_at = time.time() + 3600
    opened = await whereby.create(ROOM, ends_at)
    assert opened.provider_id is not None
    asked = server.created[opened.provider_id]
    assert abs(datetime.fromisoformat(asked["endDate"]).timestamp() - ends_at) <= 1
    assert asked == {
        "endDate": asked["endDate"],
        "isLocked": True,
        "roomMode": "group",
        "roomNamePrefix": "weeklystandup",
        "fields": ["hostRoomUrl"],
        "recording": {"type": "cloud", "startTrigger": "automatic", "destination": {"provider": "whereby"}},
    }
    assert opened.room_url.startswith("https://tests.whereby.com/weeklystandup")
    assert opened.host_room_url == f"{opened.room_url}?roomKey=of-the-host"
    assert "of-the-host" not in repr(opened)
    for _ in range(2):  # the second time it is gone already
        await whereby.end(opened.provider_id)
    assert server.open_ones == set()
    await whereby.stop()
    assert first.is_closed


@pytest.mark.parametrize(
    ("fault", "kind", "asked"),
    [
        (500, ProviderUnavailable, 1),  # it may have been opened: not another one
        (503, ProviderUnavailable, 1),
        ("silent", ProviderUnavailable, 1),
        ("drip", ProviderUnavailable, 1),
        ("cut", ProviderUnavailable, 1),
        ("garbage", ProviderFailed, 1),
        ("nameless", ProviderFailed, 1),
        ("hostile", ProviderFailed, 1),
        ("huge", ProviderFailed, 1),
        ("elsewhere", ProviderFailed, 1),
        (400, ProviderFailed, 1),
        (403, ProviderFailed, 1),
    ],
)
async def test_what_goes_wrong_at_opening_is_told_and_not_tried_again(
    server: WherebyServer, fault: int | str, kind: type[EarshotError], asked: int
) -> None:
    whereby = client_of(server, deadline_s=0.5)
    server.faults.append(fault)
    with pytest.raises(kind) as told:
        await whereby.create(ROOM, time.time() + 3600)
    assert type(told.value) is kind
    assert KEY not in f"{told.value.message} {told.value.details}"
    assert len(server.asked) == asked
    await whereby.stop()


async def test_a_limit_that_is_soon_over_is_waited_for(server: WherebyServer) -> None:
    whereby = client_of(server)
    server.faults += [429]
    assert (await whereby.create(ROOM, time.time() + 3600)).provider_id in server.open_ones
    server.faults += [429] * ATTEMPTS
    with pytest.raises(ProviderUnavailable) as told:
        await whereby.create(ROOM, time.time() + 3600)
    assert told.value.retry_after_s == 1.0
    await whereby.stop()


async def test_ending_is_tried_again_and_again(server: WherebyServer) -> None:
    whereby = client_of(server, deadline_s=0.5)
    opened = await whereby.create(ROOM, time.time() + 3600)
    assert opened.provider_id is not None
    server.faults += [500, "cut"]
    await whereby.end(opened.provider_id)
    assert server.deleted == [opened.provider_id]
    server.faults += [500] * ATTEMPTS
    with pytest.raises(ProviderUnavailable):
        await whereby.end(opened.provider_id)
    assert len(server.asked) == 1 + 3 + ATTEMPTS
    with pytest.raises(ProviderFailed):
        await whereby.end("../../secret?x=1#y")  # what is no id of theirs stays one part of the path
    assert server.wrong.pop() == "DELETE /v1/meetings/..%2F..%2Fsecret%3Fx%3D1%23y"
    await whereby.stop()


async def test_a_wrong_key_and_nobody_there(server: WherebyServer) -> None:
    whereby = client_of(server, key="wrong")
    with pytest.raises(ProviderFailed, match="whereby_api_key"):
        await whereby.create(ROOM, time.time() + 3600)
    await whereby.stop()
    nobody = Whereby(SecretStr(KEY), "http://127.0.0.1:1/v1", deadline_s=1, sleep=no_pause)
    with pytest.raises(ProviderUnavailable, match="cannot be reached"):
        await nobody.create(ROOM, time.time() + 3600)
    await nobody.stop()


@pytest.mark.parametrize("url", ["http://api.example.org/v1", "ftp://x", "https://", "https://a:b@c", "https://c?x=1"])
def test_an_address_that_would_give_the_key_away(tmp_path: Path, url: str) -> None:
    with pytest.raises(ValidationError):
        node_settings(tmp_path, whereby_url=url)


@pytest.fixture
async def node(tmp_path: Path, server: WherebyServer) -> AsyncIterator[AppClient]:
    settings: Settings = node_settings(tmp_path, whereby_api_key=SecretStr(KEY), whereby_url=server.url)
    services = await Services.start(settings)
    async with in_process(settings, services) as client:
        yield client
    await services.stop()


async def test_a_room_of_theirs_behind_the_same_doors(node: AppClient, server: WherebyServer) -> None:
    room = (await node.post("/v1/rooms", json={"name": "board", "platform": "whereby"})).json()
    assert (room["recording_type"], room["recording_trigger"]) == ("cloud", "automatic-2nd-participant")
    server.faults.append("garbage")
    refused = await node.post("/v1/rooms/board/meeting")
    assert (refused.status_code, refused.json()["error"]["code"]) == (502, "PROVIDER_FAILED")
    server.faults.append(503)
    refused = await node.post("/v1/rooms/board/meeting")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "PROVIDER_UNAVAILABLE")
    assert int(refused.headers["retry-after"]) >= 1

    meeting = (await node.post("/v1/rooms/board/meeting")).json()
    assert (await node.post("/v1/rooms/board/meeting")).json()["id"] == meeting["id"]
    assert len(server.created) == 1
    assert meeting["host_room_url"] == f"{meeting['room_url']}?roomKey=of-the-host"
    joined = (await node.post(f"/v1/meetings/{meeting['id']}/join", json={"name": "Anna & Ben"})).json()
    assert joined["room_url"] == f"{meeting['room_url']}?displayName=Anna%20%26%20Ben"
    assert joined["offer_url"] is None
    path = f"/v1/meetings/{meeting['id']}/participants/{joined['participant_id']}/offer"
    refused = await node.post(path, json={"sdp": "v=0"}, headers={"Authorization": f"Bearer {joined['token']}"})
    assert refused.status_code == 409  # their sound does not come here

    services: Services = node.app.state.services
    server.faults += [500] * ATTEMPTS
    assert (await node.post(f"/v1/meetings/{meeting['id']}/end")).json()["status"] == "ended"
    await services.meetings.conclude_soon(await services.store.rooms.get_meeting(meeting["id"]))
    assert len(server.open_ones) == 1
    services.meetings._ask_again_at.clear()  # a minute later
    await services.meetings.sweep()
    await services.meetings.conclude_soon(await services.store.rooms.get_meeting(meeting["id"]))
    assert server.open_ones == set()
    assert await services.store.rooms.open_meetings() == []
