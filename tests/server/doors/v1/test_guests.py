"""Who may enter which room where people have accounts, and what a participant's token opens there."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from server.meetings.attendances import ATTENDANCES_MAX_FACTOR
from tests.fakes.issuer import SECRET, bearer, token
from tests.fakes.running_app import RunningApp, running_app

ANNA, BERT = bearer(token("anna")), bearer(token("bert"))


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RunningApp]:
    async with running_app(tmp_path, auth_mode="jwt", jwt_secret=SecretStr(SECRET)) as running:
        yield running


async def post(node: RunningApp, path: str, headers: dict[str, str], body: Any = None) -> tuple[int, dict[str, Any]]:
    answer = await node.http.post(path, json=body, headers=headers)
    return answer.status_code, answer.json() if answer.content else {}


async def room_of(node: RunningApp, name: str, share_mode: str) -> dict[str, Any]:
    status, room = await post(node, "/v1/rooms", ANNA, {"name": name, "share_mode": share_mode})
    assert (status, room["user_id"]) == (201, "anna")
    return room


async def test_who_may_enter_which_room(node: RunningApp) -> None:
    nobody: dict[str, str] = {}
    for share_mode, bert, stranger in (
        ("private", 404, 401),
        ("semi-private", 200, 401),
        ("public", 200, 200),
    ):
        room = await room_of(node, share_mode, share_mode)
        status, meeting = await post(node, f"/v1/rooms/{share_mode}/meeting", ANNA)
        assert status == 201
        join = f"/v1/meetings/{meeting['id']}/join"
        for headers, wanted in ((BERT, bert), (nobody, stranger)):
            assert (await post(node, f"/v1/rooms/{share_mode}/meeting", headers))[0] == wanted
            assert (await post(node, join, headers, {"name": "Eve"}))[0] == wanted
            read = await node.http.get(f"/v1/rooms/name/{share_mode}", headers=headers)
            assert read.status_code == wanted
            assert (await node.http.get(f"/v1/meetings/{meeting['id']}", headers=headers)).status_code == wanted
            if wanted == 200:
                assert (await post(node, f"/v1/meetings/{meeting['id']}/end", headers))[0] in (401, 403)
                assert (await post(node, join, headers))[1]["host_room_url"] is None
        assert (await post(node, join, ANNA))[1]["host_room_url"] is not None
        # A lock lets the owner in alone.
        await node.http.patch(f"/v1/rooms/{room['id']}", json={"is_locked": True}, headers=ANNA)
        if bert == 200:
            status, error = await post(node, join, BERT)
            assert (status, "locked" in error["error"]["message"]) == (403, True)
        assert (await post(node, join, ANNA))[0] == 200

    listed = (await node.http.get("/v1/rooms", headers=BERT)).json()
    assert [each["name"] for each in listed["items"]] == ["semi-private"]  # who has no link finds no public room
    mine = (await node.http.get("/v1/meetings", headers=BERT)).json()
    assert {each["room_name"] for each in mine["items"]} == {"semi-private", "public"}  # that he joined
    assert (await node.http.get("/v1/rooms", headers=ANNA)).json()["total"] == 3


async def test_a_room_in_a_body_is_guarded_like_one_in_a_path(node: RunningApp) -> None:
    room = await room_of(node, "private", "private")
    for body in ({"room_id": room["id"]}, {"room_name": "private"}, {"room_name": "no-such-room"}):
        assert (await post(node, "/v1/meetings", BERT, body))[0] == 404
    assert (await post(node, "/v1/meetings", {}, {}))[0] == 401
    status, own = await post(node, "/v1/meetings", BERT)
    assert (status, own["user_id"]) == (201, "bert")
    assert (await node.http.get(f"/v1/meetings/{own['id']}", headers=ANNA)).status_code == 404


async def test_what_a_participants_token_opens_and_what_not(node: RunningApp) -> None:
    await room_of(node, "open", "public")
    _, meeting = await post(node, "/v1/rooms/open/meeting", {})
    _, guest = await post(node, f"/v1/meetings/{meeting['id']}/join", {}, {"name": "Guest"})
    _, other = await post(node, "/v1/meetings", ANNA)
    _, anna = await post(node, f"/v1/meetings/{other['id']}/join", ANNA)
    mine = bearer(guest["token"])
    transcript_id = meeting["transcript_id"]

    async with node.socket(
        f"/v1/transcripts_websocket/{transcript_id}", subprotocols=["bearer", guest["token"]]
    ) as socket:
        await socket.send({"action": "get_status"})
        assert (await socket.until("status"))["data"]["status"] == "initializing"
        await socket.send({"action": "stop"})
        assert (await socket.until("error"))["data"]["code"] == "NOT_AUTHORISED"
    assert (await node.http.get(f"/v1/meetings/{meeting['id']}/participants", headers=mine)).status_code == 200
    status, _ = await post(node, guest["offer_url"], mine, {"sdp": "v=0"})
    assert status == 400  # let in, and told of the description
    assert (await post(node, f"/v1/meetings/{meeting['id']}/consent", mine, {"consent_given": True}))[0] == 200

    # Nothing else, and nobody else's.
    for method, path in (
        ("GET", "/v1/transcripts"),
        ("GET", "/v1/rooms"),
        ("POST", "/v1/rooms"),
        ("GET", f"/v1/transcripts/{transcript_id}"),
        ("DELETE", f"/v1/transcripts/{transcript_id}"),
        ("POST", f"/v1/transcripts_webrtc/{transcript_id}/offer"),
        ("POST", f"/v1/meetings/{meeting['id']}/end"),
        ("GET", f"/v1/meetings/{other['id']}"),
        ("POST", f"/v1/meetings/{other['id']}/join"),
        ("POST", anna["offer_url"]),
        ("POST", "/v1/tickets"),
        ("GET", "/v1/api-keys"),
    ):
        refused = await node.http.request(method, path, headers=mine)
        assert refused.status_code == 401, f"{method} {path} {refused.text}"
    async with node.socket(
        f"/v1/transcripts_websocket/{other['transcript_id']}", subprotocols=["bearer", guest["token"]]
    ) as socket:
        assert (await socket.closed())[0] == 4001
    async with node.socket(
        f"/v1/transcripts_websocket/{transcript_id}", subprotocols=["bearer", "eap_guessed"]
    ) as socket:
        assert (await socket.closed())[0] == 4001
    # Of a room's past its guests see nothing.
    await post(node, f"/v1/meetings/{meeting['id']}/end", ANNA)
    await post(node, "/v1/rooms/open/meeting", BERT)
    for headers, count in ((ANNA, 2), (BERT, 1), ({}, 1)):
        assert (await node.http.get("/v1/rooms/open/meetings", headers=headers)).json()["total"] == count
    # The owner of a private meeting speaks with the token of joining, too.
    assert (await post(node, anna["offer_url"], bearer(anna["token"]), {"sdp": "v=0"}))[0] == 400
    assert (await post(node, f"/v1/meetings/{other['id']}/leave", bearer(anna["token"])))[0] == 204
    assert (await post(node, f"/v1/meetings/{meeting['id']}/leave", ANNA))[0] == 404  # who never joined


async def test_guests_who_answer_or_join_without_end_keep_neither_the_owner_nor_others_out(tmp_path: Path) -> None:
    options = {"auth_mode": "jwt", "jwt_secret": SecretStr(SECRET), "creations_per_minute": 1000}
    async with running_app(tmp_path, **options, meeting_participants_max=1) as node:
        await room_of(node, "open", "public")
        _, meeting = await post(node, "/v1/rooms/open/meeting", ANNA)
        join = f"/v1/meetings/{meeting['id']}/join"
        for _ in range(ATTENDANCES_MAX_FACTOR + 1):
            assert (await post(node, f"/v1/meetings/{meeting['id']}/consent", {}, {"consent_given": True}))[0] == 200

        rooms = node.services.store.rooms
        now, rooms._clock = rooms._clock, lambda: time.time() - node.services.settings.connect_deadline_s
        status, long_ago = await post(node, join, {})
        assert status == 200
        rooms._clock = now
        # Who never connected makes room for the next one, and finds no place then.
        status, guest = await post(node, join, {})
        assert status == 200
        assert (await post(node, join, {}))[0] == 413
        status, anna = await post(node, join, ANNA)
        assert status == 200
        for who, wanted in ((long_ago, 413), (guest, 400), (anna, 400)):
            assert (await post(node, who["offer_url"], bearer(who["token"]), {"sdp": "v=0"}))[0] == wanted


async def test_who_was_let_in_stays_the_same_participant_when_the_room_is_made_private(node: RunningApp) -> None:
    room = await room_of(node, "open", "public")
    _, meeting = await post(node, "/v1/rooms/open/meeting", {})
    join = f"/v1/meetings/{meeting['id']}/join"
    _, guest = await post(node, join, {}, {"name": "Guest"})
    _, other = await post(node, join, {}, {"name": "Other"})
    await node.http.patch(f"/v1/rooms/{room['id']}", json={"share_mode": "private"}, headers=ANNA)
    for headers in (bearer(guest["token"]), {"X-API-Key": guest["token"]} | bearer(guest["token"])):
        status, again = await post(node, join, headers, {"name": "Eve"})
        assert (status, again["participant_id"], again["name"]) == (200, guest["participant_id"], "Guest")
    assert (await post(node, join, bearer(guest["token"]), {"token": other["token"]}))[0] == 404
    assert (await post(node, join, {"X-API-Key": guest["token"]}, {"name": "Eve"}))[0] == 404
    people = await node.http.get(f"/v1/meetings/{meeting['id']}/participants", headers=ANNA)
    assert people.json()["total"] == 2


async def test_whose_a_room_and_its_meeting_are_is_told_to_those_who_may_change_them(node: RunningApp) -> None:
    await room_of(node, "open", "public")
    _, meeting = await post(node, "/v1/rooms/open/meeting", {})
    _, guest = await post(node, f"/v1/meetings/{meeting['id']}/join", {})
    assert "anna" not in str((meeting, guest))
    for headers, owner in (({}, None), (BERT, None), (bearer(guest["token"]), None), (ANNA, "anna")):
        read = (await node.http.get(f"/v1/meetings/{meeting['id']}", headers=headers)).json()
        assert (read["user_id"], read["data"]["user_id"]) == (owner, owner)
    # A key of hers that may only read does not make its holder the host.
    for scope, is_host in (("read", False), ("write", True)):
        _, made = await post(node, "/v1/api-keys", ANNA, {"scopes": ["read", scope]})
        read = (await node.http.get("/v1/meetings", headers={"X-API-Key": made["key"]})).json()["items"][0]
        assert (read["user_id"], read["host_room_url"] is not None) == ("anna", is_host)
    for headers, owner in (({}, None), (BERT, None), (ANNA, "anna")):
        read = (await node.http.get("/v1/rooms/name/open", headers=headers)).json()
        assert (read["user_id"], read["data"]["user_id"]) == (owner, owner)


async def test_deleting_the_transcript_of_a_meeting_ends_it(node: RunningApp) -> None:
    await room_of(node, "open", "public")
    for after in ("", "/destroy"):
        status, meeting = await post(node, "/v1/rooms/open/meeting", {})
        assert status == 201
        _, guest = await post(node, f"/v1/meetings/{meeting['id']}/join", {})
        path = f"/v1/transcripts/{meeting['transcript_id']}"
        assert (await node.http.delete(path, headers=ANNA)).status_code == 204
        if after:
            assert (await node.http.delete(path + after, headers=ANNA)).status_code == 204
        read = await node.http.get(f"/v1/meetings/{meeting['id']}", headers=ANNA)
        assert (read.json()["status"], read.json()["ended_at"] is not None) == ("ended", True)
        for place in (guest["offer_url"], f"/v1/meetings/{meeting['id']}/join"):
            refused = await post(node, place, bearer(guest["token"]), {"sdp": "v=0"})
            assert (refused[0], refused[1]["error"]["message"]) == (409, "Meeting has ended")


async def test_a_participant_may_ask_for_the_servers_that_help_to_connect(node: RunningApp) -> None:
    await room_of(node, "open", "public")
    _, meeting = await post(node, "/v1/rooms/open/meeting", {})
    _, guest = await post(node, f"/v1/meetings/{meeting['id']}/join", {})
    for headers, wanted in ((bearer(guest["token"]), 200), (ANNA, 200), ({}, 401), (bearer("eap_guessed"), 401)):
        assert (await node.http.get("/v1/ice-servers", headers=headers)).status_code == wanted
    await post(node, f"/v1/meetings/{meeting['id']}/end", ANNA)
    late = await node.http.get("/v1/ice-servers", headers=bearer(guest["token"]))
    assert (late.status_code, late.json()["error"]["message"]) == (409, "Meeting has ended")
    assert (await node.http.get("/v1/ice-servers", headers=ANNA)).status_code == 200
