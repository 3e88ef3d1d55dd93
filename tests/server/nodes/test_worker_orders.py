"""What a worker is told: its settings, secrets included, with ports of its own."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from server.commands import checks
from server.nodes.worker_orders import WorkerOrders, part_of, settings_of
from server.settings import Settings, SettingsError, load_settings

REDIS = {"redis_url": "redis://:secret@host/1"}
STORE = {"database_url": "postgresql+asyncpg://user:secret@host/earshot"}


def settings(**options: Any) -> Settings:
    return load_settings(**(REDIS | STORE | {"workers": 3} | options))


def test_orders_arrive_as_they_were_meant() -> None:
    given = settings(
        allowed_hosts="a.example,b.example",
        turn_urls="turn:turn.example.org",
        turn_secret="a secret",
        data_dir=Path("/somewhere"),
        sessions_max=7,
    )
    orders = WorkerOrders(2, Path("/tmp/sockets"), settings_of(given, 2))
    came = WorkerOrders.from_json(orders.to_json())
    assert came == orders
    assert came.settings.database == given.database
    assert came.settings.workers == 1


def test_each_worker_has_ports_of_its_own() -> None:
    given = settings(udp_port=40000, worker_port=9100)
    assert [settings_of(given, index).udp_port for index in range(3)] == [40000, 40001, 40002]
    assert [settings_of(given, index).worker_port for index in range(3)] == [9100, 9101, 9102]
    free = settings(udp_port=0)
    assert {(settings_of(free, index).udp_port, settings_of(free, index).worker_port) for index in range(3)} == {(0, 0)}


def test_a_port_of_a_worker_that_is_taken_is_found_out() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        found = checks.udp_ports(settings(udp_port=port - 1, host="127.0.0.1", workers=2))
    assert found.level == "fail"
    assert str(port) in found.found
    free = checks.udp_ports(settings(udp_port=0, workers=3))
    assert free.found.startswith("3 free ones for all WebRTC peers")


def test_a_range_of_ports_is_divided() -> None:
    assert [part_of("40000-40004", index, 2) for index in range(2)] == ["40000-40001", "40002-40004"]
    given = settings(udp_port_range="40000-40002")
    parts = [settings_of(given, index).udp_port_range for index in range(3)]
    assert parts == ["40000-40000", "40001-40001", "40002-40002"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (STORE | {"workers": 2}, "2 workers need redis_url"),
        (STORE | {"workers": 2}, "inference processes are counted by engine_workers"),
        (STORE | {"workers": "0"}, "inference processes are counted by engine_workers"),
        (REDIS | {"workers": 2}, "2 workers need PostgreSQL"),
        (REDIS | {"workers": 2, "database_url": "sqlite+aiosqlite:///x"}, "2 workers need PostgreSQL"),
        (REDIS | STORE | {"workers": 2, "udp_port": 443}, "choose one from 1024 to 65534"),
        (REDIS | STORE | {"workers": 4, "udp_port": 65533}, "choose one from 1024 to 65532"),
        (REDIS | STORE | {"workers": 4, "udp_port_range": "40000-40002"}, "4 workers need as many ports"),
    ],
)
def test_what_workers_need_is_said(options: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said) as told:
        load_settings(**options)
    assert len(str(told.value).splitlines()) == 1
