"""What happens is told, at least once, whatever happens on the way: against receivers on real ports."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from protocol.errors import NotFound, TooLarge
from protocol.states import ChunkState, DeliveryState
from server.metrics import Metrics
from server.store.conversation_records import Chunk
from server.store.records import NewEvent
from server.store.store import Store
from server.store.webhook_records import Delivery, Outcome, Webhook
from server.webhooks.payloads import BODY_MAX_BYTES, EVENTS
from server.webhooks.schedule import TRIED_FOR_S
from server.webhooks.sender import Sender
from server.webhooks.webhooks import LEASE_BESIDE_S, Webhooks
from tests.fakes.node import node_settings
from tests.fakes.receiver import Received, Receiver
from tests.server.spoken import final
from tests.server.webhooks.test_signing import hmac_by_hand

SECRET = "canary-of-the-secret"
REPORT = {"report": {"id": "r1", "status": "published", "language": "en"}}
DAY_S = 86400.0


class Clock:
    """Epoch seconds that stand still until told."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Node:
    """What sends webhooks, on a store that others may share."""

    store: Store
    hooks: Webhooks
    clock: Clock

    async def work(self) -> None:
        """Send what is due, all of it."""
        while True:
            await self.hooks.round()
            if not self.hooks._busy:
                return
            await self.hooks.sent()

    async def project(self) -> str:
        project = await self.store.projects.create(
            name="Talks", owner=None, language="nl", is_open=True, portal={}, tags=["youth"], tags_max=9, projects_max=9
        )
        return project.id

    async def webhook(self, project_id: str, url: str, *events: str, **values: Any) -> Webhook:
        return await self.store.webhooks.create(
            project_id, name="n", url=url, secret=SECRET, events=events or EVENTS, webhooks_max=9, **values
        )

    async def deliveries(self, webhook: Webhook) -> list[Delivery]:
        return (await self.store.webhooks.page(webhook.id, page=1, size=100))[0]

    async def now_of(self, webhook: Webhook) -> Webhook:
        return await self.store.webhooks.get(webhook.project_id, webhook.id)


@asynccontextmanager
async def a_node(url: str, clock: Clock, **options: Any) -> AsyncIterator[Node]:
    store = await Store.open(url, clock=clock)
    settings = node_settings(Path("data"), public_url="https://talks.example/", **options)
    sender = Sender(private=True, deadline_s=10)
    hooks = Webhooks(settings, store, Metrics(), sender=sender, clock=clock, jitter=lambda: 1.0)
    try:
        yield Node(store, hooks, clock)
    finally:
        await hooks.stop()
        await store.close()


@pytest.fixture
async def node(database_url: str) -> AsyncIterator[Node]:
    async with a_node(database_url, Clock()) as running:
        yield running


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver.running() as running:
        yield running


def checked(request: Received) -> dict[str, Any]:
    """What it says, once its signatures are found good by an implementation of our own."""
    headers = request.headers
    dated = headers["x-earshot-timestamp"].encode() + b"." + request.body
    assert headers["x-earshot-signature"] == "v1=" + hmac_by_hand(SECRET.encode(), dated)
    assert headers["x-webhook-signature"] == "sha256=" + hmac_by_hand(SECRET.encode(), request.body)
    assert headers["x-dembrane-signature"] == hmac_by_hand(SECRET.encode(), request.body)
    told: dict[str, Any] = json.loads(request.body)
    assert told["event"] == headers["x-webhook-event"] == headers["x-earshot-event"]
    assert told["event_id"] == headers["x-earshot-event-id"]
    return told


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
        await node.hooks.announce_conversation("none", "conversation.summarized")
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
    node.clock.now += TRIED_FOR_S + 1
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


# Conversations.


async def begun(node: Node, project_id: str) -> str:
    [tag] = (await node.store.projects.get(project_id)).tags
    conversation = await node.store.conversations.begin(
        project_id, name="Anna", email="anna@example.org", tags=[tag.id], source="PORTAL_AUDIO"
    )
    return conversation.id


async def said(node: Node, conversation_id: str, text: str) -> None:
    await node.store.append_events([NewEvent.of(conversation_id, final(text=text))])


async def closed(node: Node, conversation_id: str) -> None:
    await node.store.conversations.finish(conversation_id, by="participant")
    assert await node.store.conversations.close(conversation_id)


