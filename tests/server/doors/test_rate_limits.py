"""429 as clients meet it: for what is made too often, and for wrong credentials."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from tests.fakes.running_app import running_app

TOKEN = "canary-token-of-the-limits"


def refused(response: httpx.Response) -> bool:
    """Whether it is 429, which must then say all that a client needs."""
    if response.status_code != 429:
        return False
    error = response.json()["error"]
    assert (error["code"], error["details"]["per_minute"]) == ("RATE_LIMITED", 2)
    assert 1 <= int(response.headers["retry-after"]) <= 60
    assert response.headers["ratelimit-remaining"] == "0"
    return True


async def test_what_is_made_too_often_is_refused_and_reading_is_not(tmp_path: Path) -> None:
    async with running_app(tmp_path, creations_per_minute=2) as node:
        first = await node.http.post("/v1/transcripts/")
        assert (first.status_code, first.headers["ratelimit-limit"], first.headers["ratelimit-remaining"]) == (
            201,
            "2",
            "1",
        )
        assert not refused(await node.http.post("/v1/transcripts/"))
        assert refused(await node.http.post("/v1/transcripts/"))
        assert refused(await node.http.post("/whip"))
        listed = await node.http.get("/v1/transcripts/")
        assert (listed.status_code, listed.json()["total"]) == (200, 2)
        assert "ratelimit-limit" not in listed.headers
        # Another address, which a trusted proxy names, is another client.
        other = await node.http.post("/v1/transcripts/", headers={"X-Forwarded-For": "192.0.2.9"})
        assert other.status_code == 201


async def test_who_guesses_is_not_believed_any_more_and_others_are(tmp_path: Path) -> None:
    options = {"access_token": SecretStr(TOKEN), "failed_sign_ins_per_minute": 2}
    async with running_app(tmp_path, **options) as node:
        right, wrong = {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": "Bearer guess"}
        for _ in range(2):
            assert (await node.http.get("/v1/transcripts/", headers=wrong)).status_code == 401
        assert refused(await node.http.get("/v1/transcripts/", headers=wrong))
        assert refused(await node.http.get("/v1/transcripts/", headers=right))
        async with node.socket("/v1/transcripts_websocket/x", subprotocols=["bearer", "guess"]) as socket:
            assert (await socket.closed())[0] == 4029
        assert (await node.http.get("/health", headers=wrong)).status_code == 200
        elsewhere = {**right, "X-Forwarded-For": "192.0.2.9"}
        assert (await node.http.get("/v1/transcripts/", headers=elsewhere)).status_code == 200


@pytest.mark.parametrize("how", ["none", "right"])
async def test_who_guesses_nothing_is_never_counted(tmp_path: Path, how: str) -> None:
    options = {"access_token": SecretStr(TOKEN), "failed_sign_ins_per_minute": 1}
    async with running_app(tmp_path, **options) as node:
        headers = {"Authorization": f"Bearer {TOKEN}"} if how == "right" else {}
        wanted = 200 if how == "right" else 401
        for _ in range(3):
            assert (await node.http.get("/v1/transcripts/", headers=headers)).status_code == wanted
