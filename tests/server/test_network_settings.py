from __future__ import annotations

import pytest

from server.network_settings import check_stun_url, check_turn_url, port_range, public_address
from server.settings import SettingsError, load_settings


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"turn_urls": "turn:a.example.org"}, "turn_secret: turn_urls need it"),
        ({"turn_secret": "hush"}, "turn_secret: it is of no use without turn_urls"),
        ({"turn_urls": "turn:a.example.org", "turn_secret": ""}, "turn_secret: must not be empty"),
        ({"turn_urls": "https://hush.example.org", "turn_secret": "hush"}, "turn_urls: each URL must look like turn:"),
        ({"turn_urls": "turn:me:hush@a.example.org", "turn_secret": "hush"}, "turn_urls: each URL must look like"),
        ({"ice_servers": "turn:a.example.org"}, "ice_servers: each URL must look like stun:"),
    ],
)
def test_what_does_not_fit_together_fails_the_start(options: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError) as error:
        load_settings(**options)
    assert str(error.value).startswith(told)
    assert "hush" not in str(error.value)
    assert "\n" not in str(error.value)


def test_urls() -> None:
    for url in ("stun:a.example.org", "stun:192.0.2.1:3478", "stuns:[2001:db8::1]:5349"):
        check_stun_url(url)
    for url in (
        "turn:turn.example.org:3478",
        "turns:turn.example.org:443?transport=tcp",
        "turn:[2001:db8::1]:3478?transport=udp",
    ):
        check_turn_url(url)
    for url in ("stun:", "stun:a b", "stun:a:0", "stun:a:65536", "stun:a:123456", "stun:a?transport=udp", "STUN:a"):
        with pytest.raises(ValueError, match="must look like"):
            check_stun_url(url)
    for url in ("turn:a?transport=tls", "turn:a?x=y", "turn://a", "turn:a\n"):
        with pytest.raises(ValueError, match="must look like"):
            check_turn_url(url)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"udp_port_range": "40000"}, "udp_port_range: write it as two ports"),
        ({"udp_port_range": "a-b"}, "udp_port_range: write it as two ports"),
        ({"udp_port_range": "-40000"}, "udp_port_range: write it as two ports"),
        ({"udp_port_range": "40100-40000"}, "udp_port_range: the first port is above the last; write 40000-40100"),
        ({"udp_port_range": "1000-2000"}, "udp_port_range: ports are from 1024 to 65535"),
        ({"udp_port_range": "60000-70000"}, "udp_port_range: ports are from 1024 to 65535"),
        ({"udp_port": 500}, "udp_port: of the ports below 1024 browsers write to 80 and 443 only"),
        ({"public_addresses": "example.org"}, "public_addresses: each must be an IPv4 or IPv6 address"),
        ({"public_addresses": "192.0.2.1:5000"}, "public_addresses: each must be an IPv4 or IPv6 address"),
        ({"public_addresses": "0.0.0.0"}, "public_addresses: each must be an address that clients can reach"),
        ({"public_addresses": "fe80::1%eth0"}, "public_addresses: each must be an address that clients can reach"),
    ],
)
def test_settings_that_cannot_be_fail_the_start(options: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError) as error:
        load_settings(**options)
    assert str(error.value).startswith(told)


def test_ports_and_addresses_as_they_are_read() -> None:
    assert port_range("") is None
    assert port_range("40000-40000") == (40000, 40000)
    assert public_address("2001:DB8:0::1") == "2001:db8::1"
