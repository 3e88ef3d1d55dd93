from __future__ import annotations

from typing import Any

import pytest

from server.commands.addresses import ServerAddress
from server.commands.failure import CommandFailed
from server.commands.following import Follower
from tests.fakes.speaking_server import TRANSCRIPT_ID, SpeakingServer, segment, speaking_server


def journal(count: int) -> list[dict[str, Any]]:
    return [{"type": "transcription", "seq": n + 1, "data": segment(n)} for n in range(count)]


async def take(follower: Follower, count: int) -> list[Any]:
    messages = follower.messages()
    taken = [await anext(messages) for _ in range(count)]
    await messages.aclose()
    return taken


async def test_every_event_once_over_broken_connections() -> None:
    async with speaking_server(SpeakingServer(journal=journal(5), listen_breaks=2)) as server:
        follower = Follower(ServerAddress(server.url), TRANSCRIPT_ID)
        taken = await take(follower, 7)
    assert [m["seq"] for m in taken if "seq" in m] == [1, 2, 3, 4, 5]
    assert server.afters == ["0", "2", "4"]


async def test_it_begins_where_it_is_told() -> None:
    async with speaking_server(SpeakingServer(journal=journal(5))) as server:
        taken = await take(Follower(ServerAddress(server.url), TRANSCRIPT_ID, after="3"), 2)
    assert [m["seq"] for m in taken] == [4, 5]


async def test_a_server_that_is_gone_ends_it() -> None:
    async with speaking_server(SpeakingServer()) as server:
        pass
    with pytest.raises(CommandFailed, match="There is no server at"):
        await take(Follower(ServerAddress(server.url), TRANSCRIPT_ID, give_up_s=0.0), 1)
