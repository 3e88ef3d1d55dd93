"""libwebrtc, the engine of Chromium, Safari and most apps, through node's @roamhq/wrtc: trickles its candidates."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.hearing import hearing, node_package, run, sentence

pytestmark = pytest.mark.process

CLIENT = Path(__file__).with_name("libwebrtc_client.cjs")


async def test_libwebrtc_speaks_and_is_understood(tmp_path: Path) -> None:
    node, folder = node_package("@roamhq/wrtc")
    said = sentence(tmp_path)
    async with hearing(tmp_path) as server:
        id_ = await server.new_transcript()
        printed = await run(node, CLIENT, folder, said.path, server.whip(id_), str(server.token))
        assert ": 204;" in printed
        await server.assert_heard(said, id_)
