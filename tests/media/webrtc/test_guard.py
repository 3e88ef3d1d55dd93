"""Strangers' datagrams to a media port: no session ends, nothing grows."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from media.webrtc.guard import QUEUE_MAX_DATAGRAMS
from protocol.states import SessionState
from tests.media.webrtc.conftest import Opened, Ports
from tests.media.webrtc.listening import LOCAL, Listening
from tests.net.rtc_client import RtcClient
from tests.net.strangers import candidates, rubbish, throw


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_strangers_end_no_session_and_fill_no_memory(opened: Opened, ports: Ports) -> None:
    shared, listening = ports(), Listening()
    peer = opened(LOCAL, listening, shared)
    target = ("127.0.0.1", shared.port or 0)
    ufrag = ""

    async def exchange(sdp: str, type_: str) -> tuple[str, str]:
        nonlocal ufrag
        answer = await peer.answer(sdp, type_)
        ufrag = answer[0].partition("a=ice-ufrag:")[2].split()[0]
        # Before the session is up as well.
        before = resident_bytes()
        flood = rubbish(2_000, ufrag) + [b"\x80\x6f" + bytes(1_000)] * 58_000
        stranger = await throw(flood, target)
        assert resident_bytes() - before < 10 << 20
        (guard,) = peer._guards
        assert guard._connection._queue.qsize() == 0
        # The client has answered our own checks already.
        assert not any(stranger in face.sources for face in shared.lend().faces)
        assert shared.entries <= 32
        assert sum(shared.counts.dropped.values()) >= len(flood), "each was counted, by us or by the system"
        return answer

    async with RtcClient() as client:
        await client.connect(exchange)
        await listening.until(lambda: listening.end_samples > 0)
        before = shared.counts.dropped
        await throw(rubbish(10_000, ufrag), target)
        counted = shared.counts.dropped
        for reason in ("empty", "malformed", "stranger", "unknown_user", "unauthenticated", "unasked"):
            assert counted[reason] > before[reason], reason
        assert sum(counted.values()) - sum(before.values()) >= 10_000
        (guard,) = peer._guards
        assert guard._connection._queue.qsize() < 50
        assert shared.entries <= 16, "its own addresses on each of ours"
        heard = listening.end_samples
        await listening.until(lambda: listening.end_samples > heard + 8_000)
        assert listening.state is SessionState.LIVE
        assert peer.stats.lost == 0
        await peer.close()
    assert shared.entries == 0


async def test_even_the_peers_own_address_cannot_end_the_session_with_nothing(opened: Opened, ports: Ports) -> None:
    shared, listening = ports(), Listening()
    peer = opened(LOCAL, listening, shared)
    async with RtcClient() as client:
        await client.connect(peer.answer)
        await listening.until(lambda: listening.end_samples > 0)
        pair = next(iter(client.ice[0].connection._nominated.values()))
        tap = peer._receiver.tap
        assert tap is not None
        forged = bytes([0x80, min(tap._second_bytes)]) + os.urandom(60)
        for data in (b"", b"\x80", b"\x16", os.urandom(40), b"\x80\x6f" + os.urandom(60), b"\x01\x01", forged):
            pair.protocol.transport.sendto(data, pair.remote_addr)
        before = listening.end_samples
        await listening.until(lambda: listening.end_samples > before + 8_000)
        assert shared.counts.dropped["forged"] >= 1
        await peer.close("done")
    assert [reason for _, reason in listening.states] == ["connected", "done"]


async def test_the_queue_is_bounded_before_anybody_reads_it(opened: Opened, ports: Ports) -> None:
    shared = ports()
    peer = opened(LOCAL, Listening(), shared)
    await peer.offer()
    (guard,) = peer._guards
    for _ in range(3 * QUEUE_MAX_DATAGRAMS):
        guard._data_received(b"\x80" + bytes(1_000), 1)
    assert guard._connection._queue.qsize() == QUEUE_MAX_DATAGRAMS
    assert shared.counts.dropped["queue_full"] == 2 * QUEUE_MAX_DATAGRAMS
    await peer.close()


async def test_rtp_of_the_peer_is_shown_first_to_who_asked_for_it(opened: Opened) -> None:
    listening = Listening()
    peer = opened(LOCAL, listening)
    shown: list[int] = []
    enough = asyncio.Event()
    taking = False

    def on_rtp(data: bytes) -> bool:
        shown.append(data[0])
        if taking and len(shown) > 20:
            enough.set()
        return taking

    async with RtcClient() as client:
        await client.connect(peer.answer)
        (guard,) = peer._guards
        guard.on_rtp = on_rtp
        await listening.until(lambda: listening.end_samples > 0)
        assert shown
        assert all(128 <= first <= 191 for first in shown)
        shown.clear()
        taking, packets = True, peer.stats.packets
        async with asyncio.timeout(5):
            await enough.wait()
        assert peer.stats.packets <= packets + 1, "what was taken went on all the same"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_connection_that_is_closed_while_it_connects_leaves_no_checks_behind(
    opened: Opened, ports: Ports
) -> None:
    peer = opened(LOCAL, Listening(), ports())
    closed = asyncio.Event()
    closing: list[asyncio.Task[None]] = []

    async def exchange(sdp: str, type_: str) -> tuple[str, str]:
        answer = await peer.answer(sdp, type_)
        (guard,) = peer._guards
        assert peer._pc is not None
        close, get = peer._pc.close, guard._connection._check_list_state.get

        async def close_and_tell() -> None:
            await close()
            closed.set()

        async def get_while_it_closes() -> int:
            completed: int = await get()
            closing.append(asyncio.create_task(peer.close()))
            await closed.wait()
            return completed

        vars(peer._pc).update(close=close_and_tell)
        vars(guard._connection._check_list_state).update(get=get_while_it_closes)
        return answer

    async with RtcClient() as client:
        connecting = asyncio.create_task(client.connect(exchange))
        async with asyncio.timeout(20):
            await closed.wait()
            await closing[0]
        connecting.cancel()
        await asyncio.wait([connecting])
        (guard,) = peer._guards
        assert guard._connection._query_consent_task.done()


async def test_upstream_still_has_the_fault() -> None:
    """Fails once aiortc has mended it: then ``guard`` can do without the check for empty datagrams."""
    quiet = asyncio.get_running_loop()
    quiet.set_exception_handler(lambda *_: None)
    server, client = (RTCPeerConnection(RTCConfiguration([])) for _ in range(2))
    client.createDataChannel("events")
    await client.setLocalDescription()
    await server.setRemoteDescription(RTCSessionDescription(client.localDescription.sdp, "offer"))
    await server.setLocalDescription()
    connected, ended = asyncio.Event(), asyncio.Event()

    @server.on("connectionstatechange")
    def on_state() -> None:
        {"connected": connected, "closed": ended, "failed": ended}.get(server.connectionState, asyncio.Event()).set()

    targets = [host for host in candidates(server.localDescription.sdp) if ":" not in host[0]]
    if not targets:
        await server.close()
        await client.close()
        pytest.skip("this machine has no address but loopback")
    await client.setRemoteDescription(RTCSessionDescription(server.localDescription.sdp, "answer"))
    try:
        async with asyncio.timeout(10):
            await connected.wait()
        await throw([b""], targets[0])
        async with asyncio.timeout(5):
            await ended.wait()
    finally:
        await client.close()
        await server.close()
        await asyncio.sleep(0.1)
