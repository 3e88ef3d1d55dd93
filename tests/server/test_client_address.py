"""Clients are counted by an address that they cannot choose."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.client_address import HOPS_MAX, UNKNOWN, client_address, is_proxy, networks_of

PROXIES = networks_of(("127.0.0.1", "::1", "10.0.0.0/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "counted"),
    [
        # Nobody but a proxy is believed.
        ("192.0.2.7", [], "192.0.2.7"),
        ("192.0.2.7", ["198.51.100.1"], "192.0.2.7"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        # What a client wrote itself stands before what the proxy added.
        ("127.0.0.1", ["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", ["203.0.113.9", "198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", ["10.1.1.1, 127.0.0.1, 198.51.100.1"], "198.51.100.1"),
        # Through two proxies of ours.
        ("127.0.0.1", ["203.0.113.9, 198.51.100.1, 10.2.3.4"], "198.51.100.1"),
        ("::ffff:127.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("::1", ["[2001:db8:1:2:3:4:5:6]:443"], "2001:db8:1:2::/64"),
        # All addresses of one subscriber are one.
        ("2001:db8:1:2::1", [], "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::9", [], "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", [], "2001:db8:1:3::/64"),
        # Proxies that say nothing of use are counted themselves.
        ("127.0.0.1", ["198.51.100.1, unknown"], "127.0.0.1"),
        ("127.0.0.1", [""], "127.0.0.1"),
        ("127.0.0.1", ["198.51.100.1, _hidden, 10.0.0.1"], "10.0.0.1"),
        (None, ["198.51.100.1"], UNKNOWN),
        ("", [], UNKNOWN),
    ],
)
def test_the_last_address_that_is_no_proxy_of_ours_counts(
    peer: str | None, forwarded_for: list[str], counted: str
) -> None:
    assert client_address(peer, forwarded_for, PROXIES) == counted


@given(st.lists(st.text(max_size=40), max_size=5))
def test_what_a_client_writes_changes_nothing(written: list[str]) -> None:
    added = [*written, "198.51.100.1"]
    assert client_address("127.0.0.1", added, PROXIES) == "198.51.100.1"
    assert client_address("127.0.0.1", [", ".join(added)], PROXIES) == "198.51.100.1"
    assert client_address("192.0.2.7", written, PROXIES) == "192.0.2.7"
    assert client_address("127.0.0.1", written, ()) == "127.0.0.1"


@pytest.mark.parametrize(
    ("peer", "is_ours"),
    [("127.0.0.1", True), ("10.9.8.7", True), ("::1", True), ("192.0.2.7", False), ("", False), (None, False)],
)
def test_a_proxy_is_one_that_the_settings_name(peer: str | None, is_ours: bool) -> None:
    assert is_proxy(peer, PROXIES) is is_ours


def test_a_long_row_of_proxies_is_not_followed_without_end() -> None:
    assert client_address("127.0.0.1", ["198.51.100.1" + ", 10.0.0.2" * HOPS_MAX], PROXIES) == "10.0.0.2"


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match="proxy"):
        networks_of(("proxy.example.org",))
