"""libwebrtc, the engine of Chromium, Safari and most apps, through node's @roamhq/wrtc: trickles its candidates."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.clients.hearing import hearing, run, sentence

pytestmark = pytest.mark.process

CLIENT = Path(__file__).with_name("libwebrtc_client.cjs")
PACKAGE = "node_modules/@roamhq/wrtc"


@pytest.fixture(scope="module")
def wrtc() -> tuple[str, str]:
    """Node, and the folder that ``npm install --prefix FOLDER @roamhq/wrtc`` filled."""
    node, folder = shutil.which("node"), os.environ.get("EARSHOT_WRTC", "")
    if node is None:
        pytest.skip("no node here")
    if not folder or not (Path(folder) / PACKAGE).is_dir():
        pytest.skip("EARSHOT_WRTC names no folder into which npm installed @roamhq/wrtc")
    return node, folder


async def test_libwebrtc_speaks_and_is_understood(wrtc: tuple[str, str], tmp_path: Path) -> None:
    node, folder = wrtc
    said = sentence(tmp_path)
    async with hearing(tmp_path) as server:
        id_ = await server.new_transcript()
        printed = await run(node, CLIENT, folder, said.path, server.whip(id_), str(server.token))
        assert ": 204;" in printed
        await server.assert_heard(said, id_)
