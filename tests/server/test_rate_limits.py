"""How often one client may do something, and what is remembered of clients."""

from __future__ import annotations

import pytest

from protocol.errors import RateLimited
from server.rate_limits import BoundedMemory, RateLimit


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_one_too_many_is_refused_until_the_window_ends() -> None:
    clock = Clock()
    limit = RateLimit("things", 2, "too many things", clock=clock)
    limit.check("anna")
    limit.take("anna")
    clock.now += 10
    limit.take("anna")
    assert dict(limit.headers("anna")) == {
        "RateLimit-Limit": "2",
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": "50",
    }
    for attempt in (limit.take, limit.check):
        with pytest.raises(RateLimited) as refused:
            attempt("anna")
        assert refused.value.retry_after_s == 50
        assert refused.value.details == {"limit": "things", "per_minute": 2}
    limit.take("bert")  # who is counted alone
    clock.now += 50
    limit.take("anna")


def test_no_limit_refuses_and_tells_nothing() -> None:
    limit = RateLimit("things", 0, "too many things")
    for _ in range(1000):
        limit.take("anna")
    limit.check("anna")
    assert limit.headers("anna") == ()


def test_only_so_many_clients_are_remembered_and_the_oldest_is_forgotten() -> None:
    clock = Clock()
    memory = BoundedMemory(clients_max=3, clock=clock)
    for i in range(5):
        assert memory.incr(f"client {i}", 60) == 1
        clock.now += 1
    assert [memory.get(f"client {i}") for i in range(5)] == [0, 0, 1, 1, 1]
    assert memory.get_expiry("client 4") == 1064
    assert memory.reset() == 3
    memory.incr("anna", 60)
    memory.clear("anna")
    assert memory.get("anna") == 0
    assert memory.check()
