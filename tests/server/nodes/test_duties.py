"""What is done once in the whole fleet: by one node at a time, and by another when that one is no more."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from server.bots import endpoints as endpoints_module
from server.nodes.duties import Duties
from server.reports.html import as_html
from server.reports.reports import Reports
from server.store.store import Store
from tests.fakes.receiver import Receiver
from tests.fakes.waiting import until
from tests.server.bots.meetings import Meeting
from tests.server.bots.test_endpoints import endpoint_of, meeting_with, talk, until_status
from tests.server.nodes.test_membership import nodes
from tests.server.reports.test_reports import project_of


async def join(store: Store, *node_ids: str) -> list[Duties]:
    for node_id in node_ids:
        await store.nodes.join(node_id, url="", keys_digest="k")
    return [Duties(store.nodes, partial(str, node_id)) for node_id in node_ids]


async def test_of_many_nodes_one_has_a_duty_as_long_as_it_is_there(store: Store) -> None:
    names = [f"n{number}" for number in range(8)]
    fleet = await join(store, *names)
    answers = await asyncio.gather(*(each.mine("bin") for each in fleet))
    assert sum(answers) == 1
    first = answers.index(True)
    assert [await each.mine("bin") for each in fleet] == answers
    assert await fleet[first - 1].mine("another")
    await store.nodes.leave(names[first])
    assert not await fleet[first].mine("bin")  # who is no more gets none, whether it knows or not
    others = [each for each in fleet if each is not fleet[first]]
    assert sum(await asyncio.gather(*(each.mine("bin") for each in others))) == 1


async def test_a_thing_that_is_made_is_given_back(store: Store) -> None:
    a, b = await join(store, "a", "b")
    async with a.alone("report 1") as is_mine, b.alone("report 1") as is_theirs, a.alone("report 1") as is_again:
        assert (is_mine, is_theirs, is_again) == (True, False, False)
        async with b.alone("report 2") as is_another:
            assert is_another
    async with b.alone("report 1") as is_mine:
        assert is_mine
        await store.nodes.leave("b")
        assert await a.mine("report 1")
    assert await a.mine("report 1")  # it was not given back by who had lost it


async def test_a_round_is_one_nodes_until_it_is_gone(store: Store) -> None:
    done: list[str] = []

    async def note(node_id: str) -> None:
        done.append(node_id)

    rounds = [
        duties.round("retention", partial(note, node_id))
        for node_id, duties in zip("ab", await join(store, "a", "b"), strict=True)
    ]
    for once in [*rounds, *rounds]:
        await once()
    assert done == ["a", "a"]
    await store.nodes.leave("a")
    for once in rounds:
        await once()
    assert done == ["a", "a", "b"]


async def test_a_report_and_what_an_endpoint_is_told_are_made_by_one_of_three_nodes(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def noted(findings: Any) -> bytes:
        made.append(findings.name)
        return as_html(findings)

    monkeypatch.setattr("server.reports.reports.as_html", noted)
    monkeypatch.setattr(endpoints_module, "LOOK_S", 0.05)
    folders = [tmp_path / name for name in "abc"]
    options = {"webhooks_private": True, "node_lease_s": 120}
    async with Receiver.running() as receiver, nodes(postgres_url, folders, **options) as fleet:
        a, _, c = fleet
        project_id = await project_of(a, 2)
        report, _ = await a.reports.ask(project_id)
        await asyncio.gather(*(Reports(n.store, n.blobs, n.webhooks, n.duties).make_all() for n in fleet for _ in "12"))
        async with asyncio.timeout(60):
            while (await c.store.reports.get(project_id, report.id)).is_open:
                await asyncio.gather(*(each.reports.make_all() for each in fleet))
        assert len(made) == 1

        meeting = await meeting_with(a, receiver.url)
        # Each of the three looks for what nobody tells.
        await until(lambda: any(n.attending._endpoints._deliveries for n in fleet))
        [first] = [n for n in fleet if n.attending._endpoints._deliveries]
        endpoint = await endpoint_of(meeting)
        for other in fleet:
            if other is not first:
                assert await other.store.endpoints.unfinished(9, other.duties.node_id) == []
        await first.attending._endpoints.stop()
        await until(lambda: any(n.attending._endpoints._deliveries for n in fleet))
        [second] = [n for n in fleet if n.attending._endpoints._deliveries]
        assert second is not first
        await talk(Meeting(second, meeting.id, meeting.bot_id))
        assert (await until_status(meeting, "done")).id == endpoint.id
        ids = [each.headers["webhook-id"] for each in receiver.received]
        assert len(ids) == len(set(ids)) == 3
