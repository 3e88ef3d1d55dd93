"""Summaries by a language model, of transcripts of any length."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, get_args

import pytest

from protocol.errors import LanguageModelFailed, TooLarge
from server.language_models import summarising as summarising_module
from server.language_models.extractive import EXTRACTIVE
from server.language_models.prompts import summary_notes_system, summary_system
from server.language_models.summarising import Summarising
from server.summaries.extract import SummaryForm
from tests.fakes.language_model import LanguageModelServer, Messages
from tests.server.language_models.asking import client_of, settings_for
from tests.server.language_models.talks import ROOF, lines

CONTEXT_TOKENS = 2048
LONG = lines(*(f"Sentence number {at} is about house {at}, its roof and the rain on it." for at in range(300)))


@asynccontextmanager
async def summarising_with(server: LanguageModelServer, **options: Any) -> AsyncIterator[Summarising]:
    options = {"llm_context_tokens": CONTEXT_TOKENS, **options}
    server.context_tokens = CONTEXT_TOKENS
    async with client_of(server, **options) as client:
        yield Summarising(settings_for(server.url, **options), client)


@pytest.mark.parametrize("form", get_args(SummaryForm))
async def test_a_short_one_is_read_at_once(server: LanguageModelServer, form: SummaryForm) -> None:
    server.reply = lambda _: "- The roof leaks.\nTopics: roof; rain"
    async with summarising_with(server) as summarising:
        summary = await summarising.summary(lines(*ROOF), form, 50, "small")
    assert summary.text == ("The roof leaks." if form == "paragraph" else "- The roof leaks.")
    assert (summary.topics, summary.length, summary.model) == (("roof", "rain"), 3, "small")
    [prompt] = server.prompts
    assert prompt[0] == {"role": "system", "content": summary_system(form, 50)}
    assert prompt[1]["content"].splitlines()[1] == "2 [00:00:10] Anna: We had soup for lunch."


async def test_a_long_one_is_read_in_parts_all_of_it(server: LanguageModelServer) -> None:
    def reply(messages: Messages) -> str:
        is_notes = messages[0]["content"] == summary_notes_system()
        return f"notes from {messages[1]['content'].split()[0]}" if is_notes else "So many houses."

    server.reply = reply
    async with summarising_with(server) as summarising:
        summary = await summarising.summary(LONG, "paragraph", 500, "small")
    *parts, last = server.prompts
    assert len(parts) > 3
    assert sorted("\n".join(each[1]["content"] for each in parts).splitlines()) == sorted(line.shown for line in LONG)
    assert last[1]["content"].split("\n\n")[0] == "notes from 1"
    assert len(last[1]["content"].split("\n\n")) == len(parts)
    assert summary.text == "So many houses."
    assert "house" in summary.topics  # the model named none


async def test_a_model_that_says_too_much_is_cut_short_and_one_that_says_nothing_failed(
    server: LanguageModelServer,
) -> None:
    async with summarising_with(server) as summarising:
        server.reply = lambda _: "One two three. Four five six. Seven."
        assert (
            await summarising.summary(lines(*ROOF), "paragraph", 6, "small")
        ).text == "One two three. Four five six."
        server.reply = lambda _: "<think>What is a roof?</think>"
        with pytest.raises(LanguageModelFailed, match="no summary"):
            await summarising.summary(lines(*ROOF), "paragraph", 6, "small")


async def test_without_a_model_and_of_nothing_nobody_is_asked(server: LanguageModelServer) -> None:
    async with summarising_with(server) as summarising:
        assert (await summarising.summary(lines(*ROOF), "paragraph", 50, EXTRACTIVE)).model == EXTRACTIVE
        assert (await summarising.summary([], "paragraph", 50, "small")).text == ""
    assert server.asked == []
    with pytest.raises(LanguageModelFailed, match="configured"):
        await Summarising(settings_for(""), None).summary(LONG, "paragraph", 50, "small")


async def test_one_that_would_cost_too_much_is_refused(
    server: LanguageModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summarising_module, "PARTS_MAX", 2)
    async with summarising_with(server) as summarising:
        with pytest.raises(TooLarge, match="2 are read at most"):
            await summarising.summary(LONG, "paragraph", 50, "small")
    assert server.asked == []
