"""Real clients at one UDP port: several at once, through NATs, over IPv6, found by a STUN server."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import itertools
import math
import re
import socket
import struct
from array import array
from dataclasses import replace
from typing import Any

import pytest
from aioice import stun

from media.webrtc.peer_contract import PeerSettings
from media.webrtc.udp_ports import UdpSettings, local_addresses
from protocol.blocks import SAMPLE_RATE_HZ
from protocol.errors import Internal
from tests.media.webrtc.conftest import Opened, Ports
from tests.media.webrtc.listening import LOCAL, Listening
from tests.net.nat import Nat
from tests.net.rtc_client import Exchange, RtcClient
from tests.net.strangers import candidates

SECOND = SAMPLE_RATE_HZ


def tone(hz: float) -> bytes:
    return array("h", (round(8000 * math.sin(2 * math.pi * hz * n / SECOND)) for n in range(3 * SECOND))).tobytes()


def heard_hz(listening: Listening) -> float:
    """By the crossings of zero in what was heard last."""
    samples = array("h", listening.pcm())[-SECOND:]
    return sum(one < 0 <= other for one, other in itertools.pairwise(samples)) * SECOND / len(samples)


async def hearing(listening: Listening, samples: int) -> None:
    await listening.until(lambda: listening.end_samples > samples)


def without_candidates(exchange: Exchange, shown: list[str]) -> Exchange:
    """The client's own addresses are of no use to the server: they are behind its NAT."""

    async def through(sdp: str, type_: str) -> tuple[str, str]:
        lines = [line for line in sdp.splitlines() if not line.startswith(("a=candidate", "a=end-of-candidates"))]
        answer = await exchange("\r\n".join(lines) + "\r\n", type_)
        shown.append(answer[0])
        return answer

    return through


