"""How often one client may do something."""

from __future__ import annotations

import pytest

from protocol.errors import RateLimited
from server.rate_counts import BoundedMemory
from server.rate_limits import RateLimit


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def limit_of(per_minute: int, clock: Clock) -> RateLimit:
    return RateLimit("things", per_minute, "too many things", BoundedMemory(clock=clock), clock=clock)


async def test_one_too_many_is_refused_until_the_window_ends() -> None:
    clock = Clock()
    limit = limit_of(2, clock)
    (await limit.look("anna")).check()
    (await limit.take("anna")).check()
    clock.now += 10
    stand = await limit.take("anna")
    stand.check()
    assert dict(stand.headers) == {
        "RateLimit-Limit": "2",
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": "50",
    }
    for attempt in (limit.take, limit.look):
        stand = await attempt("anna")
        assert stand.remaining == 0
        with pytest.raises(RateLimited) as refused:
            stand.check()
        assert refused.value.retry_after_s == 50
        assert refused.value.details == {"limit": "things", "per_minute": 2}
    (await limit.take("bert")).check()  # who is counted alone
    clock.now += 50
    (await limit.take("anna")).check()


async def test_who_is_refused_is_told_to_wait_though_nobody_knows_how_long() -> None:
    class Forgetful(BoundedMemory):
        """As where Redis went away between the two questions."""

        async def get_expiry(self, key: str) -> float:
            return clock.now

    clock = Clock()
    limit = RateLimit("things", 1, "too many things", Forgetful(clock=clock), clock=clock)
    await limit.take("anna")
    assert (await limit.take("anna")).left_s == 60


async def test_to_look_counts_nothing() -> None:
    limit = limit_of(1, Clock())
    for _ in range(3):
        stand = await limit.look("anna")
        stand.check()
        assert (stand.remaining, stand.left_s) == (1, 0)


async def test_no_limit_refuses_and_tells_nothing() -> None:
    limit = limit_of(0, Clock())
    for _ in range(1000):
        (await limit.take("anna")).check()
    stand = await limit.look("anna")
    stand.check()
    assert stand.headers == ()
