"""Places of peers are bounded, and always come back."""

from __future__ import annotations

import contextlib
import random

import pytest

from protocol.errors import TooManyPeers
from server.peer_places import PeerPlace, PeerPlaces


def places(*, connecting_max: int = 3, per_address_max: int = 3) -> PeerPlaces:
    return PeerPlaces(connecting_max=connecting_max, per_address_max=per_address_max, connect_deadline_s=15.0)


def test_so_many_connect_at_once_wherever_they_come_from() -> None:
    counted = places()
    first, *_ = [counted.take(f"192.0.2.{number}") for number in range(3)]
    with pytest.raises(TooManyPeers, match="connecting") as refused:
        counted.take("192.0.2.9")
    assert refused.value.retry_after_s == 15.0
    first.connected()
    first.connected()
    counted.take("192.0.2.9")
    assert (counted.connecting, counted.count) == (3, 4)


def test_so_many_of_one_address() -> None:
    counted = places(connecting_max=100)
    taken = [counted.take("192.0.2.1") for _ in range(3)]
    for place in taken:
        place.connected()
    with pytest.raises(TooManyPeers, match="your address"):
        counted.take("192.0.2.1")
    counted.take("192.0.2.2").free()
    taken[0].free()
    taken[0].free()
    counted.take("192.0.2.1")
    with pytest.raises(TooManyPeers):
        counted.take("192.0.2.1")


def test_who_comes_back_takes_its_own_place_and_keeps_it_when_refused() -> None:
    counted = places(connecting_max=3, per_address_max=2)
    before, other = counted.take("192.0.2.1"), counted.take("192.0.2.1")
    before.connected()
    after = counted.take("192.0.2.1", instead_of=before)
    assert (before.is_taken, counted.connecting, counted.count) == (False, 2, 2)
    with pytest.raises(TooManyPeers, match="your address"):
        counted.take("192.0.2.1", instead_of=before)  # has none any more
    counted.take("192.0.2.2")
    with pytest.raises(TooManyPeers, match="connecting"):
        counted.take("192.0.2.3")
    again = counted.take("192.0.2.1", instead_of=after)
    assert (counted.connecting, counted.count) == (3, 3)
    again.connected()
    counted.take("192.0.2.3")
    with pytest.raises(TooManyPeers, match="connecting"):
        counted.take("192.0.2.1", instead_of=again)
    assert again.is_taken, "its peer is still there"
    assert other.is_taken
    assert counted.count == 4


def test_whatever_happens_in_whatever_order_all_places_come_back() -> None:
    chance = random.Random(7)
    counted = places(connecting_max=20, per_address_max=5)
    taken: list[PeerPlace] = []
    for _ in range(2000):
        with contextlib.suppress(TooManyPeers):
            taken.append(counted.take(f"192.0.2.{chance.randrange(10)}"))
        if taken and chance.random() < 0.5:
            chance.choice(taken).connected()
        if taken and chance.random() < 0.5:
            taken.pop(chance.randrange(len(taken))).free()
        assert counted.connecting <= 20
        assert counted.count == len(taken)
    for place in taken:
        place.free()
    assert (counted.connecting, counted.count) == (0, 0)
    assert not counted._by_address
