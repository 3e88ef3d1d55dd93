"""UDP of a node: what its settings must be, who gets a port, and what its figures say."""

from __future__ import annotations

import asyncio
import re
import socket
from pathlib import Path

import httpx
import pytest

from media.webrtc.udp_ports import UdpUnavailable
from server.commands import checks
from server.commands.failure import CommandFailed
from server.commands.serve import check_udp
from server.services import Services
from server.settings import load_settings
from server.udp import udp_settings
from tests.fakes.node import node_settings
from tests.fakes.running_app import running_app
from tests.net.free_ports import free_range
from tests.net.strangers import candidates, rubbish, throw


def test_settings_as_media_takes_them(tmp_path: Path) -> None:
    settings = load_settings(public_addresses=" 192.0.2.1, 2001:DB8::1,192.0.2.1", host="0.0.0.0", udp_port=443)
    assert udp_settings(settings).public_addresses == ("192.0.2.1", "2001:db8::1")
    assert (udp_settings(settings).port, udp_settings(settings).loopback) == (443, False)
    assert udp_settings(node_settings(tmp_path)).loopback


async def test_a_port_in_use_fails_the_start_of_the_node_and_of_the_command(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        settings = node_settings(tmp_path, port=0, udp_port=other.getsockname()[1])
        with pytest.raises(UdpUnavailable, match="in use by another program"):
            await Services.start(settings)
        with pytest.raises(CommandFailed, match="EARSHOT_UDP_PORT"):
            check_udp(settings)
        found = checks.udp_ports(settings)
        assert found.level == "fail"
        assert found.found.endswith("in use by another program.")
        assert "EARSHOT_UDP_PORT" in found.todo


def test_the_doctor_tells_of_the_port_and_its_buffer(tmp_path: Path) -> None:
    found = checks.udp_ports(node_settings(tmp_path, udp_receive_buffer_kb=64))
    assert found.level == "ok"
    assert found.found == "a free one for all WebRTC peers, receive buffer 64 KiB"
    found = checks.udp_ports(node_settings(tmp_path, udp_receive_buffer_kb=1 << 20))
    assert found.level == "warn"
    assert "sysctl -w net.core.rmem_max=1073741824" in found.todo
    first, last = free_range(2)
    found = checks.udp_ports(node_settings(tmp_path, udp_port_range=f"{first}-{last}"))
    assert (found.level, found.found) == ("ok", f"one of {first}-{last} for each WebRTC peer; some are free")


async def offered(http: httpx.AsyncClient) -> httpx.Response:
    id_ = (await http.post("/v1/transcripts/")).json()["id"]
    return await http.post(f"/v1/transcripts_webrtc/{id_}/offer")


async def test_all_peers_of_a_node_are_at_one_port_and_strangers_are_counted(tmp_path: Path) -> None:
    async with running_app(tmp_path) as node:
        port = node.services.ports.port
        assert port is not None
        for _ in range(2):
            assert {each for _, each in candidates((await offered(node.http)).json()["sdp"])} == {port}
        await throw(rubbish(500), ("127.0.0.1", port))
        figures = (await node.http.get("/metrics")).text
        came = float(re.findall(r"earshot_udp_datagrams_in_total ([\d.]+)", figures)[0])
        assert came >= 500
        assert "earshot_udp_datagrams_unsent_total 0.0" in figures
        counted = dict(re.findall(r'earshot_udp_datagrams_dropped_total\{reason="(\w+)"\} ([\d.]+)', figures))
        assert sum(map(float, counted.values())) - float(counted["buffer_full"]) == came
        assert float(counted["stranger"]) > 50
        assert float(re.findall(r"earshot_udp_bytes_in_total ([\d.]+)", figures)[0]) > 50_000
        # It is ours: the doctor knows who has it.
        same = node_settings(tmp_path, port=httpx.URL(node.serving.url).port, udp_port=port)
        found = await asyncio.to_thread(checks.udp_ports, same)
        assert (found.level, found.found) == ("ok", f"{port}: Earshot is serving there now")
        services = node.services
    assert services.ports.entries == 0


async def test_a_range_that_is_used_up_says_when_to_come_back(tmp_path: Path) -> None:
    first, last = free_range(2)
    async with running_app(tmp_path, udp_port_range=f"{first}-{last}") as node:
        ports = set()
        for _ in range(2):
            ports |= {each for _, each in candidates((await offered(node.http)).json()["sdp"])}
        assert ports == {first, last}
        refused = await offered(node.http)
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "OVERLOADED"
        assert int(refused.headers["retry-after"]) >= 1
