"""What a peer says to its client: by the wire, and heard by aiortc."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from aiortc.rtcrtpparameters import RTCRtcpParameters, RTCRtpCodecParameters, RTCRtpSendParameters
from aiortc.rtp import RtcpPacket, RtcpSdesPacket, RtcpSrPacket

from media.opus_encoder import FRAME_BYTES, FRAME_SAMPLES, open_encoder
from media.webrtc.peer import WebRtcPeer
from media.webrtc.rtp import RtpPacket, parse
from media.webrtc.sender import SILENCE, OpusSender
from protocol.states import SessionState
from tests.media.webrtc.conftest import Ports
from tests.media.webrtc.listening import LOCAL, Listening
from tests.net.ear import Ear, level, tone
from tests.net.rtc_client import RtcClient


class Wire:
    """A DTLS transport that writes down what goes out."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closed = False
        self.waits = False

    async def _send_rtp(self, data: bytes) -> None:
        if self.closed:
            raise ConnectionError
        if self.waits:
            await asyncio.sleep(0)
        self.sent.append(data)

    @property
    def packets(self) -> list[RtpPacket]:
        return [parse(data) for data in self.sent if data[1] & 0x7F == 111]

    @property
    def marks(self) -> list[bool]:
        return [bool(data[1] & 0x80) for data in self.sent if data[1] & 0x7F == 111]


class _Stock:
    def __init__(self, wire: Wire) -> None:
        self._ssrc = 77
        self.transport = wire


async def ready(wire: Wire) -> OpusSender:
    sender = OpusSender()
    stock: Any = _Stock(wire)
    sender._sender = stock
    sender.speak(b"\x48too early", 0)
    assert wire.sent == []
    codec = RTCRtpCodecParameters(mimeType="audio/opus", clockRate=48_000, channels=2, payloadType=111)
    await sender.send(RTCRtpSendParameters(codecs=[codec], rtcp=RTCRtcpParameters(cname="me")))
    return sender


PACKET = b"\x48" + bytes(20)  # SILK, wideband, 20 ms


async def test_time_goes_on_through_silence_and_numbers_have_no_hole() -> None:
    wire = Wire()
    sender = await ready(wire)
    for n in range(100):
        sender.speak(PACKET if n < 10 or n >= 90 else None, n * FRAME_SAMPLES)
    packets = wire.packets
    steps = [(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in pairwise(packets)]
    assert steps[:9] == [960] * 9
    assert sum(steps) == 99 * 960
    assert all((b.sequence - a.sequence) & 0xFFFF == 1 for a, b in pairwise(packets))
    silent = [packet for packet in packets if packet.payload == SILENCE]
    assert 4 <= len(silent) <= 5, "one at once, so that the ear hears silence, and then every 400 ms"
    assert packets[10].payload == SILENCE
    assert {packet.ssrc for packet in packets} == {77}


async def test_a_marker_says_where_sound_begins() -> None:
    wire = Wire()
    sender = await ready(wire)
    for n in range(60):
        sender.speak(PACKET if n % 20 < 3 else None, n * FRAME_SAMPLES)
    begins = [
        packet.timestamp
        for packet, mark in zip(wire.packets, wire.marks, strict=True)
        if mark and packet.payload == PACKET
    ]
    assert [(at - begins[0]) & 0xFFFFFFFF for at in begins] == [0, 20 * 960, 40 * 960]
    assert sum(packet.payload == PACKET for packet in wire.packets) == 9


async def test_reports_say_how_much_was_sent_and_when() -> None:
    wire = Wire()
    sender = await ready(wire)
    sender.speak(PACKET, 0)
    sender.speak(PACKET, FRAME_SAMPLES)
    reports = [RtcpPacket.parse(data) for data in wire.sent if 200 <= data[1] <= 207]
    [[report, description]] = reports
    assert isinstance(report, RtcpSrPacket)
    assert isinstance(description, RtcpSdesPacket)
    assert (report.ssrc, report.sender_info.packet_count, report.sender_info.octet_count) == (77, 1, len(PACKET))
    assert report.sender_info.rtp_timestamp == wire.packets[0].timestamp
    assert description.chunks[0].items == [(1, b"me")]


async def test_a_way_that_closes_or_waits_is_no_error() -> None:
    wire = Wire()
    sender = await ready(wire)
    wire.closed = True
    sender.speak(PACKET, 0)
    assert sender.packets == 0
    wire.closed, wire.waits = False, True
    sender.speak(PACKET, FRAME_SAMPLES)
    assert not sender.is_ready
    sender.speak(PACKET, 2 * FRAME_SAMPLES)
    assert wire.sent == []


async def test_a_sequence_number_begins_again_from_zero() -> None:
    wire = Wire()
    sender = await ready(wire)
    sender._sequence = 0xFFFF
    for n in range(2):
        sender.speak(PACKET, n * FRAME_SAMPLES)
    assert [packet.sequence for packet in wire.packets] == [0xFFFF, 0]


async def say(peer: WebRtcPeer, pcm: bytes) -> None:
    encoder, loop = open_encoder(), asyncio.get_running_loop()
    began_s = loop.time()
    for n in range(len(pcm) // FRAME_BYTES):
        peer.speak(encoder.encode(pcm[n * FRAME_BYTES : (n + 1) * FRAME_BYTES]), n * FRAME_SAMPLES)
        await asyncio.sleep(max(0.0, began_s + n * 0.02 - loop.time()))


@pytest.mark.parametrize("direction", ["sendrecv", "recvonly", "sendonly"])
async def test_a_client_hears_if_it_offers_to(ports: Ports, direction: str) -> None:
    listening = Listening()
    peer = WebRtcPeer(LOCAL, listening, ports=ports(), speaks=True)
    answers: list[str] = []

    async def exchange(sdp: str, type_: str) -> tuple[str, str]:
        answer = await peer.answer(sdp.replace("a=sendrecv", f"a={direction}"), type_)
        answers.append(answer[0])
        return answer

    try:
        async with RtcClient(tone(500, 5.0)) as client:
            ear = Ear(client.pc)
            await client.connect(exchange)
            await say(peer, tone(800, 1.5))
            if direction == "sendonly":
                assert "a=recvonly" in answers[0]
                assert not len(ear.heard)
            else:
                await ear.until_hears(800)
            if direction != "recvonly":
                await listening.until(lambda: listening.end_samples > 8_000)
                assert level(np.frombuffer(listening.pcm()[-8_000:], "<i2"), 500) > 0.5
            await ear.close()
    finally:
        await peer.close()
    assert listening.state is SessionState.CLOSED
    peer.speak(PACKET, 10**6)


async def test_a_peer_that_does_not_speak_answers_as_ever(ports: Ports) -> None:
    peer = WebRtcPeer(LOCAL, Listening(), ports=ports())
    answers: list[str] = []

    async def exchange(sdp: str, type_: str) -> tuple[str, str]:
        answer = await peer.answer(sdp, type_)
        answers.append(answer[0])
        return answer

    async with RtcClient() as client:
        await client.connect(exchange)
    await peer.close()
    assert "a=recvonly" in answers[0]
    assert "a=sendrecv" not in answers[0]
