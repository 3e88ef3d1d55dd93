"""aiortc's own client as a WHIP client: everything in one offer, and the words on its data channel as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.hearing import hearing, sentence
from tests.net.rtc_client import RtcClient

pytestmark = pytest.mark.process


async def test_aiortc_speaks_and_is_understood(tmp_path: Path) -> None:
    said = sentence(tmp_path)
    async with hearing(tmp_path) as server, RtcClient(said.samples.tobytes()) as peer:
        id_ = await server.new_transcript()
        sessions: list[str] = []

        async def exchange(sdp: str, _type: str) -> tuple[str, str]:
            answer = await server.http.post(server.whip(id_), content=sdp, headers={"Content-Type": "application/sdp"})
            assert answer.status_code == 201, answer.text
            sessions.append(answer.headers["location"])
            return answer.text, "answer"

        await peer.connect(exchange)
        await peer.sent()
        await peer.wait_message(lambda text: '"is_final":true' in text, timeout_s=20)
        assert (await server.http.delete(sessions[0])).status_code == 200
        await server.assert_heard(said, id_)
