"""Which transcripts have no summary of all that they say, as the store knows it."""

from __future__ import annotations

from protocol.events import Summarised
from protocol.states import TranscriptState
from server.store.store import Store
from server.store.summary_store import DUTY, Due
from tests.server.spoken import final, put
from tests.server.store.test_project_store import made
from tests.server.store.test_report_store import begun

MADE = Summarised(summary="Roofs.", method="extractive")


async def recorded(store: Store, text: str = "the roof leaks", *, name: str = "") -> str:
    id_ = (await store.create_transcript(name=name)).id
    await store.set_state(id_, TranscriptState.RECORDING)
    await put(store, id_, final("seg_1", text))
    return id_


async def end(store: Store, transcript_id: str) -> None:
    for state in (TranscriptState.PROCESSING, TranscriptState.ENDED):
        await store.set_state(transcript_id, state)


async def running(store: Store, words_min: int) -> list[Due]:
    return await store.summaries.running(words_min=words_min, node_id="a", unheld=True)


async def test_one_is_due_when_it_ended_and_again_after_more(store: Store) -> None:
    id_ = await recorded(store)
    silent = (await store.create_transcript()).id
    await end(store, silent)
    assert await store.summaries.due(limit=9) == []
    assert await running(store, 3) == [Due(id_, None, 3, 0, is_over=False, was_made=False)]
    assert await running(store, 4) == []
    await end(store, id_)
    [due] = await store.summaries.due(limit=9)
    assert due == Due(id_, None, 3, 0, is_over=True, was_made=False)
    assert await store.summaries.due(limit=9, without=[id_]) == await running(store, 1) == []
    await put(store, id_, MADE)
    assert await store.summaries.settle(due, "Roofs")
    assert not await store.summaries.settle(due, "Others")
    assert (await store.get_transcript(id_)).title == "Roofs"
    assert await store.summaries.due(limit=9) == []

    await store.set_state(id_, TranscriptState.RECORDING)
    await put(store, id_, final("seg_2", "and walls"))
    await end(store, id_)
    assert await store.summaries.due(limit=9) == [Due(id_, None, 5, 3, is_over=True, was_made=True)]


async def test_what_is_heard_again_after_the_end_is_due_again_when_nothing_more_changes(store: Store) -> None:
    id_ = await recorded(store)
    await end(store, id_)
    await put(store, id_, final("seg_1", "the hoof leaks", revision=2))  # before anything was made of it
    [due] = await store.summaries.due(limit=9)
    assert due.summed_words == -1
    await put(store, id_, final("seg_1", "the proof leaks", revision=3))  # and while it is
    assert not await store.summaries.settle(due, "Hoofs")
    [due] = await store.summaries.due(limit=9)
    assert await store.summaries.settle(due, "Proofs")
    assert await store.summaries.due(limit=9) == []

    await put(store, id_, final("seg_1", "the truth leaks", revision=4))  # as many words as before
    assert await store.summaries.due(limit=9, quiet_s=1000) == []
    assert [each.transcript_id for each in await store.summaries.due(limit=9, quiet_s=0)] == [id_]


async def test_the_newest_comes_first(store: Store) -> None:
    first, second = await recorded(store), await recorded(store)
    for id_ in (first, second):
        await end(store, id_)
    assert [each.transcript_id for each in await store.summaries.due(limit=9)] == [second, first]


async def test_what_has_a_name_gets_no_title_and_what_is_deleted_nothing(store: Store) -> None:
    named, gone = await recorded(store, name="Monday"), await recorded(store)
    for id_ in (named, gone):
        await end(store, id_)
    await store.delete_transcript(gone)
    [due] = await store.summaries.due(limit=9)
    assert await store.summaries.settle(due, "Roofs")
    kept = await store.get_transcript(named)
    assert (kept.name, kept.title) == ("Monday", "")


async def test_a_conversation_is_due_when_all_its_chunks_are_at_their_end(store: Store) -> None:
    project = await made(store, "1")
    id_ = await begun(store, project.id)
    await put(store, id_, final("seg_1", "the roof leaks"))
    await end(store, id_)
    assert await store.summaries.due(limit=9) == []
    await store.conversations.finish(id_, by="participant")
    assert await store.conversations.close(id_)
    [due] = await store.summaries.due(limit=9)
    assert (due.transcript_id, due.project_id) == (id_, project.id)
    assert await store.summaries.settle(due, "Roofs", is_told=True)
    assert (await store.get_transcript(id_)).title == "Roofs"
    assert await store.summaries.due(limit=9) == []


async def test_destroying_one_leaves_nothing_that_was_made_of_it(store: Store) -> None:
    id_ = await recorded(store)
    await end(store, id_)
    [due] = await store.summaries.due(limit=9)
    await store.summaries.settle(due, "Canaries")
    await store.destroy_transcript(id_)
    async with store._read() as conn:
        row = (await conn.exec_driver_sql("SELECT title, made_title FROM transcripts")).one()
    assert tuple(row) == ("", "")
    assert await store.summaries.due(limit=9) == []


async def test_a_name_that_somebody_gives_takes_the_place_of_the_title_that_was_made(store: Store) -> None:
    id_ = await recorded(store)
    await end(store, id_)
    [due] = await store.summaries.due(limit=9)
    assert await store.summaries.settle(due, "Roofs")
    named = await store.update_transcript(id_, name="Monday")
    assert (named.title, named.shown_title) == ("", "Monday")
    await put(store, id_, final("seg_1", "the hoof leaks", revision=2))
    [due] = await store.summaries.due(limit=9)
    assert await store.summaries.settle(due, "Hoofs")
    assert (await store.get_transcript(id_)).shown_title == "Monday"
    await store.update_transcript(id_, title="Hers")
    assert (await store.update_transcript(id_, name="Tuesday")).shown_title == "Hers"


async def test_each_is_made_by_one_node(store: Store) -> None:
    """What grows by its holder, or by the one that does it for all that nobody holds; what ended by whoever began."""
    for node_id in ("a", "b"):
        await store.nodes.join(node_id, url="", keys_digest="k")
    held, unheld = await recorded(store), await recorded(store)
    await store.nodes.hold(held, "b")
    found = {
        (node_id, is_unheld): {
            due.transcript_id for due in await store.summaries.running(words_min=1, node_id=node_id, unheld=is_unheld)
        }
        for node_id in ("a", "b")
        for is_unheld in (True, False)
    }
    assert found == {("a", True): {unheld}, ("a", False): set(), ("b", True): {held, unheld}, ("b", False): {held}}
    await end(store, held)
    assert await store.nodes.take_duty(DUTY + held, "b")
    assert await store.summaries.due(limit=9, node_id="a") == []
    assert [due.transcript_id for due in await store.summaries.due(limit=9, node_id="b")] == [held]
    await store.nodes.leave("b")
    assert [due.transcript_id for due in await store.summaries.due(limit=9, only=held, node_id="a")] == [held]