async def test_two_clients_at_one_port_each_hear_only_themselves(opened: Opened, ports: Ports) -> None:
    shared = ports()
    one, two = Listening(), Listening()
    first, second = opened(LOCAL, one, shared), opened(LOCAL, two, shared)
    async with RtcClient(tone(440)) as low, RtcClient(tone(1000)) as high:
        # One offers, the other answers.
        await low.connect(first.answer)
        offer = await second.offer()
        assert {port for _, port in candidates(offer[0])} == {shared.port}
        await second.accept(*await high.answer(*offer))
        await high.wait_connected()
        for listening in (one, two):
            await hearing(listening, 2 * SECOND)
        assert heard_hz(one) == pytest.approx(440, abs=20)
        assert heard_hz(two) == pytest.approx(1000, abs=20)
        assert (first.stats.lost, second.stats.lost) == (0, 0)
        await first.close()
        heard = two.end_samples
        await two.until(lambda: two.end_samples > heard + SECOND // 4)
        await second.close()
    assert shared.entries == 0


async def test_both_behind_nats_and_the_answer_shows_the_public_address_only(opened: Opened, ports: Ports) -> None:
    shared = ports(UdpSettings(loopback=True, public_addresses=("127.0.0.9",)))
    assert shared.port is not None
    shown: list[str] = []
    async with contextlib.AsyncExitStack() as stack:
        nat = await stack.enter_async_context(Nat(("127.0.0.1", shared.port)))
        heard = []
        for hz in (440, 1000):
            listening = Listening()
            peer = opened(LOCAL, listening, shared)
            stack.push_async_callback(peer.close)
            client = await stack.enter_async_context(RtcClient(tone(hz), addresses=["127.0.0.1"]))
            await client.connect(without_candidates(peer.answer, shown))
            heard.append((hz, listening))
        for hz, listening in heard:
            await hearing(listening, SECOND)
            assert heard_hz(listening) == pytest.approx(hz, abs=20)
        assert len(nat.mappings) == 2
        # The server knows the clients by what the NAT made of them, and they do not know its own address.
        assert {source[0] for seat in shared.lend().faces for source in seat.sources} == {"127.0.0.7"}
        for sdp in shown:
            assert candidates(sdp) == [("127.0.0.9", shared.port)]
            assert set(re.findall(r"\d+\.\d+\.\d+\.\d+|IP6 \S+", sdp)) <= {"127.0.0.9", "0.0.0.0"}
    assert shared.entries == 0


async def test_a_client_whose_nat_forgot_it_is_heard_again(
    opened: Opened, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aioice.ice.CONSENT_INTERVAL", 0.5)  # so often does the client check; five seconds in life
    shared = ports(UdpSettings(loopback=True, public_addresses=("127.0.0.9",)))
    listening = Listening()
    peer = opened(LOCAL, listening, shared)
    async with (
        Nat(("127.0.0.1", shared.port or 0)) as nat,
        RtcClient(tone(440) * 3, addresses=["127.0.0.1"]) as client,
    ):
        await client.connect(without_candidates(peer.answer, []))
        await listening.until(lambda: listening.end_samples > SECOND)
        before = dict(nat.mappings)
        nat.rebind(checks_last=True)
        pair = next(iter(client.ice[0].connection._nominated.values()))
        pair.protocol.transport.sendto(b"\x80\x6f" + bytes(60), pair.remote_addr)  # its sound, before it checks again
        await listening.until(
            lambda: listening.end_samples > 3 * SECOND and heard_hz(listening) == pytest.approx(440, abs=20)
        )
        assert nat.mappings != before
        assert shared.counts.dropped["stranger"] > 0, "what came before the first check from there"
        await peer.close()
    assert shared.entries == 0


async def test_a_peer_that_cannot_be_guarded_leaves_its_seat(
    opened: Opened, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = ports()
    monkeypatch.delattr("aioice.Connection.data_received")  # another aioice, which has this name no longer
    peer = opened(LOCAL, Listening(), shared)
    with pytest.raises(Internal):
        await peer.offer()
    await peer.close()
    assert shared.entries == 0


async def test_ipv6(opened: Opened, ports: Ports) -> None:
    shared = ports()
    if "::1" not in shared.addresses:
        pytest.skip("this machine has no IPv6")
    listening = Listening()
    peer = opened(LOCAL, listening, shared)
    async with RtcClient(addresses=["::1"]) as client:
        await client.connect(peer.answer)
        await listening.until(lambda: listening.end_samples > SECOND // 2)
        (pair,) = client.ice[0].connection._nominated.values()
        assert ":" in pair.remote_addr[0]
        assert pair.remote_addr[1] == shared.port
        await peer.close()
    assert shared.entries == 0


class StunServer(asyncio.DatagramProtocol):
    """Tells everybody one and the same address."""

    asked = 0
    transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.asked += 1
        request = stun.parse_message(data)
        answer = stun.Message(request.message_method, stun.Class.RESPONSE, request.transaction_id)
        answer.attributes["XOR-MAPPED-ADDRESS"] = ("198.51.100.7", 40123)
        self.transport.sendto(bytes(answer), addr)


async def test_a_stun_server_is_asked_through_the_shared_port(
    opened: Opened, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda use_ipv4, use_ipv6: [])
    shared, listening = ports(), Listening()
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(StunServer, local_addr=("127.0.0.1", 0))
    url = f"stun:127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    peer = opened(replace(LOCAL, ice_servers=(url,)), listening, shared)
    shown: list[str] = []

    async def exchange(sdp: str, type_: str) -> tuple[str, str]:
        answer = await peer.answer(sdp, type_)
        shown.append(answer[0])
        return answer

    with contextlib.closing(transport):
        async with RtcClient(addresses=["127.0.0.1"]) as client:
            await client.connect(exchange)
            await listening.until(lambda: listening.end_samples > 0)
            await peer.close()
        await asyncio.sleep(0)
    lines = {line for line in shown[0].splitlines() if "typ srflx" in line}
    assert len(lines) == 1
    assert f"198.51.100.7 40123 typ srflx raddr 127.0.0.1 rport {shared.port}" in lines.pop()
    assert server.asked == 1
    assert shared.entries == 0


async def test_public_addresses_need_no_stun_server(opened: Opened, ports: Ports) -> None:
    shared = ports(UdpSettings(loopback=True, public_addresses=("198.51.100.7", "198.51.100.8", "2001:db8::7")))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)
        peer = opened(replace(LOCAL, ice_servers=(f"stun:127.0.0.1:{server.getsockname()[1]}",)), Listening(), shared)
        sdp, _ = await peer.offer()
        with pytest.raises(BlockingIOError):  # it was not asked
            server.recv(1)
    assert {host for host, _ in candidates(sdp)} == (
        {"198.51.100.7", "198.51.100.8"} | ({"2001:db8::7"} if "::1" in shared.addresses else set())
    )
    await peer.close()


async def test_the_answer_leaves_from_the_address_that_was_written_to(opened: Opened, ports: Ports) -> None:
    shared = ports()
    peer = opened(LOCAL, Listening(), shared)
    await peer.offer()
    (guard,) = peer._guards
    check = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    check.attributes["USERNAME"] = f"{guard._connection.local_username}:them"
    check.attributes["PRIORITY"] = 1
    check.add_message_integrity(guard._connection.local_password.encode())
    loop = asyncio.get_running_loop()
    for address in shared.addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            client.bind((address, 0))
            client.sendto(bytes(check), (address, shared.port or 0))
            async with asyncio.timeout(5):
                data, source = await loop.sock_recvfrom(client, 2048)
            assert source[:2] == (address, shared.port)
            assert struct.unpack_from("!H", data) == (0x0101,)
    await peer.close()


async def test_a_client_of_this_machine_is_found_by_its_own_checks_and_nobody_has_us_knock_here(
    ports: Ports, opened: Opened
) -> None:
    addresses = local_addresses(loopback=False)
    if not addresses:
        pytest.skip("this machine has loopback only")
    settings = UdpSettings(public_addresses=(addresses[0], "203.0.113.9"))
    listening = Listening()
    peer = opened(PeerSettings(), listening, ports(settings))
    async with RtcClient(addresses=addresses[:1]) as client:
        await client.connect(peer.answer)
        trickled = "1 1 udp 2122260223 {} 61764 typ host"
        for each in (*addresses, "203.0.113.9"):
            assert await peer.add_candidates(f"a=candidate:{trickled.format(ipaddress.ip_address(each).exploded)}")
        await hearing(listening, SECOND // 2)
        connection = peer._guards[0]._connection
        assert {each.type for each in connection.remote_candidates} == {"prflx"}
        await peer.close()
