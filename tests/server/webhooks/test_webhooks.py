"""What happens is told, at least once, whatever happens on the way: against receivers on real ports."""

from __future__ import annotations

import asyncio
import logging

import pytest
import structlog

from protocol.errors import NotFound, TooLarge
from protocol.states import DeliveryState
from server.store.webhook_records import Outcome
from server.webhooks.payloads import BODY_MAX_BYTES
from server.webhooks.schedule import TRIED_FOR_S
from server.webhooks.webhooks import CLEAR_S, LEASE_BESIDE_S
from tests.fakes.receiver import Receiver
from tests.server.webhooks.sending import DAY_S, Clock, Node, a_node, checked

REPORT = {"report": {"id": "r1", "status": "published", "language": "en"}}


async def test_what_is_announced_is_told_signed(node: Node, receiver: Receiver) -> None:
    project_id = await node.project()
    webhook = await node.webhook(project_id, receiver.url)
    assert await node.hooks.announce(project_id, "report.generated", REPORT) == 1
    await node.work()
    [request] = receiver.received
    told = checked(request)
    assert told == {
        "event": "report.generated",
        "event_id": told["event_id"],
        "timestamp": "2023-11-14T22:13:20.000Z",
        "report": REPORT["report"],
        "project": {"id": project_id, "name": "Talks", "language": "nl"},
        "dashboardUrl": "https://talks.example",
    }
    [delivery] = await node.deliveries(webhook)
    assert (delivery.state, delivery.attempts, delivery.outcome) == (DeliveryState.DELIVERED, 1, Outcome.OK)
    assert request.headers["x-earshot-delivery-id"] == delivery.id
    found = await node.now_of(webhook)
    assert (found.failing_since, found.tried_at, node.hooks.health_of(found)) == (None, node.clock.now, "ok")
    await node.work()
    assert len(receiver.received) == 1


async def test_only_those_are_told_that_want_to_know(node: Node, receiver: Receiver) -> None:
    project_id, other = await node.project(), await node.project()
    await node.webhook(project_id, receiver.url, "conversation.started")
    await node.webhook(project_id, receiver.url, status="draft")
    await node.webhook(other, receiver.url)
    assert await node.hooks.announce(project_id, "report.generated", REPORT) == 0
    await node.work()
    assert not receiver.received
    with pytest.raises(NotFound):
        await node.hooks.announce("none", "report.generated", REPORT)
    with pytest.raises(TooLarge):
        await node.hooks.announce(other, "report.generated", {"report": "x" * BODY_MAX_BYTES})


async def test_what_fails_is_tried_again_with_longer_pauses_and_the_same_bytes(node: Node, receiver: Receiver) -> None:
    project_id = await node.project()
    webhook = await node.webhook(project_id, receiver.url)
    receiver.answers.extend([500, "cut", 404, 301])
    begun = node.clock.now
    await node.hooks.announce(project_id, "report.generated", REPORT)
    for pause_s, outcome in ((5, Outcome.STATUS), (10, Outcome.UNREACHABLE), (20, Outcome.STATUS), (40, "redirect")):
        await node.work()
        [delivery] = await node.deliveries(webhook)
        assert (delivery.state, delivery.outcome) == (DeliveryState.WAITING, outcome)
        assert delivery.due_at == node.clock.now + pause_s
        found = await node.now_of(webhook)
        assert (found.failing_since, node.hooks.health_of(found)) == (begun, "retrying")
        node.clock.now += pause_s - 0.001
        await node.work()
        assert len(receiver.received) == delivery.attempts  # not yet
        node.clock.now += 0.001
    await node.work()
    [delivery] = await node.deliveries(webhook)
    assert (delivery.state, delivery.attempts) == (DeliveryState.DELIVERED, 5)
    assert len({(each.body, each.headers["x-earshot-delivery-id"]) for each in receiver.received}) == 1
    assert [each.headers["x-earshot-attempt"] for each in receiver.received] == ["1", "2", "3", "4", "5"]
    assert len({each.headers["x-earshot-signature"] for each in receiver.received}) == 5  # each of its own time
    assert (await node.now_of(webhook)).failing_since is None
    for each in receiver.received:
        checked(each)


async def test_after_a_day_it_is_given_up_and_after_days_the_webhook_says_so(node: Node, receiver: Receiver) -> None:
    project_id = await node.project()
    webhook = await node.webhook(project_id, receiver.url)
    receiver.answers.extend([500] * 100)
    begun = node.clock.now
    await node.hooks.announce(project_id, "report.generated", REPORT)
    await node.work()
    while (delivery := (await node.deliveries(webhook))[0]).state is DeliveryState.WAITING:
        node.clock.now = delivery.due_at
        await node.work()
    assert delivery.state is DeliveryState.FAILED
    assert TRIED_FOR_S - 3600 <= node.clock.now - begun <= TRIED_FOR_S
    assert delivery.ended_at == node.clock.now
    assert node.hooks.health_of(await node.now_of(webhook)) == "retrying"
    node.clock.now = begun + 3 * DAY_S
    assert node.hooks.health_of(await node.now_of(webhook)) == "failing"


