from __future__ import annotations

import pytest

from media.webrtc.candidates import is_sensible, is_usable

LOOPBACK = ("127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::")


@pytest.mark.parametrize("host", ["192.0.2.7", "10.1.2.3", "172.16.0.1", "192.168.1.20", "100.64.0.9", "fd00::2"])
def test_private_networks_are_sensible_unless_refused(host: str) -> None:
    assert is_sensible(host, loopback=False)
    assert is_sensible(host, loopback=False, private=False) is (host == "192.0.2.7")


def test_a_private_address_within_another_is_refused_with_them() -> None:
    for host in ("::ffff:192.168.1.20", "64:ff9b::192.168.1.20", "2002:c0a8:114::"):
        assert is_sensible(host, loopback=False)
        assert not is_sensible(host, loopback=False, private=False)
    assert is_sensible("100.63.255.255", loopback=False, private=False)
    assert is_sensible("172.32.0.1", loopback=False, private=False)
    assert is_sensible("2001:db8::7", loopback=False, private=False)


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.1.1",
        "::ffff:169.254.169.254",
        "64:ff9b::169.254.169.254",
        "168.63.129.16",
        "192.0.0.192",
        "100.100.100.200",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fe80::1",
        "fe80::1%eth0",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "0.1.2.3",
        "::ffff:240.0.0.1",
        "4000::1",
        "0b5f0f42-3f2e-4a6e.local",
        "localhost",
        "metadata.google.internal",
        "0x7f.1",
        "2130706433",
    ],
)
def test_nobody_has_us_knock_there(host: str) -> None:
    assert not is_sensible(host, loopback=True)
    assert not is_usable(f"1 1 udp 1 {host} 54321 typ host", loopback=True)


def test_this_machine_is_sensible_where_it_is_listened_on() -> None:
    for host in LOOPBACK:
        assert not is_sensible(host, loopback=False)
        assert is_sensible(host, loopback=True, private=False)


def test_our_own_addresses_are_as_loopback() -> None:
    own = frozenset(("192.0.2.7", "2001:db8::7", "203.0.113.9"))
    for host in (*own, "::ffff:192.0.2.7", "64:ff9b::192.0.2.7", "2001:DB8:0::7"):
        assert not is_sensible(host, loopback=False, own=own)
        assert not is_usable(f"1 1 udp 1 {host} 54321 typ srflx", loopback=False, own=own)
        assert is_sensible(host, loopback=True, own=own)
    assert is_sensible("192.0.2.8", loopback=False, own=own)


def test_candidates() -> None:
    good = "1 1 udp 2113937151 192.0.2.7 54321 typ host generation 0"
    assert is_usable(good, loopback=False)
    assert is_usable("1 1 UDP 1 192.0.2.7 54321 typ relay raddr 10.0.0.1 rport 9", loopback=False)
    for odd in (
        "1 1 tcp 1 192.0.2.7 9 typ host tcptype active",
        "1 2 udp 1 192.0.2.7 54321 typ host",
        "1 1 udp 1 192.0.2.7 53 typ host",
        "1 1 udp 1 192.0.2.7 70000 typ host",
        "1 1 udp 1 192.0.2.7 54321 typ prflx",
        "1 1 udp x 192.0.2.7 54321 typ host",
        f"{'1' * 33} 1 udp 1 192.0.2.7 54321 typ host",
        "1 1 udp",
        "",
        "1 1 udp 1 192.0.2.7 54321 typ host\x0ba=candidate:1 1 udp 1 127.0.0.1 6379 typ host",
    ):
        assert not is_usable(odd, loopback=False), odd
