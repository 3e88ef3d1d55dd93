"""Meetings over REST: opened, listed, ended."""

from __future__ import annotations

import asyncio

import httpx

from protocol.ids import new_transcript_id
from server.services import Services


async def test_a_bare_post_opens_a_meeting_in_a_room_of_its_own(client: httpx.AsyncClient, services: Services) -> None:
    made = await client.post("/v1/meetings/")
    assert made.status_code == 201, made.text
    meeting = made.json()
    assert made.headers["location"] == f"/v1/meetings/{meeting['id']}"
    assert (meeting["status"], meeting["is_active"], meeting["platform"]) == ("active", True, "builtin")
    assert meeting["room_url"] == f"http://localhost/r/{meeting['room_name']}"
    assert (await client.get(f"/v1/meetings/{meeting['id']}/")).json() == meeting
    assert meeting["data"]["transcript_id"] == meeting["transcript_id"]
    transcript = await services.store.get_transcript(meeting["transcript_id"])
    assert transcript.name == meeting["room_name"]
    # It goes with its meeting.
    assert (await client.post(f"/v1/meetings/{meeting['id']}/end")).status_code == 200
    await services.meetings.conclude_soon(await services.store.rooms.get_meeting(meeting["id"]))
    assert (await client.get(f"/v1/rooms/{meeting['room_id']}")).status_code == 404
    assert (await client.get(f"/v1/meetings/{meeting['id']}")).json()["room_name"] == meeting["room_name"]


async def test_a_room_has_one_meeting_at_a_time(client: httpx.AsyncClient) -> None:
    room = (await client.post("/v1/rooms", json={"name": "weekly"})).json()
    ways = [
        client.post("/v1/meetings", json={"room_id": room["id"]}),
        client.post("/v1/meetings", json={"room_name": "weekly", "name": "Week 12"}),
        client.post("/v1/rooms/weekly/meeting"),
        client.post(f"/v1/rooms/{room['id']}/meeting/"),
    ]
    answers = await asyncio.gather(*ways)
    assert sorted(each.status_code for each in answers) == [200, 200, 200, 201]
    meeting = answers[0].json()
    assert {each.json()["id"] for each in answers} == {meeting["id"]}

    assert [each["id"] for each in (await client.get("/v1/rooms/weekly/meetings/active")).json()] == [meeting["id"]]
    ended = await client.patch(f"/v1/meetings/{meeting['id']}/deactivate")
    assert (ended.status_code, ended.json()["status"], ended.json()["is_active"]) == (200, "ended", False)
    assert ended.json()["ended_at"] is not None
    assert (await client.post(f"/v1/meetings/{meeting['id']}/end")).json() == ended.json()  # nothing happens
    assert (await client.get("/v1/rooms/weekly/meetings/active")).json() == []
    other = await client.post("/v1/rooms/weekly/meeting")
    assert other.status_code == 201
    assert other.json()["id"] != meeting["id"]
    assert other.json()["transcript_id"] != meeting["transcript_id"]

    both = (await client.get("/v1/rooms/weekly/meetings")).json()
    assert [each["id"] for each in both["items"]] == [other.json()["id"], meeting["id"]]
    for query, expected in (("active=true", other.json()["id"]), ("active=false", meeting["id"])):
        listed = (await client.get(f"/v1/meetings?room_id={room['id']}&{query}")).json()
        assert ([each["id"] for each in listed["items"]], listed["total"]) == ([expected], 1)
    assert (await client.get(f"/v1/rooms/weekly/meetings/{meeting['id']}")).json()["id"] == meeting["id"]
    assert (await client.get(f"/v1/rooms/other/meetings/{meeting['id']}")).status_code == 404


async def test_a_transcript_of_a_meeting_that_nobody_came_to_is_complete(
    client: httpx.AsyncClient, services: Services
) -> None:
    meeting = (await client.post("/v1/meetings", json={"name": "  Plan\nB  "})).json()
    await client.post(f"/v1/meetings/{meeting['id']}/end")
    await services.meetings.conclude_soon(await services.store.rooms.get_meeting(meeting["id"]))
    transcript = (await client.get(f"/v1/transcripts/{meeting['transcript_id']}")).json()
    assert (transcript["status"], transcript["name"]) == ("completed", "Plan B")


async def test_a_deleted_room_ends_its_meeting(client: httpx.AsyncClient) -> None:
    room = (await client.post("/v1/rooms", json={"name": "weekly"})).json()
    meeting = (await client.post("/v1/rooms/weekly/meeting")).json()
    await client.delete(f"/v1/rooms/{room['id']}")
    assert (await client.get(f"/v1/meetings/{meeting['id']}")).json()["is_active"] is False
    refused = await client.post(f"/v1/meetings/{meeting['id']}/join")
    assert (refused.status_code, refused.json()["error"]["message"]) == (409, "Meeting has ended")


async def test_what_is_not_there(client: httpx.AsyncClient) -> None:
    for id_ in (new_transcript_id(), "nothing", "%00"):
        assert (await client.post("/v1/meetings", json={"room_id": "nothing"})).status_code == 404
        assert (await client.post(f"/v1/rooms/{id_}/meeting")).status_code == 404
        assert (await client.get(f"/v1/rooms/{id_}/meetings")).status_code == 404
        assert (await client.get(f"/v1/meetings/{id_}")).status_code == 404
        assert (await client.post(f"/v1/meetings/{id_}/end")).status_code == 404
        assert (await client.post(f"/v1/meetings/{id_}/join")).status_code == 404
        assert (await client.get(f"/v1/meetings/{id_}/participants")).status_code == 404
        assert (await client.get(f"/v1/meetings?room_id={id_}")).json()["total"] == 0
    assert (await client.get("/v1/rooms")).json()["total"] == 0  # none was made for nothing
    assert (await client.post("/v1/meetings", json={"name": "x" * 201})).status_code == 422