async def test_a_conversation_is_told_of_as_it_begins_and_when_it_is_written_down(
    node: Node, receiver: Receiver
) -> None:
    project_id = await node.project()
    await node.webhook(project_id, receiver.url)
    id_ = await begun(node, project_id)
    await node.work()
    await said(node, id_, "Hallo Zoë 今日は")
    node.clock.now += 60
    await closed(node, id_)
    await node.store.update_transcript(id_, title="A title")
    node.clock.now += 1
    await node.hooks.announce_conversation(id_, "conversation.summarized")
    await node.work()
    started, transcribed, summarized = (checked(each) for each in receiver.received)
    common = {"id": id_, "participant_name": "Anna", "emails_csv": "anna@example.org", "tags": ["youth"]}
    for told in (started, transcribed, summarized):
        assert {name: told["conversation"][name] for name in common} == common
        assert told["project"] == {"id": project_id, "name": "Talks", "language": "nl"}
        assert told["dashboardUrl"] == f"https://talks.example/t/{id_}"
    assert started["event"] == "conversation.started"
    assert not {"transcript", "summary"} & set(started["conversation"])
    assert not started["conversation"]["is_finished"]
    assert transcribed["conversation"]["is_all_chunks_transcribed"]
    assert "Hallo Zoë 今日は" in transcribed["conversation"]["transcript"]
    assert "summary" not in transcribed["conversation"]
    assert (summarized["conversation"]["title"], summarized["conversation"]["summary"]) == ("A title", None)


async def test_a_crash_right_after_it_happened_costs_nothing(database_url: str, receiver: Receiver) -> None:
    clock = Clock()
    async with a_node(database_url, clock) as node:
        project_id = await node.project()
        await node.webhook(project_id, receiver.url)
        id_ = await begun(node, project_id)
        clock.now += 1
        await closed(node, id_)
    async with a_node(database_url, clock) as node:
        await node.work()
    assert [checked(each)["event"] for each in receiver.received] == [
        "conversation.started",
        "conversation.transcribed",
    ]


async def test_a_conversation_that_is_gone_is_told_of_no_more(node: Node, receiver: Receiver) -> None:
    project_id = await node.project()
    webhook = await node.webhook(project_id, receiver.url)
    receiver.answers.append(500)
    ids = [await begun(node, project_id), await begun(node, project_id)]
    await node.store.delete_transcript(ids[1])  # before its body was made
    await node.work()
    assert len(receiver.received) == 1
    await node.store.destroy_transcript(ids[0])
    node.clock.now += 3600
    await node.work()
    assert len(receiver.received) == 1
    assert await node.deliveries(webhook) == []


async def test_with_the_project_its_webhooks_go(node: Node, receiver: Receiver) -> None:
    project_id = await node.project()
    await node.webhook(project_id, receiver.url)
    id_ = await begun(node, project_id)
    await node.store.projects.delete(project_id)
    await closed(node, id_)
    await node.work()
    assert not receiver.received
    assert await node.store.webhooks.bodiless(limit=9) == []


async def test_words_that_are_too_many_are_left_out(node: Node, receiver: Receiver) -> None:
    project_id = await node.project()
    await node.webhook(project_id, receiver.url, "conversation.transcribed")
    id_ = await begun(node, project_id)
    await said(node, id_, "x" * (BODY_MAX_BYTES // 2))
    await closed(node, id_)
    await node.work()
    told = checked(receiver.received[0])["conversation"]
    assert (told["transcript"], told["transcript_omitted"]) == (None, True)


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


async def test_a_chunk_still_to_come_holds_the_news_back(node: Node, receiver: Receiver) -> None:
    project_id = await node.project()
    await node.webhook(project_id, receiver.url, "conversation.transcribed")
    id_ = await begun(node, project_id)
    now = node.clock.now
    chunk = Chunk(
        id="c", conversation_id=id_, key="k", source="PORTAL_AUDIO", filename="", content_type="", said_at=None,
        length_bytes=None, sha256=None, state=ChunkState.ANNOUNCED, track_id="t", text=None, error=None, attempts=0,
        created_at=now, updated_at=now,
    )  # fmt: skip
    await node.store.conversations.announce(chunk, chunks_max=9)
    await node.store.conversations.confirm(chunk, said_at=now, length_bytes=9)
    await node.store.conversations.finish(id_, by="participant")
    assert not await node.store.conversations.close(id_)
    await node.work()
    assert not receiver.received
    await node.store.conversations.settle(chunk, ChunkState.TRANSCRIBED)
    assert await node.store.conversations.close(id_)
    await node.work()
    assert [checked(each)["event"] for each in receiver.received] == ["conversation.transcribed"]


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
