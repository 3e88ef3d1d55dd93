from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from protocol.errors import AudioFormatError
from server.commands import speaking
from server.commands.addresses import ServerAddress
from server.commands.failure import CommandFailed
from server.commands.outbox import Outbox
from server.commands.speaking import SpeakingClient
from tests.fakes.speaking_server import TRANSCRIPT_ID, SpeakingServer, speaking_server

SOUND = bytes(range(256)) * 250 * 3  # six seconds at 16 kHz
START = {"encoding": "pcm_s16le", "sample_rate": 16_000, "channels": 1}


class Source:
    """Pieces of ``sound``; with ``then``, what happens instead of the end."""

    def __init__(self, sound: bytes = SOUND, then: Exception | None = None) -> None:
        self.pieces = [sound[at : at + 6400] for at in range(0, len(sound), 6400)]
        self.then = then

    async def __call__(self) -> bytes | None:
        if self.pieces:
            return self.pieces.pop(0)
        if self.then:
            raise self.then
        return None


def client(server: SpeakingServer, source: Any, told: list[Mapping[str, Any]], **more: Any) -> SpeakingClient:
    return SpeakingClient(
        ServerAddress(server.url), TRANSCRIPT_ID, START, Outbox(2), source, on_message=told.append, **more
    )


async def test_all_of_it_arrives_and_the_words_come_back() -> None:
    async with speaking_server(SpeakingServer()) as server:
        told: list[Mapping[str, Any]] = []
        stopped = await client(server, Source(), told).speak()
    assert bytes(server.sound) == SOUND
    assert stopped == {"duration": 6.0, "segments": 6, "words": 6}
    assert [m["data"]["text"] for m in told if m["data"]["is_final"]] == ["one", "two", "three", "four", "five", "six"]
    assert server.starts == [START]


@pytest.mark.parametrize("forget_bytes", [0, 3200, 25_000])
async def test_after_a_break_exactly_what_was_lost_is_sent_again(forget_bytes: int) -> None:
    behaviour = SpeakingServer(break_after_bytes=[40_000, 90_000], forget_bytes=forget_bytes)
    async with speaking_server(behaviour) as server:
        troubles: list[str] = []
        await client(server, Source(), [], on_trouble=troubles.append).speak()
    assert bytes(server.sound) == SOUND
    assert [start.get("resume") for start in server.starts] == [None, "token-1", "token-2"]
    assert len(troubles) == 2
    assert "1012" in troubles[0]


async def test_what_a_server_goes_on_from_is_kept_until_it_is_acknowledged() -> None:
    """Another one may have to go on later, which has only what was."""
    behaviour = SpeakingServer(break_after_bytes=[40_000, 70_000], forget_bytes=35_000, forgets_at_last=True)
    async with speaking_server(behaviour) as server:
        await client(server, Source(), []).speak()
    assert bytes(server.sound) == SOUND
    assert len(server.starts) == 3


async def test_a_full_window_waits_and_stays_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speaking, "WINDOW_BYTES", 64_000)
    async with speaking_server(SpeakingServer(forget_bytes=64_000, keepalive_s=0.02)) as server:
        speaker = client(server, Source(), [])
        task = asyncio.create_task(speaker.speak())
        async with asyncio.timeout(10):
            await server.control_came.wait()
        assert 64_000 <= len(server.sound) < 80_000
        speaker.finish_now()
        async with asyncio.timeout(10):
            await task
    assert server.controls[0] == "keepalive"
    assert server.controls[-1] == "stop"


async def test_a_refusal_is_said_in_words_and_not_tried_again() -> None:
    async with speaking_server(SpeakingServer(refuse_with=4004)) as server:
        with pytest.raises(CommandFailed, match="not today"):
            await client(server, Source(), []).speak()
    assert len(server.starts) == 1


async def test_it_gives_up_after_its_patience() -> None:
    async with speaking_server(SpeakingServer()) as server:
        pass
    with pytest.raises(CommandFailed, match="cannot be reached"):
        await client(server, Source(), [], give_up_s=0.0).speak()


async def test_finishing_early_sends_stop_and_nothing_more() -> None:
    async with speaking_server(SpeakingServer()) as server:
        never = asyncio.Event()
        first = [SOUND[:32_000]]

        async def source() -> bytes | None:
            if first:
                return first.pop()
            await never.wait()
            return None

        heard = asyncio.Event()
        speaker = client(server, source, [], on_acked=lambda position: heard.set() if position == 16_000 else None)
        task = asyncio.create_task(speaker.speak())
        async with asyncio.timeout(10):
            await heard.wait()
            speaker.finish_now()
            stopped = await task
    assert stopped["segments"] == 1
    assert server.controls == ["stop"]


async def test_a_quiet_source_is_kept_alive() -> None:
    async with speaking_server(SpeakingServer()) as server:
        gate = asyncio.Event()

        async def source() -> bytes | None:
            await gate.wait()
            return None

        speaker = client(server, source, [])
        original = speaker._next

        async def soon(within_s: float) -> bytes | None:
            return await original(0.02)

        speaker._next = soon  # type: ignore[method-assign]
        task = asyncio.create_task(speaker.speak())
        async with asyncio.timeout(10):
            await server.control_came.wait()
            gate.set()
            await task
    assert server.controls[0] == "keepalive"
    assert server.controls[-1] == "stop"


async def test_a_source_that_breaks_off_keeps_what_was_said() -> None:
    async with speaking_server(SpeakingServer()) as server:
        speaker = client(server, Source(SOUND[:64_000], AudioFormatError("the file ends early")), [])
        stopped = await speaker.speak()
    assert stopped["segments"] == 2
    assert speaker.source_error is not None


async def test_it_goes_on_where_the_server_says() -> None:
    async with speaking_server(SpeakingServer()) as there:
        sending = SpeakingServer(refuse_with=4009, refuse_details={"server_url": there.url})
        async with speaking_server(sending) as server:
            errors: list[Mapping[str, Any]] = []
            stopped = await client(server, Source(), [], on_error=errors.append).speak()
    assert stopped["words"] == 6
    assert bytes(there.sound) == SOUND
    assert not sending.sound
    assert [error["code"] for error in errors] == ["REFUSED"]
