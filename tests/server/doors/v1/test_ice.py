from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path

import pytest

from tests.fakes.running_app import running_app

URLS = "turn:turn.example.org,turns:turn.example.org:443?transport=tcp"


async def test_clients_get_servers_and_a_credential_and_nobody_the_secret(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = {"ice_servers": "stun:stun.example.org", "turn_urls": URLS, "turn_secret": "north-hush"}
    async with running_app(tmp_path, **options, access_token="key", log_level="debug") as running:
        assert (await running.http.get("/v1/ice-servers")).status_code == 401
        response = await running.http.get("/v1/ice-servers", headers={"Authorization": "Bearer key"})
    assert response.headers["cache-control"] == "no-store"
    stun, turn = response.json()["ice_servers"]
    assert response.json()["ttl_s"] == 6 * 3600
    assert stun == {"urls": ["stun:stun.example.org"]}
    assert turn["urls"] == URLS.split(",")
    digest = hmac.new(b"north-hush", turn["username"].encode(), hashlib.sha1).digest()
    assert base64.b64decode(turn["credential"]) == digest
    output = capfd.readouterr()
    for secret in ("north-hush", turn["credential"]):
        assert secret not in output.out + output.err


async def test_by_default_there_are_none(tmp_path: Path) -> None:
    async with running_app(tmp_path) as running:
        assert (await running.http.get("/v1/ice-servers/")).json() == {"ice_servers": [], "ttl_s": 6 * 3600}