async def test_while_it_is_switched_off_nothing_is_sent_and_it_waits_for_a_day(node: Node, receiver: Receiver) -> None:
    project_id = await node.project()
    webhook = await node.webhook(project_id, receiver.url)
    await node.hooks.announce(project_id, "report.generated", REPORT)
    await node.store.webhooks.change(project_id, webhook.id, {"status": "draft"})
    await node.work()
    assert not receiver.received
    await node.store.webhooks.change(project_id, webhook.id, {"status": "published"})
    await node.work()
    assert len(receiver.received) == 1

    node.clock.now += 1
    await node.hooks.announce(project_id, "report.generated", REPORT)
    await node.store.webhooks.change(project_id, webhook.id, {"status": "draft"})
    node.clock.now += TRIED_FOR_S + CLEAR_S + 1
    await node.hooks.clear()
    assert [each.state.value for each in await node.deliveries(webhook)] == ["failed", "delivered"]


async def test_a_receiver_that_is_gone_is_told_nothing_more(node: Node, receiver: Receiver) -> None:
    project_id = await node.project()
    webhook = await node.webhook(project_id, receiver.url)
    receiver.answers.append(410)
    for _ in range(3):
        await node.hooks.announce(project_id, "report.generated", REPORT)
    await node.work()
    assert len(receiver.received) == 1
    found = await node.now_of(webhook)
    assert (found.status, found.outcome, found.status_code) == ("draft", Outcome.GONE, 410)
    assert [each.state.value for each in await node.deliveries(webhook)] == ["failed"] * 3
    assert await node.hooks.announce(project_id, "report.generated", REPORT) == 0
    again = await node.store.webhooks.change(project_id, webhook.id, {"status": "published"})
    assert (again.failing_since, again.outcome) == (None, None)


async def test_a_restart_only_delays_it(database_url: str, receiver: Receiver) -> None:
    clock = Clock()
    async with a_node(database_url, clock) as node:
        project_id = await node.project()
        webhook = await node.webhook(project_id, receiver.url)
        receiver.answers.append(503)
        await node.hooks.announce(project_id, "report.generated", REPORT)
        await node.work()
        clock.now += 1
        await node.hooks.announce(project_id, "report.generated", {"report": {"id": "r2"}})
        await node.store.projects.change(project_id, {"name": "Another name"})
    clock.now += 5
    async with a_node(database_url, clock) as node:
        await node.work()
        assert [each.state.value for each in await node.deliveries(webhook)] == ["delivered", "delivered"]
    assert sorted(checked(each)["report"]["id"] for each in receiver.received) == ["r1", "r1", "r2"]
    # The body was made before.
    assert len({each.body for each in receiver.received}) == 2
    assert all(b"Another name" not in each.body for each in receiver.received)


async def test_what_a_node_that_died_was_sending_is_sent_by_another(database_url: str, receiver: Receiver) -> None:
    clock = Clock()
    async with a_node(database_url, clock) as dead, a_node(database_url, clock) as node:
        project_id = await node.project()
        webhook = await node.webhook(project_id, receiver.url)
        await node.hooks.announce(project_id, "report.generated", REPORT)
        lease_s = node.hooks._settings.webhook_deadline_s + LEASE_BESIDE_S
        [claimed] = await dead.store.webhooks.claim("dead", now=clock.now, lease_s=lease_s, without=(), limit=9)
        await node.work()
        assert not receiver.received
        clock.now += lease_s + 1
        await node.work()
        assert len(receiver.received) == 1
        # It was not dead after all, and failed: that counts no more.
        late = await dead.store.webhooks.settle(
            claimed,
            "dead",
            now=clock.now,
            outcome=Outcome.TIMEOUT,
            status_code=None,
            took_ms=1,
            again_at=clock.now,
        )
        assert late is None
        [delivery] = await node.deliveries(webhook)
        assert (delivery.state, delivery.attempts) == (DeliveryState.DELIVERED, 2)


