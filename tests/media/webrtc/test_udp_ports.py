"""UDP ports that are shared, lent, taken by others, or used up; and what the system grants."""

from __future__ import annotations

import errno
import socket

import pytest
from structlog.testing import capture_logs

from media.webrtc import udp_ports
from media.webrtc.udp_ports import UdpPorts, UdpSettings, UdpUnavailable, bind_all, buffer_advice, try_out
from protocol.errors import Overloaded
from tests.media.webrtc.conftest import Opened, Ports
from tests.media.webrtc.listening import LOCAL, Listening
from tests.net.free_ports import free_range
from tests.net.rtc_client import RtcClient
from tests.net.strangers import candidates


async def test_every_local_address_has_the_same_port(ports: Ports) -> None:
    shared = ports()
    assert "127.0.0.1" in shared.addresses
    mux = shared.lend()
    assert {face.port for face in mux.faces} == {shared.port}
    assert shared.lend() is mux
    shared.give_back(mux)
    assert mux.faces[0].sock.fileno() >= 0, "the shared one stays"
    assert shared.described == f"port {shared.port}"
    outside = ports(UdpSettings(loopback=True, port=free_range(1)[0]))
    assert outside.port not in (0, shared.port)


async def test_loopback_is_used_where_the_server_listens_there_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda use_ipv4, use_ipv6: [])
    with pytest.raises(UdpUnavailable, match="no address"):
        UdpPorts.open(UdpSettings())


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_a_port_in_use_fails_the_start_and_says_what_to_do(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as other:
        try:
            other.bind((address, 0))
        except OSError:
            pytest.skip(f"this machine has no {address}")
        port = other.getsockname()[1]
        with pytest.raises(UdpUnavailable, match=f"UDP port {port} on {address} is in use.*EARSHOT_UDP_PORT") as caught:
            UdpPorts.open(UdpSettings(port=port, loopback=True))
    assert caught.value.errno == errno.EADDRINUSE
    try_out(UdpSettings(port=port, loopback=True))  # nothing was left open


async def test_a_free_port_is_free_on_all_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    real, tries = udp_ports._bind, []

    def bind(address: str, port: int, receive_buffer_bytes: int | None) -> socket.socket | None:
        tries.append((address, port))
        if port and len(tries) < 6:
            raise OSError(errno.EADDRINUSE, "taken")
        return real(address, port, receive_buffer_bytes)

    monkeypatch.setattr(udp_ports, "_bind", bind)
    for sock in bind_all(["127.0.0.1", "127.0.0.2"], 0):
        sock.close()
    assert len(tries) == 6 + 2 * (6 % 2)


async def test_an_address_that_went_away_is_left_out() -> None:
    (sock,) = bind_all(["203.0.113.77", "127.0.0.1"], 0)
    assert sock.getsockname()[0] == "127.0.0.1"
    sock.close()


async def test_each_peer_has_a_port_of_the_range_and_one_too_many_comes_later(opened: Opened, ports: Ports) -> None:
    first, last = free_range(2)
    ranged = ports(UdpSettings(port_range=(first, last), loopback=True))
    assert ranged.port is None
    assert ranged.described == f"ports {first}-{last}, one a peer"
    one, other = Listening(), Listening()
    peers = [opened(LOCAL, one, ranged), opened(LOCAL, other, ranged)]
    async with RtcClient() as client:
        await client.connect(peers[0].answer)
        offer, _ = await peers[1].offer()
        too_many = opened(LOCAL, Listening(), ranged)
        with pytest.raises(Overloaded) as refused:
            await too_many.offer()
        assert refused.value.http_status == 503
        assert refused.value.retry_after_s
        await too_many.close()
        await one.until(lambda: one.end_samples > 0)
        used = {port for _, port in candidates(offer)}
        assert len(used) == 1
        assert used < {first, last}
        await peers[1].close()
        # Its port is free again, and its counts are not lost.
        again = opened(LOCAL, Listening(), ranged)
        assert {port for _, port in candidates((await again.offer())[0])} == used
        await again.close()
        await peers[0].close()
    assert ranged.counts.datagrams > 10
    assert ranged.entries == 0


async def test_a_range_that_others_have_fails_the_start() -> None:
    first, last = free_range(2)
    taken = [bind_all(["127.0.0.1"], port)[0] for port in (first, last)]
    try:
        with pytest.raises(UdpUnavailable, match=f"No UDP port of {first}-{last} is free.*udp_port_range"):
            UdpPorts.open(UdpSettings(port_range=(first, last), loopback=True))
    finally:
        for sock in taken:
            sock.close()


async def test_the_receive_buffer_that_was_granted_is_told(ports: Ports) -> None:
    with capture_logs() as logs:
        ports(UdpSettings(loopback=True, receive_buffer_bytes=64 << 10))
    (told,) = [line for line in logs if "receive buffer" in line["event"]]
    assert (told["log_level"], told["asked_kb"], told["granted_kb"]) == ("info", 64, 64)
    with capture_logs() as logs:
        ports(UdpSettings(loopback=True, receive_buffer_bytes=1 << 30))
    (told,) = [line for line in logs if "receive buffer" in line["event"]]
    assert told["log_level"] == "warning"
    assert told["granted_kb"] < told["asked_kb"]
    assert f"net.core.rmem_max={1 << 30}" in told["advice"]


def test_what_is_a_small_buffer() -> None:
    assert buffer_advice(4 << 20, 4 << 20) == ""
    assert buffer_advice(4 << 20, (2 << 20) + 1) == ""
    assert "rmem_max=4194304" in buffer_advice(4 << 20, 212_992)


async def test_what_the_system_drops_is_counted(ports: Ports) -> None:
    shared = ports(UdpSettings(loopback=True, receive_buffer_bytes=64 << 10))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for _ in range(500):  # the loop has no turn meanwhile
            stranger.sendto(bytes(1000), ("127.0.0.1", shared.port or 0))
    assert shared.counts.dropped["buffer_full"] > 100
    before = shared.counts.dropped["buffer_full"]
    shared.close()
    assert shared.counts.dropped["buffer_full"] == before, "also after the socket is gone"
