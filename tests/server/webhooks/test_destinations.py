"""Where webhooks lead, and where they never do."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence
from contextlib import closing
from typing import NoReturn

import httpx
import pytest

from protocol.errors import BadInput
from server.webhooks.destinations import Names, RefusedAddress, addresses_of, check_url, is_allowed, origin_of

PUBLIC = ["93.184.215.14", "8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
OWN = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1"]
PRIVATE = [
    *("10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.20", "100.64.0.1", "fd12:3456::1"),
    *("::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:c0a8:101::1"),
]
NEVER = [
    *("169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1"),
    *("168.63.129.16", "192.0.0.192", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254"),
    *("169.254.1.1", "fe80::1", "fe80::1%eth0", "0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "ff02::1"),
    *("255.255.255.255", "240.0.0.1", "64:ff9b:1::7f00:1", "::7f00:1", "not an address", ""),
]
SPECIAL = ["192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "192.0.0.1", "2001::1", "2001:db8::1", "fec0::1"]


@pytest.mark.parametrize("address", PUBLIC)
def test_the_public_internet_is_fine(address: str) -> None:
    assert is_allowed(address, private=False)
    assert is_allowed(address, private=True)


@pytest.mark.parametrize("address", [*OWN, *PRIVATE])
def test_what_is_ours_is_only_where_a_setting_says_so(address: str) -> None:
    assert not is_allowed(address, private=False)
    assert is_allowed(address, private=True)


@pytest.mark.parametrize("address", NEVER)
def test_what_no_setting_allows(address: str) -> None:
    assert not is_allowed(address, private=False)
    assert not is_allowed(address, private=True)


@pytest.mark.parametrize("address", SPECIAL)
def test_what_is_nobodys_is_not_the_public_internet(address: str) -> None:
    assert not is_allowed(address, private=False)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "https://anna:secret@example.org/",
        "https://example.org:22/",
        "https://example.org:0/",
        "https://example.org:65536/",
        "http://127.0.0.1/",
        "http://[::1]:8000/",
        "http://[::ffff:10.0.0.1]/",
        "http://169.254.169.254/latest/meta-data",
        "http://example.org/" + "x" * 2000,
        "gopher://x",
        "no address",
    ],
)
def test_addresses_that_are_refused_as_they_are_written(url: str) -> None:
    with pytest.raises(BadInput) as refused:
        check_url(url, private=False)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(("host", "can_be"), [("10.1.2.3", True), ("169.254.169.254", False)])
def test_the_setting_is_named_only_where_it_would_help(host: str, can_be: bool) -> None:
    with pytest.raises(BadInput) as refused:
        check_url(f"http://{host}/", private=False)
    assert ("webhooks_private" in str(refused.value)) is can_be


@pytest.mark.parametrize("url", ["https://example.org/x?y=1", "http://example.org:8080", "https://[2606:4700::1]/"])
def test_addresses_that_may_be_asked(url: str) -> None:
    assert check_url(url, private=False) == httpx.URL(url)


async def asked(url: str, found: Sequence[str], *, private: bool = False) -> list[str]:
    async def look_up(host: str, port: int) -> Sequence[str]:
        return found

    return await addresses_of(httpx.URL(url), private=private, look_up=look_up)


@pytest.mark.parametrize("host", ["xn--i-7iq.ws", "xn--", "xn--a.org", "xn--.example.org"])
def test_names_that_the_rules_of_today_do_not_know_are_names(host: str) -> None:
    assert check_url(f"https://{host}/hook", private=False).raw_host.decode() == host


async def test_one_bad_address_among_good_ones_is_enough() -> None:
    assert await asked("https://example.org/", ["8.8.8.8", "8.8.4.4"]) == ["8.8.8.8", "8.8.4.4"]
    with pytest.raises(RefusedAddress):
        await asked("https://example.org/", ["8.8.8.8", "10.0.0.1"])
    with pytest.raises(OSError, match="no address"):
        await asked("https://example.org/", [])


@pytest.mark.parametrize("host", ["0x7f.1", "2130706433", "127.1", "localhost", "017700000001"])
async def test_other_spellings_of_this_machine_are_seen_when_they_are_resolved(host: str) -> None:
    with closing(Names()) as names, pytest.raises(RefusedAddress):
        await addresses_of(check_url(f"http://{host}/", private=False), private=False, look_up=names.look_up)


async def test_a_name_that_is_none_has_no_address() -> None:
    with closing(Names()) as names, pytest.raises(OSError, match="name"):
        await names.look_up("x" * 64 + ".example", 443)


async def test_names_that_nobody_answers_for_hold_up_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are written and words redacted in the loop's own threads, of which there are few."""
    answers = threading.Event()

    def silent(*_asked: object, **_how: object) -> NoReturn:
        answers.wait(60)
        raise socket.gaierror("no name server answers")

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    with closing(Names()) as names:
        lookups = [asyncio.create_task(names.look_up(f"n{at}.example", 443)) for at in range(50)]
        await asyncio.sleep(0)  # all of them have begun
        try:
            async with asyncio.timeout(30):
                assert await asyncio.to_thread(answers.is_set) is False
        finally:
            answers.set()
        assert all(isinstance(each, OSError) for each in await asyncio.gather(*lookups, return_exceptions=True))


def test_what_is_shown_of_an_address_is_where_it_leads() -> None:
    assert origin_of("https://example.org:8443/services/T0/canary?key=canary") == "https://example.org:8443"
