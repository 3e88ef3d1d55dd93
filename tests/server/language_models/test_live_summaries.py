"""Summaries that nobody asked for: at the end, again after more, while it grows, never over what somebody wrote."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from protocol.errors import InvalidMessage
from protocol.events import EventBody, Summarised
from protocol.states import TranscriptState
from server.language_models import live_summaries as live_summaries_module
from server.language_models.live_summaries import AWAY_S, WORDS_MIN, LiveSummaries
from server.services import Services
from server.store.search_words import parse_query
from server.store.summary_store import SUMMARIZED
from server.summaries.extract import Extract, Sentence, extract
from tests.fakes.language_model import LanguageModelServer, Messages
from tests.fakes.node import events_of, running_services
from tests.server.language_models.test_summary_jobs import configured
from tests.server.projects.test_chunks import begun
from tests.server.spoken import final
from tests.server.webhooks.noted import noted, wanting

ROOF = (
    "The roof of the school leaks when it rains.",
    "The school needs a new roof before winter.",
    "The council has money for the roof of the school.",
)
SAID = "The roof of the school leaks. The school needs a new roof. We had soup."
MORE = "The council has money for the school roof. The council decides about the roof of the school in winter."


async def typed(services: Services, conversation_id: str, text: str) -> None:
    """Said and finished, and its summary made."""
    await services.chunks.typed(conversation_id, text, said_at=None, source="PORTAL_TEXT")
    await services.chunks.finish(conversation_id)
    await summarised(services)


async def summarised(services: Services) -> None:
    async with asyncio.timeout(20):
        node_id = services.duties.node_id  # or what is being made just now would not be due
        while await services.store.summaries.due(limit=1, node_id=node_id):
            await services.language_models.live_summaries.make_due()


async def told(services: Services, conversation_id: str) -> list[Summarised]:
    return [each.body for each in await events_of(services, conversation_id) if isinstance(each.body, Summarised)]


async def test_it_is_made_at_the_end_told_and_announced_and_again_after_more(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        hook = await wanting(services, (await services.store.conversations.get(id_)).project_id, SUMMARIZED)
        await typed(services, id_, SAID)
        made = await services.store.get_transcript(id_)
        assert made.summary is not None
        assert (made.summary["method"], made.title) == ("extractive", "School, roof, leaks, needs")
        assert made.summary["summary"] == "The roof of the school leaks. The school needs a new roof."
        [event] = await told(services, id_)
        assert (event.method, event.summary) == ("extractive", made.summary["summary"])
        assert await noted(services, hook) == [SUMMARIZED]
        assert await services.language_models.live_summaries.make_due() == 0

        await typed(services, id_, MORE)
        again = await services.store.get_transcript(id_)
        assert again.summary is not None
        assert "council" in again.summary["summary"]
        assert "council" in again.title.lower()
        assert len(await noted(services, hook)) == len(await told(services, id_)) == 2
        assert (await services.store.search(parse_query("extractive")))[1] == 0  # how it was made is not searched
        assert (await services.store.search(parse_query("council")))[1] == 1


async def test_what_a_host_took_away_stays_away(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        await typed(services, id_, SAID)
        await services.store.update_transcript(id_, summary=None)
        await typed(services, id_, MORE)
        assert (await services.store.get_transcript(id_)).summary is None


@pytest.mark.parametrize("by_hand", [{"summary": {"summary": "Ours."}}, {"summary_parts": {"summary": "Ours."}}])
async def test_what_a_host_wrote_stays(tmp_path: Path, by_hand: dict[str, Any]) -> None:
    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        await typed(services, id_, SAID)
        await services.store.update_transcript(id_, title="The roof", **by_hand)
        await typed(services, id_, MORE)
        kept = await services.store.get_transcript(id_)
        assert kept.summary is not None
        assert (kept.title, kept.summary["summary"], kept.summary.get("method")) == ("The roof", "Ours.", None)
        assert len(await told(services, id_)) == 1
        await services.store.update_transcript(id_, title="")  # taken away by hand is by hand, too
        await typed(services, id_, "And more of the roof.")
        assert (await services.store.get_transcript(id_)).title == ""


async def test_a_locked_one_stays_as_it_is_and_an_empty_one_has_none(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        locked, empty = await begun(services), await begun(services)
        await services.language_models.live_summaries.stop()
        await services.chunks.typed(locked, SAID, said_at=None, source="PORTAL_TEXT")
        await services.store.update_transcript(locked, locked=True)
        for id_ in (locked, empty):
            await services.chunks.finish(id_)
        await summarised(services)
        for id_ in (locked, empty):
            kept = await services.store.get_transcript(id_)
            assert (kept.title, kept.summary) == ("", None)


async def test_a_restart_delays_it_and_one_that_fails_hinders_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_services(tmp_path) as services:
        await services.language_models.live_summaries.stop()
        wrong, good = await begun(services), await begun(services)
        for id_, text in ((wrong, "Crash."), (good, SAID)):
            await services.chunks.typed(id_, text, said_at=None, source="PORTAL_TEXT")
            await services.chunks.finish(id_)
        assert len(await services.store.summaries.due(limit=9)) == 2

    def fails_on_crash(said: list[Sentence]) -> Extract:
        if any("Crash" in each.text for each in said):
            raise RuntimeError("of the test")
        return extract(said)

    monkeypatch.setattr(live_summaries_module, "extract", fails_on_crash)
    async with running_services(tmp_path) as services:
        await summarised(services)
        assert (await services.store.get_transcript(wrong)).summary is None
        assert (await services.store.get_transcript(good)).summary is not None


async def recorded(services: Services, *texts: str, name: str = "") -> str:
    """One that is being recorded, and says this."""
    id_ = (await services.store.create_transcript(name=name)).id
    await services.store.set_state(id_, TranscriptState.RECORDING)
    await said(services, id_, *texts)
    return id_


async def said(services: Services, transcript_id: str, *texts: str) -> None:
    at = (await services.store.get_transcript(transcript_id)).segments
    for number, text in enumerate(texts, start=at):
        await services.journal.append(transcript_id, final(f"seg_{number}", text, start_samples=number * 16_000))


async def end(services: Services, transcript_id: str) -> None:
    for state in (TranscriptState.PROCESSING, TranscriptState.ENDED):
        await services.store.set_state(transcript_id, state)


async def ended(services: Services, transcript_id: str) -> None:
    await end(services, transcript_id)
    await summarised(services)


async def test_a_recording_of_nobodys_gets_one_with_all_that_belongs_to_it(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        id_ = await recorded(services, *ROOF, "I will call the council by Friday.")
        named = await recorded(services, *ROOF, name="Monday")
        await ended(services, id_)
        await ended(services, named)
        made = await services.store.get_transcript(id_)
        [event] = await told(services, id_)
        assert event.title == made.title
        assert made.title.startswith("School, council, roof")
        assert event.action_items == ("I will call the council by Friday.",)
        assert made.summary == event.model_dump(mode="json", exclude={"type", "title"})
        kept = await services.store.get_transcript(named)
        assert (kept.title, kept.summary is None) == ("", False)


async def clocked(services: Services, clock: Callable[[], float]) -> LiveSummaries:
    """Makes what is due when it is told to, and only then."""
    running = services.language_models.live_summaries
    await running.stop()
    catalogue = services.language_models.catalogue
    parts = services.settings, services.store, services.journal, running._summarising, catalogue, services.duties
    return LiveSummaries(*parts, clock=clock, fleeting=services.fleeting.ids)


async def test_what_is_there_for_the_moment_only_gets_none(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        live = await clocked(services, time.monotonic)
        text = ["The roof of the school leaks when it rains."] * WORDS_MIN
        fleeting, kept = await recorded(services, *text), await recorded(services, *text)
        services.fleeting.ids.add(fleeting)
        assert await live.make_due() == 1
        for id_ in (fleeting, kept):
            await end(services, id_)
        assert await live.make_due() == 1
        assert await told(services, fleeting) == []


async def test_one_that_grows_is_summed_up_again_and_again(tmp_path: Path) -> None:
    now_s = 1000.0
    async with running_services(tmp_path, auto_summary_interval_s=60) as services:
        live = await clocked(services, lambda: now_s)
        text = "The roof of the school leaks when it rains."
        times = WORDS_MIN // len(text.split())
        id_ = await recorded(services, *[text] * times)
        assert await live.make_due() == 0  # too short as yet
        await said(services, id_, "The council has money for the roof of the school.")
        assert await live.make_due() == 1
        [first] = await told(services, id_)
        assert first.title
        assert (await services.store.get_transcript(id_)).title == ""  # which would change under the eyes of readers

        now_s += 61
        await said(services, id_, "We had soup.")
        assert await live.make_due() == 0  # too little is new
        now_s -= 30
        await said(services, id_, *["The soup is cold and nobody likes cold soup."] * (times + 2))
        assert await live.make_due() == 0  # too soon
        now_s += 30
        assert await live.make_due() == 1
        assert "soup" in (await told(services, id_))[1].topics

        await end(services, id_)
        assert await live.make_due() == 1  # the last one, though no more was said
        assert len(await told(services, id_)) == 3
        assert (await services.store.get_transcript(id_)).title
        assert await live.make_due() == 0


@pytest.mark.parametrize(("when", "rolling", "last"), [("off", 0, 0), ("at_end", 0, 1), ("rolling", 1, 2)])
async def test_whoever_runs_it_says_when(tmp_path: Path, when: str, rolling: int, last: int) -> None:
    async with running_services(tmp_path, auto_summaries=when) as services:
        id_ = await recorded(services, *["The roof of the school leaks when it rains."] * WORDS_MIN)
        live = services.language_models.live_summaries
        if rolling:
            types = frozenset({"summary"})
            async with asyncio.timeout(20), services.journal.subscribe(id_, after=0, types=types) as reader:
                await anext(reader)
        elif last:
            assert await live.make_due() == 0
        assert len(live._tasks) == (0 if when == "off" else 1)
        await end(services, id_)
        if last:
            await summarised(services)
        assert len(await told(services, id_)) == last


def answered(messages: Messages) -> str:
    assert "JSON" in messages[0]["content"]
    assert "council" in messages[1]["content"]
    return '{"title": "A roof", "summary": "It leaks.", "topics": ["roof"], "action_items": ["Call"], "key_points": []}'


async def test_by_the_language_model_where_that_is_wanted(tmp_path: Path, server: LanguageModelServer) -> None:
    server.reply = answered
    options = configured(server, auto_summaries_by="language_model")
    async with running_services(tmp_path, **options) as services:
        id_ = await recorded(services, *ROOF)
        await ended(services, id_)
        [event] = await told(services, id_)
        assert event == Summarised(
            title="A roof", summary="It leaks.", topics=("roof",), action_items=("Call",), method="language_model"
        )
        assert (await services.store.get_transcript(id_)).title == "A roof"


@pytest.mark.parametrize("wrong", ["rubbish", "refused"])
async def test_without_it_where_it_fails(tmp_path: Path, server: LanguageModelServer, wrong: str) -> None:
    server.reply = lambda _: "I would rather not."
    if wrong == "refused":
        server.faults.extend([401] * 9)
    options = configured(server, auto_summaries_by="language_model")
    async with running_services(tmp_path, **options) as services:
        id_ = await recorded(services, *ROOF)
        await ended(services, id_)
        assert [each.method for each in await told(services, id_)] == ["extractive"]
    assert server.asked


async def test_nobody_is_asked_unless_that_is_wanted(tmp_path: Path, server: LanguageModelServer) -> None:
    async with running_services(tmp_path, **configured(server)) as services:
        await ended(services, await recorded(services, *ROOF))
    assert server.asked == []


async def test_words_that_are_erased_while_they_are_read_are_in_no_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_services(tmp_path) as services:
        live = services.language_models.live_summaries
        await live.stop()
        id_ = await begun(services)
        first = await services.chunks.typed(id_, f"The canary sings. {SAID} " * 10, said_at=None, source="PORTAL_TEXT")
        await services.chunks.typed(id_, MORE, said_at=None, source="PORTAL_TEXT")
        await services.store.set_state(id_, TranscriptState.RECORDING)
        loop = asyncio.get_running_loop()

        def erased_meanwhile(read: list[Sentence]) -> Extract:
            monkeypatch.undo()
            asyncio.run_coroutine_threadsafe(services.chunks.delete(id_, first.id), loop).result(20)
            return extract(read)

        monkeypatch.setattr(live_summaries_module, "extract", erased_meanwhile)
        assert await live.make_due() == 1
        transcript = await services.store.get_transcript(id_)
        assert (transcript.summary, transcript.title) == (None, "")
        assert "canary" not in str(await events_of(services, id_))
        assert await told(services, id_) == []  # nor was it told before it was taken back
        await services.chunks.finish(id_)
        await summarised(services)
        assert "council" in str((await services.store.get_transcript(id_)).summary)


LONG = ["The roof of the school leaks when it rains."] * WORDS_MIN


async def test_what_ends_while_it_is_summed_up_gets_the_last_summary_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_services(tmp_path) as services:
        live = await clocked(services, lambda: 1000.0)
        id_ = await recorded(services, *LONG)
        loop = asyncio.get_running_loop()

        def ended_meanwhile(read: list[Sentence]) -> Extract:
            monkeypatch.undo()
            asyncio.run_coroutine_threadsafe(end(services, id_), loop).result(20)
            return extract(read)

        monkeypatch.setattr(live_summaries_module, "extract", ended_meanwhile)
        assert await live.make_due() == 2
        assert len(await told(services, id_)) == 1
        assert (await services.store.get_transcript(id_)).title


async def test_one_that_cannot_be_written_down_is_not_made_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_services(tmp_path) as services:
        live = await clocked(services, lambda: 1000.0)
        wrong, good = await recorded(services, *ROOF), await recorded(services, *ROOF)
        for id_ in (wrong, good):
            await end(services, id_)
        append = services.journal.append

        async def refuse(transcript_id: str, body: EventBody) -> object:
            if transcript_id == wrong:
                raise InvalidMessage("of the test")
            return await append(transcript_id, body)

        monkeypatch.setattr(services.journal, "append", refuse)
        async with asyncio.timeout(20):
            assert await live.make_due() == 2
        assert (await services.store.get_transcript(wrong)).summary is None
        assert (await services.store.get_transcript(good)).summary is not None


async def test_the_model_is_not_asked_for_what_nobody_would_be_given(
    tmp_path: Path, server: LanguageModelServer
) -> None:
    async with running_services(tmp_path, **configured(server, auto_summaries_by="language_model")) as services:
        live = await clocked(services, lambda: 1000.0)
        for change in ({"locked": True}, {"summary": {"summary": "Ours."}}):
            await services.store.update_transcript(await recorded(services, *LONG), **change)
        assert await live.make_due() == 2
        assert server.asked == []


async def test_a_model_that_is_away_keeps_no_other_waiting(tmp_path: Path, server: LanguageModelServer) -> None:
    now_s = 1000.0
    server.faults.extend([503] * 2)  # asked again once by itself
    server.reply = answered
    server.retry_after = "0"
    async with running_services(tmp_path, **configured(server, auto_summaries_by="language_model")) as services:
        live = await clocked(services, lambda: now_s)

        async def method_of_next() -> str | None:
            id_ = await recorded(services, *ROOF)
            await end(services, id_)
            assert await live.make_due() == 1
            [event] = await told(services, id_)
            return event.method

        assert await method_of_next() == "extractive"
        asked = len(server.asked)
        assert await method_of_next() == "extractive"
        assert len(server.asked) == asked
        now_s += AWAY_S
        assert await method_of_next() == "language_model"
