"""compose.yaml, without Docker: what it says of nodes is what nodes take, and its parts agree."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

import pytest
import yaml

from server.leaving import leaves_within_s
from server.settings import Settings
from tests.deploy.files import COMPOSE, DEPLOY, NGINX, VARIABLE, Yaml, accepted, assignments, filled

GIVEN = {
    "HOST": "speech.example.org",
    "PUBLIC_ADDRESS": "192.0.2.10",
    **dict.fromkeys(
        ("ACCESS_TOKEN", "SHARED_SECRET", "POSTGRES_PASSWORD", "REDIS_PASSWORD", "S3_ACCESS_KEY_ID"), "0" * 32
    ),
    **dict.fromkeys(("S3_SECRET_ACCESS_KEY", "TURN_SECRET"), "1" * 32),
}
NODES = {"server-a": "a", "server-b": "b"}


@pytest.fixture(scope="module")
def project() -> Yaml:
    told: Yaml = filled(yaml.safe_load(COMPOSE.read_text()), GIVEN)
    return told


@pytest.fixture
def nodes(project: Yaml, monkeypatch: pytest.MonkeyPatch) -> dict[str, Settings]:
    return {name: accepted(project["services"][name]["environment"], monkeypatch) for name in NODES}


def seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+)(s|m)", text)
    assert found is not None, text
    return int(found[1]) * (60 if found[2] == "m" else 1)


def test_every_secret_must_be_given_and_the_example_names_each_and_gives_none() -> None:
    named = {match[1].partition(":?")[0] for match in VARIABLE.finditer(COMPOSE.read_text())}
    example = assignments(DEPLOY / ".env.example")
    assert named == set(example) == set(GIVEN)
    assert set(example.values()) == {""}


def test_nodes_take_their_settings_and_differ_where_they_must(project: Yaml, nodes: dict[str, Settings]) -> None:
    for name, settings in nodes.items():
        service, letter = project["services"][name], NODES[name]
        assert settings.node_url == f"https://{GIVEN['HOST']}/nodes/{letter}"
        assert service["ports"] == [f"{settings.udp_port}:{settings.udp_port}/udp"]
        assert service["volumes"] == [f"data-{letter}:/data"]
        assert str(settings.port) in service["healthcheck"]["test"][-1]
        for needed in ("access_token", "shared_secret", "redis_url", "database_url", "turn_secret"):
            assert getattr(settings, needed), needed
        assert settings.database.startswith("postgresql+asyncpg://")
        assert settings.blobs_url.startswith("s3://")
    first, second = nodes.values()
    other = {field for field in Settings.model_fields if getattr(first, field) != getattr(second, field)}
    assert other == {"node_url", "udp_port"}


def test_a_node_has_longer_than_it_takes_to_leave(project: Yaml, nodes: dict[str, Settings]) -> None:
    for name, settings in nodes.items():
        grace_s = seconds(project["services"][name]["stop_grace_period"])
        assert grace_s > leaves_within_s(settings.drain_deadline_s)
    assert seconds(project["services"]["nginx"]["stop_grace_period"]) > grace_s


def test_what_one_names_another_is(project: Yaml, nodes: dict[str, Settings]) -> None:
    services = project["services"]
    settings = nodes["server-a"]
    assert settings.s3_endpoint == "http://minio:9000"
    for host in (settings.database.split("@")[1].split(":")[0], (settings.redis or "").split("@")[1].split(":")[0]):
        assert host in services
    conf = NGINX.read_text()
    named = set(re.findall(r"server ([\w-]+):(\d+)", conf))
    assert named == {*((name, str(settings.port)) for name in NODES), ("minio", "9000")}
    listening = set(re.findall(r"listen (\d+)", conf))
    assert {port.split(":")[1] for port in services["nginx"]["ports"]} == listening
    for letter in NODES.values():
        assert f"location /nodes/{letter}/" in conf
    # The bucket is made, and has its own path at nginx.
    bucket = settings.blobs_url.removeprefix("s3://")
    assert f"store/{bucket}" in services["bucket"]["command"][0]
    assert f"location /{bucket}/" in conf
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
        volumes = [volume.split(":")[0] for volume in service.get("volumes", ())]
        assert {volume for volume in volumes if "/" not in volume} <= set(project["volumes"])


def test_the_turn_server_is_where_clients_are_told(nodes: dict[str, Settings]) -> None:
    conf = assignments_of_turn()
    settings = nodes["server-a"]
    plain, tls = settings.turn_urls
    assert plain == f"turn:{GIVEN['HOST']}:{conf['listening-port']}"
    assert tls == f"turns:{GIVEN['HOST']}:{conf['tls-listening-port']}?transport=tcp"
    assert settings.ice_servers == (f"stun:{GIVEN['HOST']}:{conf['listening-port']}",)


def assignments_of_turn() -> dict[str, str]:
    lines = (DEPLOY / "coturn" / "turnserver.conf").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def test_nginx_speaks_from_where_nodes_believe_it_and_finds_them_where_they_were(
    project: Yaml, nodes: dict[str, Settings]
) -> None:
    config = project["networks"]["inside"]["ipam"]["config"][0]
    network, given_out = ipaddress.ip_network(config["subnet"]), ipaddress.ip_network(config["ip_range"])
    assert nodes["server-a"].trusted_proxies == (config["subnet"],)
    fixed = [
        ipaddress.ip_address(service["networks"]["inside"]["ipv4_address"])
        for service in project["services"].values()
        if isinstance(service.get("networks"), dict)
    ]
    assert len(set(fixed)) == 3
    assert all(address in network and address not in given_out for address in fixed)


@pytest.mark.parametrize("name", ["server-a", "server-b", "postgres", "redis", "minio", "bucket", "turn", "nginx"])
def test_nothing_may_do_more_than_it_must(project: Yaml, name: str) -> None:
    service: dict[str, Any] = project["services"][name]
    assert service["read_only"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    limits = service["deploy"]["resources"]["limits"]
    assert limits.keys() == {"cpus", "memory", "pids"}
    if name != "turn":
        assert service["cap_drop"] == ["ALL"]
    if name not in ("minio", "bucket", "turn"):
        assert service["user"] not in ("root", "0", "0:0")
    if name not in ("bucket", "turn"):
        assert service["healthcheck"]["test"]
    assert set(service.get("ports", ())) <= {"80:8080", "443:8443", "40001:40001/udp", "40002:40002/udp"}


def test_what_lies_in_memory_is_asked_for_as_docker_and_podman_both_take_it(project: Yaml) -> None:
    mounts = [mount for service in project["services"].values() for mount in service.get("tmpfs", ())]
    options = {option.partition("=")[0] for mount in mounts for option in mount.partition(":")[2].split(",") if option}
    assert len(mounts) > 5
    assert options <= {"mode", "size"}  # Podman knows no uid=


def test_all_services_are_looked_at(project: Yaml) -> None:
    assert len(project["services"]) == 8
