"""The direct tap by itself, and the contract with aiortc: it fails the day a private name of the receive path moves."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pylibsrtp
import pytest
from structlog.testing import capture_logs

from media.webrtc import tap as tap_module
from media.webrtc.srtp import Fields
from media.webrtc.tap import Tap, can_tap
from media.webrtc.upstream import DIRECT_NAMES, ROUTER_NAMES
from tests.media.webrtc.conftest import Opened
from tests.media.webrtc.listening import LOCAL, Listening
from tests.net.relay import UdpRelay
from tests.net.rtc_client import RtcClient


def is_rtp(data: bytes) -> bool:
    return len(data) > 1 and 128 <= data[0] <= 191 and not 192 <= data[1] <= 223


@pytest.mark.parametrize("direct", [True, False], ids=["direct", "router"])
async def test_what_we_stand_on_in_aiortc(opened: Opened, monkeypatch: pytest.MonkeyPatch, *, direct: bool) -> None:
    """Frames arrive, one loss recovers, reports go back and forth, no decoder thread exists."""
    routed = 0
    listening = Listening()
    peer = opened(replace(LOCAL, direct_tap=direct), listening)
    by_router = peer._receiver._handle_rtp_packet

    async def counted(packet: Any, arrival_time_ms: int) -> None:
        nonlocal routed
        routed += 1
        await by_router(packet, arrival_time_ms)

    monkeypatch.setattr(peer._receiver, "_handle_rtp_packet", counted)
    sound = np.random.default_rng(3).normal(0, 3_000, 3 * 16_000).astype("<i2").tobytes()
    async with UdpRelay(seed=1) as relay, RtcClient(sound) as client:
        await client.connect(relay.between(peer.answer))
        await listening.until(lambda: listening.end_samples >= 8_000)
        relay.to_b.chosen, relay.to_b.drop_next = is_rtp, 1
        await _more(listening, 8_000)
        assert peer.stats.lost == 1
        assert not [thread.name for thread in threading.enumerate() if "decoder" in thread.name]
        # The sender hears of its loss and of the way there and back: reports both ways.
        seen: list[Any] = []
        async with asyncio.timeout(8):
            while not seen:
                await _more(listening, 3_200)
                seen = [each for each in await _reports(client) if each.packetsLost == 1 and each.roundTripTime]
        assert 0 < seen[0].roundTripTime < 5
        packets = peer.stats.packets
        tap = peer._receiver.tap
        await peer.close()
    if direct:
        assert tap is not None
        assert tap.taken >= packets
        # What came before the transport had a receiver, and by it before the tap was there.
        assert routed == 0
    else:
        assert tap is None
        assert routed >= packets


async def _more(listening: Listening, samples: int) -> None:
    wanted = listening.end_samples + samples
    await listening.until(lambda: listening.end_samples >= wanted)


async def _reports(client: RtcClient) -> list[Any]:
    return [each for each in (await client.pc.getStats()).values() if each.type == "remote-inbound-rtp"]


class Transport:
    """As much of a DTLS transport as the tap looks at; its SRTP takes off a last byte 7."""

    def __init__(self, *missing: str) -> None:
        for name in (*ROUTER_NAMES, *DIRECT_NAMES):
            if name not in missing:
                setattr(self, name, self)

    def unprotect(self, packet: bytes) -> bytes:
        if len(packet) > 1_500:
            raise ValueError("packet is too long")
        if packet[-1:] != b"\x07":
            raise pylibsrtp.Error("authentication failure")
        return packet[:-1]


def tapped(transport: Any) -> tuple[Tap, list[Fields], list[bool]]:
    taken: list[Fields] = []
    refused: list[bool] = []
    tap = Tap(transport, {111}, lambda *fields: taken.append(fields), lambda: refused.append(True))
    return tap, taken, refused


HEADER = b"\x80\x6f\x00\x01" + bytes(7) + b"\x02"


def test_only_what_is_ours_is_taken() -> None:
    tap, taken, refused = tapped(Transport())
    assert tap.on_rtp(HEADER + b"sound\x07")
    assert taken == [(1, 0, 2, b"sound")]
    for other in (b"\x80", HEADER[:11], b"\x80\x60" + HEADER[2:], b"\x80\xc8" + HEADER[2:] + bytes(16)):
        assert not tap.on_rtp(other)
    # Ours by its header, and forged, cut or overlong: gone, and aiortc need not try.
    for bad in (HEADER + b"sound", HEADER[:1] + HEADER[1:-1] + b"\x07", HEADER + bytes(2_000)):
        assert tap.on_rtp(bad)
    assert (tap.taken, len(refused), len(taken)) == (1, 3, 1)


def test_before_there_are_keys_nothing_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = Transport()
    monkeypatch.setattr(transport, "_rx_srtp", None)
    tap, taken, refused = tapped(transport)
    assert not tap.on_rtp(HEADER + b"sound\x07")
    assert not taken
    assert not refused


@pytest.mark.parametrize("missing", [*ROUTER_NAMES, *DIRECT_NAMES])
def test_without_a_private_name_there_is_no_tap_and_one_line_says_so(missing: str) -> None:
    tap_module._tell.cache_clear()
    with capture_logs() as lines:
        assert not can_tap(Transport(missing))
        assert not can_tap(Transport(missing))
    assert [(line["log_level"], line["missing"]) for line in lines] == [("warning", (missing,))]


async def test_a_peer_without_the_tap_is_heard_by_the_router(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("media.webrtc.receiver.can_tap", lambda transport: False)
    listening = Listening()
    peer = opened(LOCAL, listening)
    async with RtcClient() as client:
        await client.connect(peer.answer)
        await listening.until(lambda: listening.end_samples > 3_200)
        assert peer._receiver.tap is None
        await peer.close()
