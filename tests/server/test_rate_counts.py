"""What is remembered of clients."""

from __future__ import annotations

from server.rate_counts import BoundedMemory
from tests.server.test_rate_limits import Clock


async def test_only_so_many_clients_are_remembered_and_the_oldest_is_forgotten() -> None:
    clock = Clock()
    memory = BoundedMemory(clients_max=3, clock=clock)
    for i in range(5):
        assert await memory.incr(f"client {i}", 60) == 1
        clock.now += 1
    assert [await memory.get(f"client {i}") for i in range(5)] == [0, 0, 1, 1, 1]
    assert await memory.get_expiry("client 4") == 1064
    assert await memory.reset() == 3
    await memory.incr("anna", 60)
    await memory.clear("anna")
    assert await memory.get("anna") == 0
    assert await memory.check()