async def test_two_nodes_send_each_delivery_once(database_url: str) -> None:
    clock = Clock()
    async with (
        a_node(database_url, clock) as one,
        a_node(database_url, clock) as two,
        Receiver.running() as slow,
        Receiver.running() as receiver,
    ):
        project_id = await one.project()
        hooks = [await one.webhook(project_id, f"http://127.0.0.1:{receiver.port}/{number}") for number in range(4)]
        hooks.append(await one.webhook(project_id, slow.url))
        slow.answers.append("silent")
        for number in range(10):
            await (one, two)[number % 2].hooks.announce(project_id, "report.generated", {"report": {"id": number}})

        async def work(node: Node) -> None:
            while len(receiver.received) < 40:
                await node.hooks.round()
                await asyncio.wait([*node.hooks._busy.values(), asyncio.create_task(asyncio.sleep(0.01))], timeout=1)

        async with asyncio.timeout(60):
            await asyncio.gather(work(one), work(two))
        slow.let_go()
        await asyncio.gather(one.work(), two.work())
        sent = [each.headers["x-earshot-delivery-id"] for each in receiver.received]
        assert (len(sent), len(set(sent))) == (40, 40)
        for webhook in hooks[:4]:
            found = await one.deliveries(webhook)
            assert [(each.state, each.attempts) for each in found] == [(DeliveryState.DELIVERED, 1)] * 10


async def test_a_replay_tells_the_same_bytes_as_a_delivery_of_its_own(node: Node, receiver: Receiver) -> None:
    project_id = await node.project()
    webhook = await node.webhook(project_id, receiver.url)
    await node.hooks.announce(project_id, "report.generated", REPORT)
    await node.work()
    [first] = await node.deliveries(webhook)
    node.clock.now += 3600
    again = await node.store.webhooks.replay(webhook.id, first.id)
    assert (again.replay_of, again.event_id, again.state) == (first.id, first.event_id, DeliveryState.WAITING)
    await node.work()
    one, other = receiver.received
    assert one.body == other.body
    assert one.headers["x-earshot-event-id"] == other.headers["x-earshot-event-id"]
    assert one.headers["x-earshot-delivery-id"] != other.headers["x-earshot-delivery-id"]
    assert int(other.headers["x-earshot-timestamp"]) == int(one.headers["x-earshot-timestamp"]) + 3600
    for gone in ((webhook.id, "dlv_none"), ("none", first.id)):
        with pytest.raises(NotFound):
            await node.store.webhooks.replay(*gone)


async def test_what_is_old_or_too_much_is_forgotten(database_url: str, receiver: Receiver) -> None:
    async with a_node(database_url, Clock(), webhook_deliveries_max=10) as node:
        project_id = await node.project()
        webhook = await node.webhook(project_id, receiver.url)
        for number in range(13):
            node.clock.now += 1
            await node.hooks.announce(project_id, "report.generated", {"report": {"id": number}})
        await node.hooks.clear()
        assert len(await node.deliveries(webhook)) == node.hooks.waiting_count == 10
        await node.work()
        assert sorted(checked(each)["report"]["id"] for each in receiver.received) == list(range(3, 13))
        node.clock.now += 7 * DAY_S + 1
        await node.hooks.clear()
        assert await node.deliveries(webhook) == []


async def test_a_test_is_sent_at_once_and_not_kept(node: Node, receiver: Receiver) -> None:
    project_id = await node.project()
    webhook = await node.webhook(project_id, receiver.url, status="draft")
    receiver.answers.append(401)
    failed = await node.hooks.test(webhook)
    assert (failed.outcome, failed.status_code) == (Outcome.STATUS, 401)
    assert (await node.hooks.test(webhook)).outcome is Outcome.OK
    assert [checked(each)["event"] for each in receiver.received] == ["webhook.test"] * 2
    assert await node.deliveries(webhook) == []
    assert (await node.now_of(webhook)).tried_at is None


async def test_no_secret_query_or_body_is_logged(
    node: Node, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    project_id = await node.project()
    await node.webhook(project_id, receiver.url)
    caplog.set_level(logging.INFO)
    receiver.answers.extend([500, 410])
    with structlog.testing.capture_logs() as lines:
        await node.hooks.announce(project_id, "report.generated", {"report": {"text": "canary-of-the-body"}})
        await node.work()
        node.clock.now += 5
        await node.work()
    assert len(lines) == 2
    assert "canary" not in str(lines) + caplog.text
    assert "canary" not in repr(await node.store.webhooks.of_project(project_id))


async def test_attempts_are_counted(node: Node, receiver: Receiver) -> None:
    project_id = await node.project()
    await node.webhook(project_id, receiver.url)
    receiver.answers.append(500)
    await node.hooks.announce(project_id, "report.generated", REPORT)
    await node.work()
    assert b'earshot_webhook_attempts_total{outcome="status"} 1.0' in node.hooks._metrics.text()


async def test_it_goes_on_by_itself(database_url: str, receiver: Receiver) -> None:
    async with a_node(database_url, Clock()) as node:
        project_id = await node.project()
        await node.webhook(project_id, receiver.url)
        node.hooks.start()
        for number in range(3):
            await node.hooks.announce(project_id, "report.generated", {"report": {"id": number}})
            assert checked((await receiver.until(number + 1))[-1])["report"]["id"] == number
