"""Conversations are told of as they go, and no more once they are gone."""

from __future__ import annotations

from protocol.states import ChunkState
from server.store.conversation_records import Chunk
from server.store.records import NewEvent
from server.webhooks.payloads import BODY_MAX_BYTES
from tests.fakes.receiver import Receiver
from tests.server.spoken import final
from tests.server.webhooks.sending import Clock, Node, a_node, checked


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
    await node.store.webhooks.note(project_id, "conversation.summarized", transcript_id=id_)
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


async def test_a_chunk_still_to_come_holds_the_news_back(node: Node, receiver: Receiver) -> None:
    project_id = await node.project()
    await node.webhook(project_id, receiver.url, "conversation.transcribed")
    id_ = await begun(node, project_id)
    now = node.clock.now
    chunk = Chunk.announced(id_, now=now, filename="", content_type="", source="PORTAL_AUDIO")
    await node.store.conversations.announce(chunk, chunks_max=9)
    await node.store.conversations.confirm(chunk, said_at=now, length_bytes=9)
    await node.store.conversations.finish(id_, by="participant")
    assert not await node.store.conversations.close(id_)
    await node.work()
    assert not receiver.received
    await node.store.nodes.join("node", url="", keys_digest="k")
    await node.store.nodes.hold(id_, "node")
    await node.store.conversations.settle(chunk, ChunkState.TRANSCRIBED, node_id="node")
    assert await node.store.conversations.close(id_)
    await node.work()
    assert [checked(each)["event"] for each in receiver.received] == ["conversation.transcribed"]
