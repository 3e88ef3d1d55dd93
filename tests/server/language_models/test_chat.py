"""Questions about a transcript, and what is cited in their answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from protocol.errors import LanguageModelFailed, LanguageModelUnavailable, TooLarge
from server.language_models import chat as chat_module
from server.language_models.chat import Asked, Chat, Reply
from server.language_models.extractive import EXTRACTIVE
from server.language_models.prompt import Message, Usage
from server.language_models.prompts import chat_notes_system
from tests.fakes.language_model import LanguageModelServer, Messages
from tests.server.language_models.asking import client_of, failure, settings_for
from tests.server.language_models.talks import ROOF, lines

CONTEXT_TOKENS = 2048
QUESTION = Message("user", "What of the soup?")
ASKED = Asked(lines(*ROOF), (QUESTION,), "small", 200, 0.3)
LONG = lines(*(f"Sentence number {at} is about house {at}, its roof and the rain on it." for at in range(300)))


@asynccontextmanager
async def chat_with(server: LanguageModelServer, **options: Any) -> AsyncIterator[Chat]:
    options = {"llm_context_tokens": CONTEXT_TOKENS, **options}
    server.context_tokens = CONTEXT_TOKENS
    async with client_of(server, **options) as client:
        yield Chat(settings_for(server.url, **options), client)


async def streamed(chat: Chat, asked: Asked) -> tuple[str, Reply]:
    *pieces, reply = [each async for each in chat.stream(asked)]
    assert isinstance(reply, Reply)
    return "".join(map(str, pieces)), reply


async def test_the_model_reads_numbered_lines_with_times_and_what_it_cites_is_quoted(
    server: LanguageModelServer,
) -> None:
    server.reply = lambda _: "Nobody liked it [00:00:40], at lunch [00:00:10]."
    async with chat_with(server) as chat:
        reply = await chat.reply(ASKED)
        assert await streamed(chat, ASKED) == (reply.text, reply)
    assert [line.text for line in reply.quotes] == ["Nobody liked the soup.", "We had soup for lunch."]
    assert (reply.model, reply.usage, reply.is_whole) == ("small", Usage(11, 7), True)
    told = server.prompts[0]
    assert "2 [00:00:10] Anna: We had soup for lunch." in told[0]["content"].splitlines()
    assert told[1:] == [{"role": "user", "content": QUESTION.content}]
    assert (server.bodies[0]["max_tokens"], server.bodies[0]["temperature"]) == (200, 0.3)


async def test_of_a_long_one_all_parts_are_read(server: LanguageModelServer) -> None:
    conversation = (Message("user", "Whose house?"), Message("assistant", "All."), Message("user", "And number 250?"))
    system = chat_notes_system("user: Whose house?\nassistant: All.\nuser: And number 250?")

    def reply(messages: Messages) -> str:
        if messages[0]["content"] != system:
            return "It has a roof [00:41:40]."
        return "[00:41:40] it has a roof" if "house 250," in messages[1]["content"] else "nothing"

    server.reply = reply
    async with chat_with(server) as chat:
        answer = await chat.reply(replace(ASKED, lines=LONG, messages=conversation))
    *parts, last = server.prompts
    assert sorted("\n".join(each[1]["content"] for each in parts).splitlines()) == sorted(line.shown for line in LONG)
    assert "[00:41:40] it has a roof" in last[0]["content"]
    assert [line.number for line in answer.quotes] == [251]
    assert answer.parts == answer.parts_read == len(parts) > 3
    assert answer.usage.prompt == 11 * len(server.prompts)


async def test_of_a_very_long_one_the_parts_that_fit_best(
    server: LanguageModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_module, "PARTS_MAX", 2)
    async with chat_with(server) as chat:
        answer = await chat.reply(replace(ASKED, lines=LONG, messages=(Message("user", "What of house 250?"),)))
    assert (answer.parts_read, len(server.prompts)) == (2, 3)
    assert answer.parts > 3
    assert any("house 250," in prompt[1]["content"] for prompt in server.prompts)


async def test_what_was_said_long_before_is_forgotten_and_a_question_that_is_too_long_refused(
    server: LanguageModelServer,
) -> None:
    old = [Message("user", "x" * 900), Message("assistant", "y" * 900)]
    async with chat_with(server) as chat:
        await chat.reply(replace(ASKED, messages=(*old, QUESTION)))
        assert [each["content"][0] for each in server.prompts[0][1:]] == ["y", "W"]
        with pytest.raises(TooLarge, match="too long"):
            await chat.reply(replace(ASKED, messages=(Message("user", "x" * 9000),)))
    assert len(server.prompts) == 1


async def test_thoughts_are_no_answer(server: LanguageModelServer) -> None:
    async with chat_with(server) as chat:
        server.reply = lambda _: "<think> hm hm </think> Soup."
        assert (await streamed(chat, ASKED))[0] == (await chat.reply(ASKED)).text == "Soup."
        server.reply = lambda _: "<think> hm hm"
        assert type(await failure(chat.reply(ASKED))) is LanguageModelFailed
        assert type(await failure(streamed(chat, ASKED))) is LanguageModelFailed


async def test_without_a_model_it_quotes_what_fits(server: LanguageModelServer) -> None:
    chat = Chat(settings_for(""), None)
    asked = replace(ASKED, model=EXTRACTIVE)
    reply = await chat.reply(asked)
    assert await streamed(chat, asked) == (reply.text, reply)
    assert {line.text for line in reply.quotes} >= {"Nobody liked the soup.", "We had soup for lunch."}
    assert "only quotes" in reply.text
    with pytest.raises(LanguageModelFailed, match="configured"):
        await chat.reply(ASKED)


async def test_too_many_who_wait_are_told(server: LanguageModelServer) -> None:
    async with chat_with(server, llm_at_once=1, llm_waiting_max=0) as chat:
        stream = chat.stream(ASKED)
        assert await anext(stream)
        with pytest.raises(LanguageModelUnavailable, match="wait already"):
            await chat.reply(ASKED)
        assert [each async for each in stream]
        assert await chat.reply(ASKED)
