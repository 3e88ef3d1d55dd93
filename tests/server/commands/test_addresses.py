from __future__ import annotations

import pytest

from server.commands.addresses import ServerAddress, Ways


def test_addresses_are_taken_in_turn() -> None:
    ways = Ways([ServerAddress("one:1"), ServerAddress("two:2")], first=3)
    assert str(ways.now) == "http://two:2"
    ways.try_next()
    assert str(ways.now) == "http://one:1"


def test_where_a_server_sends_us_is_left_again_when_nobody_is_there() -> None:
    ways = Ways([ServerAddress("one:1", "secret")])
    assert ways.follow({"server_url": "https://three:3/x/"})
    assert (ways.now.http, ways.now.websocket) == ("https://three:3/x", "wss://three:3/x")
    assert ways.now.headers == {"Authorization": "Bearer secret"}
    ways.try_next()
    assert str(ways.now) == "http://one:1"


@pytest.mark.parametrize("url", [None, 5, "", "ftp://three", "http://", "http://three:3", "http://[x"])
def test_what_is_no_address_and_what_is_not_encrypted_is_not_followed(url: object) -> None:
    ways = Ways([ServerAddress("https://one")])
    assert not ways.follow({"server_url": url})
    assert str(ways.now) == "https://one"
