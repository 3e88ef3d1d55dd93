"""Keys, tickets, and sockets whose right to be open ends."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from protocol.ids import new_transcript_id
from protocol.states import SessionState
from server.accounts.api_keys import PREFIX
from server.logs import set_up_logs
from server.settings import Settings, SettingsError, load_settings
from server.store.tables import transcripts
from tests.fakes.issuer import SECRET, bearer, token
from tests.fakes.running_app import RunningApp, running_app
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.waiting import until
from tests.net.rtc_client import RtcClient
from tests.server.test_logs import restored_logging

ANNA, BERT = bearer(token("anna", name="Anna Berg")), bearer(token("bert"))
ADMIN = bearer(token("root", scope="admin"))

__all__ = ["restored_logging"]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RunningApp]:
    options = {"auth_mode": "jwt", "jwt_secret": SecretStr(SECRET), "access_token": SecretStr("holder")}
    async with running_app(tmp_path, **options, auth_recheck_s=0.2, auth_leeway_s=0, log_level="debug") as running:
        yield running


async def make_key(node: RunningApp, headers: dict[str, str], **body: Any) -> dict[str, Any]:
    answer = await node.http.post("/v1/api-keys", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    made: dict[str, Any] = answer.json()
    return made


async def me(node: RunningApp, headers: dict[str, str]) -> Any:
    answer = await node.http.get("/v1/me", headers=headers)
    return answer.json() if answer.status_code == 200 else answer.status_code


async def transcript_of(node: RunningApp, headers: dict[str, str]) -> str:
    answer = await node.http.post("/v1/transcripts", json={}, headers=headers)
    assert answer.status_code == 201
    return str(answer.json()["id"])


async def test_one_is_told_who_one_is(node: RunningApp) -> None:
    anna = await me(node, ANNA)
    assert (anna["id"], anna["name"], anna["is_admin"], anna["auth_mode"]) == ("anna", "Anna Berg", False, "jwt")
    assert (anna["scopes"], anna["upload_max_mb"]) == (["export", "read", "speak", "write"], 500)
    assert (await me(node, ADMIN))["is_admin"]
    holder = await me(node, bearer("holder"))
    assert (holder["id"], holder["is_admin"]) == (None, True)
    assert await me(node, {}) == 401


async def test_a_key_is_shown_once_works_as_its_owner_and_ends_when_it_is_revoked(node: RunningApp) -> None:
    made = await make_key(node, ANNA, name="desk", scopes=["read", "speak"])
    key = made["key"]
    assert key.startswith(PREFIX)
    for headers in ({"X-API-Key": key}, bearer(key), {**ANNA, "X-API-Key": key}):
        found = await me(node, headers)
        assert (found["id"], found["scopes"]) == ("anna", ["read", "speak"]), headers
    for path in ("/v1/api-keys", "/v1/user/api-keys/"):
        listed = (await node.http.get(path, headers=ANNA)).json()
        assert [each["id"] for each in listed["items"]] == [made["id"]]
        assert key not in json.dumps(listed)
        assert listed["items"][0]["last_used_at"]
    assert (await node.http.get("/v1/api-keys", headers=BERT)).json()["total"] == 0
    # Kept as a digest only.
    for file in node.settings.data_dir.glob("earshot.db*"):
        assert key.encode() not in file.read_bytes()
    theirs = await transcript_of(node, {"X-API-Key": key})
    assert (await node.http.get(f"/v1/transcripts/{theirs}", headers=ANNA)).status_code == 200
    refused = await node.http.patch(f"/v1/transcripts/{theirs}", json={"name": "x"}, headers=bearer(key))
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "FORBIDDEN")
    path = f"/v1/user/api-keys/{made['id']}"
    for headers, status in ((BERT, 404), (bearer(key), 403), (ANNA, 204), (ANNA, 404)):
        assert (await node.http.delete(path, headers=headers)).status_code == status
    assert await me(node, bearer(key)) == 401


async def test_keys_hold_no_more_than_their_makers_and_make_none(node: RunningApp) -> None:
    answer = await node.http.post("/v1/api-keys", json={"scopes": ["admin"]}, headers=ANNA)
    assert answer.status_code == 403
    plain = await make_key(node, ADMIN)
    assert plain["scopes"] == ["read", "speak", "write"]
    assert (await node.http.post("/v1/api-keys", json={}, headers=bearer(plain["key"]))).status_code == 403
    ends_at = datetime.now(UTC) + timedelta(hours=1)
    strong = await make_key(node, ADMIN, scopes=["admin"], expires_at=ends_at.isoformat())
    assert (await me(node, bearer(strong["key"])))["is_admin"]
    child = await make_key(node, bearer(strong["key"]), scopes=["read"])
    assert child["expires_at"] == strong["expires_at"]
    wrong: dict[str, Any]
    for wrong in ({"scopes": []}, {"scopes": ["root"]}, {"name": "x" * 201}, {"expires_at": "2001-01-01T00:00:00Z"}):
        assert (await node.http.post("/v1/api-keys", json=wrong, headers=ANNA)).status_code == 422, wrong
    for wrong in ({"expires_at": "2100-01-01T00:00:00"}, {"expires_at": "9999-12-31T23:59:59-12:00"}):
        assert (await node.http.post("/v1/api-keys", json=wrong, headers=ANNA)).status_code == 422, wrong


async def test_credentials_of_two_users_are_none(node: RunningApp) -> None:
    key = (await make_key(node, ANNA))["key"]
    for headers in (
        {**BERT, "X-API-Key": key},
        {**bearer("holder"), "X-API-Key": key},
        {**ANNA, "X-API-Key": PREFIX + "x" * 43},
        {**ANNA, "X-API-Key": "nonsense"},
        {**bearer("nonsense"), "X-API-Key": key},
    ):
        assert await me(node, headers) == 401, headers


async def test_what_was_good_once_is_no_guess(tmp_path: Path) -> None:
    options = {"auth_mode": "jwt", "jwt_secret": SecretStr(SECRET), "failed_sign_ins_per_minute": 1}
    async with running_app(tmp_path, **options) as node:
        made = await make_key(node, ANNA)
        await node.http.delete(f"/v1/api-keys/{made['id']}", headers=ANNA)
        for headers in (bearer(token("anna", exp=time.time() - 3600)), bearer(made["key"])):
            for _ in range(3):
                assert await me(node, headers) == 401
        assert (await me(node, ANNA))["id"] == "anna"
        assert [await me(node, bearer("guessed")) for _ in range(3)] == [401, 429, 429]


async def test_without_a_guard_no_keys_are_made_that_would_open_it_later(tmp_path: Path) -> None:
    async with running_app(tmp_path) as node:
        answer = await node.http.post("/v1/api-keys", json={})
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONFLICT")
        assert (await node.http.post("/v1/tickets", json={})).status_code == 201
        assert (await me(node, {"X-API-Key": "whatever"}))["is_admin"]


@pytest.mark.usefixtures("restored_logging")
async def test_a_ticket_opens_one_socket_once_and_no_log_has_it(tmp_path: Path) -> None:
    stream = io.StringIO()
    set_up_logs(Settings(log_level="debug", log_format="json"), stream)
    async with running_app(tmp_path, auth_mode="jwt", jwt_secret=SecretStr(SECRET)) as node:
        own, other = await transcript_of(node, ANNA), await transcript_of(node, ANNA)
        tickets = []
        for bound in (None, own, own):
            answer = await node.http.post("/v1/tickets", json={"transcript_id": bound}, headers=ANNA)
            assert answer.status_code == 201
            tickets.append(answer.json()["ticket"])
        path = "/v1/transcripts_websocket/{}?ticket={}"
        for transcript_id, ticket, code in (
            (own, tickets[0], None),
            (own, tickets[0], 4001),  # used
            (own, tickets[1], None),
            (other, tickets[2], 4001),  # not for this one
            (own, tickets[2], 4001),  # and gone
            (own, "tkt_" + "x" * 43, 4001),
            (own, "", 4001),
        ):
            async with node.socket(path.format(transcript_id, ticket)) as socket:
                if code is None:
                    await socket.send({"action": "get_status"})
                    await socket.until("status")
                else:
                    assert (await socket.closed())[0] == code, ticket
        spare = (await node.http.post("/v1/tickets", headers=ANNA)).json()["ticket"]
        # Only a handshake has one: of requests addresses are kept by browsers and proxies.
        assert (await node.http.get(f"/v1/transcripts/{own}?ticket={spare}")).status_code == 401
        async with node.socket(path.format(own, spare), additional_headers=BERT) as socket:
            assert (await socket.closed())[0] == 4001  # of two users
        for foreign in (own, new_transcript_id()):
            answer = await node.http.post("/v1/tickets", json={"transcript_id": foreign}, headers=BERT)
            assert answer.status_code == 404
        assert (await node.http.post("/v1/tickets")).status_code == 401
    text = stream.getvalue()
    assert "/v1/transcripts_websocket/{transcript_id}" in text
    for ticket in (*tickets, spare):
        assert ticket not in text
    assert token("anna")[:30] not in text


async def test_a_socket_ends_with_the_token_that_opened_it(node: RunningApp) -> None:
    path = f"/v1/transcripts_websocket/{await transcript_of(node, ANNA)}"
    short = token("anna", exp=int(time.time()) + 2)
    async with node.socket(path, subprotocols=["bearer", short]) as socket:
        assert await socket.closed() == (4001, "NOT_AUTHORISED")
    assert socket.messages[-1]["data"]["code"] == "NOT_AUTHORISED"


async def test_a_socket_ends_with_the_key_that_opened_it_and_with_what_was_shared(node: RunningApp) -> None:
    made = await make_key(node, ANNA)
    id_ = await transcript_of(node, ANNA)
    path = f"/v1/transcripts_websocket/{id_}"
    await share(node, id_, "semi-private")
    async with (
        node.socket(path, additional_headers={"X-API-Key": made["key"]}) as by_key,
        node.socket(path, additional_headers=BERT) as reader,
        node.socket(path, additional_headers=ANNA) as owner,
    ):
        for socket in (by_key, reader, owner):
            await socket.send({"action": "get_status"})
            await socket.until("status")
        # Who reads may not pause what others say.
        await reader.send({"action": "pause"})
        assert (await reader.until("error"))["data"]["code"] == "FORBIDDEN"
        await node.http.delete(f"/v1/api-keys/{made['id']}", headers=ANNA)
        assert (await by_key.closed())[0] == 4001
        await share(node, id_, "private")
        assert (await reader.closed())[0] == 4004
        await owner.send({"action": "get_status"})
        await owner.until("status")


async def test_a_peer_ends_with_the_key_that_opened_it_and_its_session_waits_for_another(node: RunningApp) -> None:
    made = await make_key(node, ANNA)
    path = f"/v1/transcripts_webrtc/{await transcript_of(node, ANNA)}/offer"
    session_id = ""

    async def exchange(sdp: str, type_: str) -> tuple[str, str]:
        nonlocal session_id
        headers = {"X-API-Key": made["key"]}
        answer = (await node.http.post(path, json={"sdp": sdp, "type": type_}, headers=headers)).json()
        session_id = answer["session_id"]
        return answer["sdp"], answer["type"]

    async with RtcClient(scripted_sound(sentence("alpha", 0.3))) as client:
        await client.connect(exchange)
        session = next(each for each in node.services.hub.sessions.values() if each.session_id == session_id)
        await until(lambda: session.state is SessionState.LIVE)
        assert (await node.http.delete(f"/v1/api-keys/{made['id']}", headers=ANNA)).status_code == 204
        told = await client.wait_message(lambda text: json.loads(text)["type"] == "error")
        assert json.loads(told)["data"]["code"] == "NOT_AUTHORISED"
        await client.closed.wait()
        assert session.state is SessionState.RESUMING
        await until(lambda: node.services.peers.places.count == 0)


async def share(node: RunningApp, transcript_id: str, mode: str) -> None:
    async with node.services.store._write() as conn:
        await conn.execute(sa.update(transcripts).where(transcripts.c.id == transcript_id).values(share_mode=mode))


async def test_lists_hold_what_is_ones_own_and_what_is_shared_with_all_who_are_signed_in(node: RunningApp) -> None:
    private, shared, public = [await transcript_of(node, ANNA) for _ in range(3)]
    await share(node, shared, "semi-private")
    await share(node, public, "public")
    for headers, listed in ((ANNA, {private, shared, public}), (BERT, {shared}), (ADMIN, {private, shared, public})):
        answer = (await node.http.get("/v1/transcripts", headers=headers)).json()
        assert {each["id"] for each in answer["items"]} == listed
        assert answer["total"] == len(listed)
    for id_, statuses in ((private, (401, 404)), (shared, (401, 200)), (public, (200, 200))):
        found = [await node.http.get(f"/v1/transcripts/{id_}", headers=headers) for headers in ({}, BERT)]
        assert tuple(answer.status_code for answer in found) == statuses
    # Whom it is shared with reads who takes part, and no addresses; nor does a key that may only read.
    path, carla = f"/v1/transcripts/{shared}", {"name": "Carla", "email": "carla@example.org"}
    added = (await node.http.post(f"{path}/participants", json=carla, headers=ANNA)).json()
    only_reads = {"X-API-Key": (await make_key(node, ANNA, scopes=["read"]))["key"]}
    ways = (
        path,
        "/v1/transcripts",
        f"{path}/participants",
        f"{path}/participants/{added['id']}",
        f"{path}/download/zip",
    )
    for headers, is_told in ((ANNA, True), (BERT, False), (only_reads, False), (ADMIN, True)):
        for way in ways:
            answer = await node.http.get(way, headers=headers)
            told = zipfile.ZipFile(io.BytesIO(answer.content)).read("metadata.json") if "zip" in way else answer.content
            assert (b"Carla" in told, b"carla@example.org" in told) == (True, is_told), way


async def test_of_what_others_shared_and_deleted_a_list_tells_the_deletion_alone(node: RunningApp) -> None:
    told = []
    for name, people in (("", []), ("Layoffs", [{"name": "Carla", "email": "carla@example.org"}])):
        body = {"name": name, "share_mode": "semi-private", "source_kind": "room", "source_language": "de"}
        id_ = (await node.http.post("/v1/transcripts", headers=ANNA, json=body)).json()["id"]
        path = f"/v1/transcripts/{id_}"
        await node.http.patch(path, headers=ANNA, json={"title": name})
        for person in people:
            made = await node.http.post(f"{path}/participants", headers=ANNA, json=person)
            assert made.status_code < 300, made.text
        assert (await node.http.delete(path, headers=ANNA)).status_code == 204
        sync = {"change_seq_from": 0, "include_deleted": True}
        listed = (await node.http.get("/v1/transcripts", headers=BERT, params=sync)).json()["items"]
        [item] = [each for each in listed if each["id"] == id_]
        assert "Carla" not in str(item)
        assert "carla@" not in str(item)
        assert item["deleted_at"] == item["created_at"] == item["updated_at"]
        own = ("id", "change_seq", "deleted_at", "created_at", "updated_at")
        for fields in (item, item["data"]):
            for field in own:
                fields.pop(field, None)
        told.append(item)
    # Whatever they were, nothing else is told of them.
    assert told[0] == told[1]
    assert (told[0]["user_id"], told[0]["source_kind"], told[0]["participants"]) == (None, "live", [])


async def test_in_public_mode_nobody_makes_transcripts_that_their_ids_open(tmp_path: Path) -> None:
    async with running_app(tmp_path, auth_mode="jwt", jwt_secret=SecretStr(SECRET), public_mode=True) as node:
        nobodys, annas = await transcript_of(node, {}), await transcript_of(node, ANNA)
        for headers in ({}, BERT):
            assert (await node.http.get(f"/v1/transcripts/{nobodys}", headers=headers)).status_code == 200
            for foreign in (annas, new_transcript_id()):
                answer = await node.http.get(f"/v1/transcripts/{foreign}", headers=headers)
                assert (answer.status_code, answer.json()["error"]["message"]) == (404, "no such transcript")
        assert (await node.http.patch(f"/v1/transcripts/{nobodys}", json={"name": "x"})).status_code == 200
        assert (await node.http.get("/v1/transcripts")).status_code == 401
        assert (await node.http.get("/v1/transcripts", headers=BERT)).json()["total"] == 0
        assert (await node.http.get("/v1/ice-servers")).status_code == 200
        assert (await node.http.get("/metrics")).status_code == 401
        assert (await node.http.get("/metrics", headers=BERT)).status_code == 403
        assert (await node.http.delete(f"/v1/transcripts/{nobodys}")).status_code == 204


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"jwt_secret": "x" * 31, "auth_mode": "jwt"}, "jwt_secret: must have 32 bytes"),
        ({"auth_mode": "jwt"}, "auth_mode: jwt needs one of"),
        ({"auth_mode": "jwt", "jwt_secret": SECRET, "jwt_jwks_url": "https://id.example/keys"}, "one of"),
        ({"auth_mode": "jwt", "jwt_jwks_url": "https://id.example/keys"}, "auth_audience"),
        ({"auth_mode": "jwt", "jwt_jwks_url": "http://id.example/keys", "auth_audience": "x"}, "jwt_jwks_url: it must"),
        ({"auth_mode": "jwt", "jwt_key_file": "/nowhere/key.pem"}, "jwt_key_file: /nowhere/key.pem cannot be read"),
        ({"jwt_secret": SECRET}, "of no use without auth_mode"),
        ({"public_mode": True}, "of no use without auth_mode"),
        ({"auth_mode": "oidc", "auth_issuer": "https://id.example"}, "auth_audience"),
        ({"auth_mode": "oidc", "auth_issuer": "http://id.example", "auth_audience": "x"}, "auth_issuer: it must"),
        (
            {"auth_mode": "oidc", "auth_issuer": "https://id.example", "auth_audience": "x", "jwt_secret": SECRET},
            "oidc",
        ),
    ],
)
def test_half_a_configuration_does_not_start(options: dict[str, Any], why: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(**options)
    assert why in str(refused.value)
    assert SECRET not in str(refused.value)
