"""Who is asked for next."""

from __future__ import annotations

import asyncio

import pytest

from protocol.errors import LanguageModelUnavailable
from server.language_models.turns import Turns
from tests.fakes.waiting import until


async def test_so_many_people_are_let_in() -> None:
    turns = Turns(1, 1)
    with turns.waited_for(), turns.waited_for():
        with pytest.raises(LanguageModelUnavailable) as told, turns.waited_for():
            raise AssertionError("let in")
        assert told.value.retry_after_s
    assert turns.people == 0


async def test_what_has_time_leaves_the_last_place_to_people() -> None:
    turns, done = Turns(3, 0), asyncio.Event()
    inside: list[str] = []

    async def take(name: str, *, patient: bool) -> None:
        async with turns.one(patient=patient):
            inside.append(name)
            await done.wait()

    async with asyncio.TaskGroup() as tasks:
        for at in range(5):
            tasks.create_task(take(f"patient {at}", patient=True))
        await until(lambda: len(inside) == 2)
        tasks.create_task(take("somebody", patient=False))
        await until(lambda: len(inside) == 3)
        assert inside[2] == "somebody"
        done.set()
    assert len(inside) == 6


async def test_with_one_place_everybody_gets_it_in_turn() -> None:
    turns, order = Turns(1, 9), []

    async def take(name: str, *, patient: bool) -> None:
        async with turns.one(patient=patient):
            order.append(name)

    await asyncio.gather(take("a", patient=True), take("b", patient=False), take("c", patient=True))
    assert sorted(order) == ["a", "b", "c"]
