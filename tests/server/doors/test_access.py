"""What doors answer where another process has what they are asked about."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocol.states import TranscriptState
from tests.fakes.running_app import RunningApp, running_app

HERE, THERE = "https://speech.example.org", "https://speech.example.org/nodes/b"


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RunningApp]:
    async with running_app(tmp_path, node_url=HERE + "/") as running:
        yield running


@pytest.mark.parametrize(
    ("url", "code", "status"), [(HERE, "TRY_LATER", 503), (THERE, "HELD_ELSEWHERE", 421)], ids=["here", "there"]
)
async def test_nobody_is_sent_to_where_they_are(node: RunningApp, url: str, code: str, status: int) -> None:
    id_ = await node.new_transcript()
    await node.services.store.set_state(id_, TranscriptState.RECORDING)
    nodes = node.services.store.nodes
    await nodes.join("nod_beside", url=url, keys_digest="")
    await nodes.hold(id_, "nod_beside")
    answer = await node.http.patch(f"/v1/transcripts/{id_}", json={"status": "paused"})
    assert (answer.status_code, answer.json()["error"]["code"], answer.headers["Retry-After"]) == (status, code, "1")
    async with node.socket(f"/v1/transcripts_websocket/{id_}?types=status") as reader:
        await reader.send({"action": "pause"})
        told = await reader.until("error")
        assert (told["data"]["code"], told["data"]["details"]["retry_after_s"]) == (code, 1.0)
    async with node.socket(f"/v1/transcripts_stream/{id_}") as speaker:
        await speaker.send({"type": "start", "data": {}})
        told = await speaker.until("error")
        assert told["data"]["code"] == code
        assert told["data"]["details"].get("server_url") == (url if url == THERE else None)
