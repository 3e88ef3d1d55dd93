"""Deepgram's client for JavaScript; that for Python is in the door's own tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.clients.hearing import TOKEN, node_package, run, sentence
from tests.fakes.running_app import running_app

pytestmark = pytest.mark.process

CLIENT = Path(__file__).with_name("deepgram_client.cjs")


async def test_the_official_client_is_understood_live_and_with_a_recording(tmp_path: Path) -> None:
    node, folder = node_package("@deepgram/sdk")
    said = sentence(tmp_path)
    samples = tmp_path / "samples"
    samples.write_bytes(said.samples.tobytes())
    async with running_app(tmp_path / "data", access_token=SecretStr(TOKEN)) as server:
        printed = await run(node, CLIENT, folder, samples, said.path, f"127.0.0.1:{server.port}", TOKEN)
    assert json.loads(printed.splitlines()[-1]) == {"live": said.text, "posted": said.text}
