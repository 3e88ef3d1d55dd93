"""Long texts: the model reads all of them, and is never given more than it takes."""

from __future__ import annotations

import pytest

from protocol.errors import LanguageModelFailed
from server.language_models.map_reduce import MapReduce
from server.language_models.prompts import summary_notes_system
from server.language_models.tokens import estimated
from tests.fakes.language_model import LanguageModelServer, Messages
from tests.server.language_models.asking import client_of, failure
from tests.server.language_models.talks import lines

CONTEXT_TOKENS = 2048
SYSTEM = summary_notes_system()
TALK = lines(*(f"Sentence number {at} is about house {at}, its roof and the rain on it." for at in range(600)))


async def test_every_part_is_seen_in_its_order_and_none_is_too_long(server: LanguageModelServer) -> None:
    server.context_tokens = CONTEXT_TOKENS
    server.reply = lambda messages: messages[-1]["content"].partition("[")[0] + "words " * 400
    told: list[tuple[int, int]] = []
    async with client_of(server, llm_at_once=3) as client:
        reading = MapReduce(
            client, "small", context_tokens=CONTEXT_TOKENS, patient=True, told=lambda *each: told.append(each)
        )
        parts = reading.parts(TALK, SYSTEM)
        notes, usage = await reading.notes(parts, SYSTEM, 500)
    read = [prompt[-1]["content"] for prompt in server.prompts if prompt[0]["content"] == SYSTEM]
    assert sorted("\n".join(read).splitlines()) == sorted(line.shown for line in TALK)
    assert len(read) == len(parts) > 5
    assert notes.startswith("1 ")
    assert estimated(notes) <= 500
    assert usage.prompt == 11 * len(server.prompts)
    assert len(server.prompts) > len(parts)  # the notes were too long themselves
    assert server.at_once_max <= 3
    assert told[-1] == (len(server.prompts), len(server.prompts))
    assert [done for done, _ in told] == list(range(1, len(told) + 1))


async def test_notes_are_in_the_order_of_the_talk_whoever_is_ready_first(server: LanguageModelServer) -> None:
    def first_number(messages: Messages) -> str:
        return messages[-1]["content"].split()[0]

    server.reply = first_number
    async with client_of(server) as client:
        reading = MapReduce(client, "small", context_tokens=CONTEXT_TOKENS, patient=False)
        notes, _ = await reading.notes(reading.parts(TALK, SYSTEM), SYSTEM, 500)
    numbers = [int(each) for each in notes.split()]
    assert numbers == sorted(numbers)
    assert numbers[0] == 1


@pytest.mark.parametrize("at", [0, 4])
async def test_one_part_that_fails_is_the_end_of_all(server: LanguageModelServer, at: int) -> None:
    answered = 0

    def fails(messages: Messages) -> str:
        nonlocal answered
        answered += 1
        if answered > at:
            server.faults.append("garbage")
        return "notes"

    server.reply = fails
    async with client_of(server) as client:
        reading = MapReduce(client, "small", context_tokens=CONTEXT_TOKENS, patient=True)
        told = await failure(reading.notes(reading.parts(TALK, SYSTEM), SYSTEM, 500))
    assert type(told) is LanguageModelFailed
    assert told.__cause__ is None
