"""Title and summary of a conversation: made at its end, again after more, never over what a host wrote."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from protocol.events import Summarised
from server.projects import summaries as summaries_module
from server.services import Services
from server.store.search_words import parse_query
from server.store.summary_store import SUMMARIZED
from server.summaries.extract import Extract, Sentence, extract
from tests.fakes.node import events_of, running_services
from tests.server.projects.test_chunks import begun
from tests.server.webhooks.noted import noted, wanting

SAID = "The roof of the school leaks. The school needs a new roof. We had soup."
MORE = "The council has money for the school roof. The council decides about the roof of the school in winter."


async def typed(services: Services, conversation_id: str, text: str) -> None:
    """Said and finished, and its summary made."""
    await services.chunks.typed(conversation_id, text, said_at=None, source="PORTAL_TEXT")
    await services.chunks.finish(conversation_id)
    await summarised(services)


async def summarised(services: Services) -> None:
    async with asyncio.timeout(20):
        while await services.store.summaries.due(limit=1):
            await services.summaries.make_due()


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
        assert await services.summaries.make_due() == 0

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
        await services.summaries.stop()
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
        await services.summaries.stop()
        wrong, good = await begun(services), await begun(services)
        for id_, text in ((wrong, "Crash."), (good, SAID)):
            await services.chunks.typed(id_, text, said_at=None, source="PORTAL_TEXT")
            await services.chunks.finish(id_)
        assert len(await services.store.summaries.due(limit=9)) == 2

    def fails_on_crash(said: list[Sentence]) -> Extract:
        if any("Crash" in each.text for each in said):
            raise RuntimeError("of the test")
        return extract(said)

    monkeypatch.setattr(summaries_module, "extract", fails_on_crash)
    async with running_services(tmp_path) as services:
        await summarised(services)
        assert (await services.store.get_transcript(wrong)).summary is None
        assert (await services.store.get_transcript(good)).summary is not None


async def test_one_of_thousands_of_sentences_is_read_to_its_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summaries_module, "SENTENCES_MAX", 5)
    async with running_services(tmp_path) as services:
        await services.summaries.stop()
        id_ = await begun(services)
        for at in range(4):
            await services.chunks.typed(id_, f"One {at}. Two {at}.", said_at=None, source="PORTAL_TEXT")
        assert len(await summaries_module.said_in(services.store, id_)) == 5
