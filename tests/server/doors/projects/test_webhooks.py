"""Webhooks over REST, as hosts set them up, and a conversation that is told of."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from protocol.ids import new_transcript_id
from server.services import Services
from server.settings import Settings
from tests.fakes.issuer import SECRET, bearer, token
from tests.fakes.node import node_settings
from tests.fakes.receiver import Receiver
from tests.fakes.running_app import in_process
from tests.server.databases import lay_sqlite_file
from tests.server.webhooks.test_signing import hmac_by_hand

WANTED = {"name": "Archive", "url": "https://hooks.example/in?key=canary", "events": ["conversation.transcribed"]}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return node_settings(tmp_path, webhooks_private=True, webhooks_max=3, webhook_deadline_s=5)


@pytest.fixture
async def path(client: httpx.AsyncClient) -> str:
    project = (await client.post("/api/projects", json={"name": "Talks"})).json()
    return f"/api/projects/{project['id']}/webhooks"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver.running() as running:
        yield running


async def made(client: httpx.AsyncClient, path: str, **fields: Any) -> dict[str, Any]:
    answer = await client.post(path, json={**WANTED, **fields})
    assert answer.status_code == 201, answer.text
    webhook: dict[str, Any] = answer.json()
    return webhook


async def test_one_is_made_read_changed_and_deleted(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.post(path + "/", json=WANTED)
    webhook = answer.json()
    own = f"{path}/{webhook['id']}"
    assert (answer.status_code, answer.headers["location"]) == (201, own)
    assert {name: webhook[name] for name in WANTED} == WANTED
    assert (webhook["status"], webhook["health"], webhook["has_secret"]) == ("published", "unknown", True)
    found = (await client.get(own)).json()
    assert found == {name: value for name, value in webhook.items() if name != "secret"}
    assert (await client.get(path)).json() == {"items": [found], "total": 1}

    changed = (await client.patch(own, json={"name": "Other", "status": "archived"})).json()
    assert (changed["name"], changed["status"], changed["health"], changed["secret"]) == (
        "Other",
        "archived",
        "off",
        None,
    )
    assert changed["url"] == WANTED["url"]
    assert (await client.delete(own)).status_code == 204
    for gone in (await client.get(own), await client.patch(own, json={}), await client.delete(own)):
        assert gone.status_code == 404
    assert (await client.get(path)).json()["total"] == 0


async def test_the_secret_is_shown_when_it_is_new_and_never_again(client: httpx.AsyncClient, path: str) -> None:
    webhook = await made(client, path)
    own = f"{path}/{webhook['id']}"
    secrets = [webhook["secret"]]
    assert len(secrets[0]) > 32
    secrets.append((await client.patch(own, json={"rotate_secret": True})).json()["secret"])
    given = (await client.patch(own, json={"secret": "canary-given"})).json()["secret"]
    assert given == "canary-given"
    assert len({*secrets, given}) == 3
    assert (await made(client, path, secret="canary-at-birth"))["secret"] == "canary-at-birth"
    assert (await made(client, path, secret=""))["secret"].startswith("whs_")
    for answer in (await client.get(path), await client.get(own), await client.patch(own, json={"name": "x"})):
        assert "canary-given" not in answer.text
        assert "canary-at-birth" not in answer.text
        assert not any(secret in answer.text for secret in secrets)


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"name": " "}, 422),
        ({"url": "ftp://hooks.example/"}, 422),
        ({"url": "https://hooks.example/a b"}, 422),
        ({"url": "https://münchen.example/"}, 422),
        ({"url": "https://anna:pw@hooks.example/"}, 400),
        ({"url": "https://hooks.example:25/"}, 400),
        ({"url": "http://169.254.169.254/latest"}, 400),
        ({"url": "https://h/" + "x" * 2000}, 422),
        ({"events": []}, 422),
        ({"events": ["conversation.ended"]}, 422),
        ({"secret": "short"}, 422),
        ({"status": "on"}, 422),
    ],
)
async def test_what_cannot_be_is_refused(
    client: httpx.AsyncClient, path: str, wrong: dict[str, Any], status: int
) -> None:
    refused = await client.post(path, json={**WANTED, **wrong})
    assert refused.status_code == status
    assert ("url: write it in ASCII" in refused.json()["detail"]) is ("münchen" in str(wrong))
    webhook = await made(client, path)
    assert (await client.patch(f"{path}/{webhook['id']}", json=wrong)).status_code == status


async def test_they_are_bounded(client: httpx.AsyncClient, path: str) -> None:
    for _ in range(3):
        await made(client, path)
    refused = await client.post(path, json=WANTED)
    assert (refused.status_code, refused.json()["error"]["details"]) == (409, {"max": 3})


async def test_one_of_another_project_is_not_there(client: httpx.AsyncClient, path: str) -> None:
    other = (await client.post("/api/projects", json={"name": "Other"})).json()["id"]
    webhook = await made(client, path)
    for gone in (
        await client.get(f"/api/projects/{other}/webhooks/{webhook['id']}"),
        await client.patch(f"/api/projects/{other}/webhooks/{webhook['id']}", json={"name": "x"}),
        await client.delete(f"/api/projects/{other}/webhooks/{webhook['id']}"),
        await client.post(f"/api/projects/{other}/webhooks/{webhook['id']}/test"),
        await client.get(f"/api/projects/{other}/webhooks/{webhook['id']}/deliveries"),
        await client.get(f"{path}/{new_transcript_id()}"),
    ):
        assert gone.status_code == 404
    assert (await client.post(f"/api/projects/{new_transcript_id()}/webhooks", json=WANTED)).status_code == 404


async def test_a_test_says_how_it_went(client: httpx.AsyncClient, path: str, receiver: Receiver) -> None:
    webhook = await made(client, path, url=receiver.url, secret="canary-secret")
    good = (await client.post(f"{path}/{webhook['id']}/test")).json()
    assert (good["success"], good["status_code"], good["outcome"]) == (True, 200, "ok")
    [request] = receiver.received
    assert request.headers["x-webhook-event"] == "webhook.test"
    assert request.headers["x-webhook-signature"] == "sha256=" + hmac_by_hand(b"canary-secret", request.body)
    receiver.answers.append(302)
    bad = (await client.post(f"{path}/{webhook['id']}/test")).json()
    assert (bad["success"], bad["status_code"], bad["outcome"]) == (False, 302, "redirect")
    assert "redirects are not followed" in bad["message"]


async def test_a_conversation_is_told_of_and_told_again(
    client: httpx.AsyncClient, services: Services, path: str, receiver: Receiver
) -> None:
    webhook = await made(
        client,
        path,
        url=receiver.url,
        events=["conversation.started", "conversation.transcribed"],
        secret="canary-secret",
    )
    project_id = path.split("/")[3]
    participant = "/api/participant/conversations"
    begun = await client.post(f"{participant}/initiate", json={"project_id": project_id, "name": "Anna"})
    id_ = begun.json()["id"]
    await receiver.until(1)
    await client.post(f"{participant}/{id_}/upload-text", json={"content": "A crossing at the school."})
    await client.post(f"{participant}/{id_}/finish")
    started, transcribed = (json.loads(each.body) for each in await receiver.until(2))
    assert (started["event"], started["conversation"]["id"]) == ("conversation.started", id_)
    assert transcribed["event"] == "conversation.transcribed"
    text = (await client.get(f"/api/conversations/{id_}/transcript")).text
    assert "A crossing at the school." in text
    assert transcribed["conversation"]["transcript"] == text
    await services.webhooks.sent()

    deliveries = f"{path}/{webhook['id']}/deliveries"
    log = (await client.get(deliveries)).json()
    assert log["total"] == 2
    newest = log["items"][0]
    assert (newest["event"], newest["state"], newest["attempts"]) == ("conversation.transcribed", "delivered", 1)
    assert (newest["status_code"], newest["next_attempt_at"]) == (200, None)
    assert len((await client.get(deliveries + "?size=1&page=2")).json()["items"]) == 1
    answer = await client.post(f"{deliveries}/{newest['id']}/replay")
    assert (answer.status_code, answer.json()["replay_of"]) == (201, newest["id"])
    assert (await receiver.until(3))[2].body == receiver.received[1].body
    assert (await client.post(f"{deliveries}/dlv_none/replay")).status_code == 404
    await client.patch(f"{path}/{webhook['id']}", json={"status": "draft"})
    assert (await client.post(f"{deliveries}/{newest['id']}/replay")).status_code == 409
    found = (await client.get(f"{path}/{webhook['id']}")).json()
    assert (found["last_outcome"], found["last_status_code"], found["failing_since"]) == ("ok", 200, None)


async def test_whoever_may_only_read_sees_no_secret_part_of_the_address(tmp_path: Path) -> None:
    options = {"auth_mode": "jwt", "jwt_secret": SecretStr(SECRET)}
    settings = node_settings(tmp_path, **options)
    lay_sqlite_file(settings.data_dir / "earshot.db")
    services = await Services.start(settings)
    try:
        async with in_process(settings, services) as client:
            anna = bearer(token("anna"))
            project = (await client.post("/api/projects", json={"name": "Talks"}, headers=anna)).json()
            path = f"/api/projects/{project['id']}/webhooks"
            webhook = (await client.post(path, json=WANTED, headers=anna)).json()
            assert webhook["url"] == WANTED["url"]

            async def key(*scopes: str) -> dict[str, str]:
                body = {"name": "k", "scopes": list(scopes)}
                made = await client.post("/v1/api-keys", json=body, headers=anna)
                return {"X-API-Key": made.json()["key"]}

            reader = await key("read")
            assert (await client.get(path, headers=reader)).json()["items"][0]["url"] == "https://hooks.example"
            assert (await client.post(path, json=WANTED, headers=reader)).status_code == 403
            # Whoever may not read cannot have it sent to them either.
            assert (await client.post(path, json=WANTED, headers=await key("write"))).status_code == 403
            assert (await client.post(path, json=WANTED, headers=await key("write", "read"))).status_code == 201
    finally:
        await services.stop()


async def test_private_addresses_need_the_setting(tmp_path: Path, receiver: Receiver) -> None:
    settings = node_settings(tmp_path)
    lay_sqlite_file(settings.data_dir / "earshot.db")
    services = await Services.start(settings)
    try:
        async with in_process(settings, services) as client:
            project = (await client.post("/api/projects", json={"name": "Talks"})).json()
            path = f"/api/projects/{project['id']}/webhooks"
            assert (await client.post(path, json={**WANTED, "url": receiver.url})).status_code == 400
            # A name is looked up when something is sent.
            webhook = await made(client, path, url=receiver.url.replace("127.0.0.1", "localhost"))
            tested = (await client.post(f"{path}/{webhook['id']}/test")).json()
            assert (tested["success"], tested["outcome"]) == (False, "refused")
            assert receiver.connections == 0
    finally:
        await services.stop()
