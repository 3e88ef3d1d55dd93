"""What we use of aiortc and aioice without their promise. It fails the day one of these names means something else."""

from __future__ import annotations

import importlib.metadata
import inspect
from typing import Any

import pytest
from aioice import Candidate, Connection, ice, stun
from aiortc import RTCConfiguration, RTCPeerConnection
from structlog.testing import capture_logs

from media.webrtc import guard
from media.webrtc.udp_mux import Face, Seat
from media.webrtc.udp_ports import UdpPorts
from media.webrtc.upstream import tell_unknown_releases
from tests.media.webrtc.conftest import Opened, Ports
from tests.media.webrtc.listening import LOCAL, Listening
from tests.net.rtc_client import RtcClient


@pytest.mark.parametrize(("package", "version"), [("aiortc", "2.0.0"), ("aiortc", "1.17.1"), ("aioice", "0.14.0")])
def test_other_releases_than_those_that_were_read_are_named_once(
    monkeypatch: pytest.MonkeyPatch, package: str, version: str
) -> None:
    real = importlib.metadata.version
    try:
        with capture_logs() as lines:
            tell_unknown_releases.cache_clear()
            tell_unknown_releases()
            assert not lines, "those that are installed"
            monkeypatch.setattr("importlib.metadata.version", lambda name: version if name == package else real(name))
            tell_unknown_releases.cache_clear()
            tell_unknown_releases()
            tell_unknown_releases()
        assert [line[package] for line in lines] == [version]
    finally:
        tell_unknown_releases.cache_clear()


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


async def test_the_names_are_there_and_take_what_we_give() -> None:
    connection = Connection(ice_controlling=False)
    assert parameters(connection.get_component_candidates) == ["component", "addresses", "timeout"]
    assert parameters(connection.data_received) == ["data", "component"]
    assert parameters(ice.server_reflexive_candidate) == ["protocol", "stun_server"]
    assert parameters(ice.get_host_addresses) == ["use_ipv4", "use_ipv6"]
    assert connection._protocols == []
    connection._local_username = "12345678"
    assert connection.local_username == "12345678"
    connection.data_received(b"\x80", 1)
    assert connection._queue.qsize() == 1
    protocol = ice.StunProtocol(connection)
    assert protocol.transactions == {}
    pc = RTCPeerConnection(RTCConfiguration([]))
    pc.addTransceiver("audio")
    assert isinstance(pc.getTransceivers()[0].receiver.transport.transport._connection, Connection)
    await pc.close()


async def test_a_check_is_authenticated_by_its_password() -> None:
    check = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    check.add_message_integrity(b"secret")
    parsed = stun.parse_message(bytes(check))
    assert parsed.check_message_integrity(b"secret")
    assert not parsed.check_message_integrity(b"guessed")
    assert not stun.parse_message(bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST))).check_message_integrity(
        b"secret"
    )


async def test_aioice_binds_nothing_sends_by_the_seat_and_lets_go(
    opened: Opened, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared: UdpPorts = ports()
    listening = Listening()
    peer = opened(LOCAL, listening, shared)
    asked: list[bytes] = []
    real = Seat.ask

    def ask(seat: Seat, transaction_id: bytes, face: Face) -> None:
        asked.append(transaction_id)
        real(seat, transaction_id, face)

    monkeypatch.setattr(Seat, "ask", ask)
    async with RtcClient() as client:
        client.pc.addTrack(client.track)
        await client.pc.setLocalDescription()
        sdp, _ = await peer.answer(client.pc.localDescription.sdp, "offer")
        (ours,) = peer._guards
        seat, connection = ours._seat, ours._connection
        assert f"a=ice-ufrag:{seat.ufrag}\r\n" in sdp
        assert len(connection._protocols) == len(shared.addresses)
        assert {type(protocol.transport) for protocol in connection._protocols} == {guard._Way}
        assert all(isinstance(protocol.local_candidate, Candidate) for protocol in connection._protocols)
        await client.pc.setRemoteDescription(type(client.pc.localDescription)(sdp, "answer"))
        client.track.begin.set()
        await listening.until(lambda: listening.end_samples > 0)
        assert asked, "the mux was told of our own checks"
        assert all(len(id_) == 12 for id_ in asked)
        await peer.close()
        assert connection._protocols == []
    assert shared.entries == 0
    assert seat.asked == set()
