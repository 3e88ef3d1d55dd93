"""Questions about a transcript, and their answers with the segments that they cite: by a language model or without one.

A transcript that is longer than what the model takes is read in parts. Of a very long one those parts are read that fit
the question best, and the answer says how many of how many.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from protocol.errors import LanguageModelFailed, TooLarge
from server.language_models.bm25 import best
from server.language_models.client import LanguageModelClient
from server.language_models.extractive import EXTRACTIVE, answer_pieces
from server.language_models.language_model_settings import LanguageModelSettings
from server.language_models.lines import Line
from server.language_models.map_reduce import MapReduce
from server.language_models.prompt import NO_USAGE, Answer, Message, Prompt, Usage
from server.language_models.prompts import chat_notes_system, chat_system, conversation_of
from server.language_models.quotes import quoted
from server.language_models.thinking import Thinking, without_thinking
from server.language_models.turns import Turns
from server.store.search_words import tokens

PARTS_MAX = 24  # that are read for one question
CONVERSATION_SHARE = 4  # of what the model takes, the conversation may have one part of so many, and the answer
ANSWER_SHARE = 3
THREADS = 2  # that answers without a model may take


@dataclass(frozen=True, slots=True)
class Asked:
    """``messages``: the conversation, with somebody's question in it. ``model``: one that there is."""

    lines: Sequence[Line]
    messages: tuple[Message, ...]
    model: str
    answer_tokens: int
    temperature: float

    @property
    def question(self) -> str:
        return next((each.content for each in reversed(self.messages) if each.role == "user"), "")


@dataclass(frozen=True, slots=True)
class Reply:
    """``parts_read`` of ``parts``, in which the model was given the transcript, were read for it."""

    text: str
    model: str
    usage: Usage
    is_whole: bool
    quotes: list[Line]
    parts: int = 1
    parts_read: int = 1


@dataclass(frozen=True, slots=True)
class _Material:
    text: str
    usage: Usage = NO_USAGE
    parts: int = 1
    parts_read: int = 1


class Chat:
    """``client`` None: there is no language model."""

    def __init__(self, settings: LanguageModelSettings, client: LanguageModelClient | None) -> None:
        self._context_tokens = settings.llm_context_tokens
        self._client = client
        self._threads = Turns(THREADS, settings.llm_waiting_max)

    async def reply(self, asked: Asked) -> Reply:
        """The whole answer at once. Raises as the client does; ``TooLarge`` for a question that is too long."""
        async with aclosing(self._pieces(asked, is_stream=False)) as pieces:
            async for each in pieces:
                if isinstance(each, Reply):
                    return each
        raise AssertionError("unreachable: the reply is the last piece")

    def stream(self, asked: Asked) -> AsyncGenerator[str | Reply, None]:
        """The answer piece by piece, and then as a whole. Raises as ``reply``, also in the middle. Close it."""
        return self._pieces(asked, is_stream=True)

    async def _pieces(self, asked: Asked, *, is_stream: bool) -> AsyncGenerator[str | Reply, None]:
        if asked.model == EXTRACTIVE:
            with self._threads.waited_for():
                async with self._threads.one():
                    found = await asyncio.to_thread(_extractive, asked)
                for each in found:
                    yield each
            return
        if self._client is None:
            raise LanguageModelFailed("no language model is configured any more; choose another model")
        with self._client.turns.waited_for():
            prompt, material = await self._prompt(self._client, asked)
            if is_stream:
                thinking = Thinking()
                async with aclosing(self._client.stream(prompt)) as pieces:
                    async for piece in pieces:
                        if isinstance(piece, Answer):
                            yield await _reply(asked, piece, material)
                        elif text := thinking.feed(piece):
                            yield text
            else:
                yield await _reply(asked, await self._client.complete(prompt), material)

    async def _prompt(self, client: LanguageModelClient, asked: Asked) -> tuple[Prompt, _Material]:
        messages = _fitting(asked.messages, self._context_tokens // CONVERSATION_SHARE)
        answer_tokens = min(asked.answer_tokens, self._context_tokens // ANSWER_SHARE)
        room = self._context_tokens - answer_tokens - Message("system", chat_system("")).tokens
        room -= sum(message.tokens for message in messages) + 1
        material = await self._material(client, asked, messages, room)
        told = (Message("system", chat_system(material.text)), *messages)
        return Prompt(asked.model, told, answer_tokens, asked.temperature), material

    async def _material(
        self, client: LanguageModelClient, asked: Asked, messages: Sequence[Message], room: int
    ) -> _Material:
        if await asyncio.to_thread(lambda: sum(line.tokens for line in asked.lines)) <= room:
            return _Material("\n".join(line.shown for line in asked.lines))
        system = chat_notes_system(conversation_of(messages))
        reading = MapReduce(client, asked.model, context_tokens=self._context_tokens, patient=False)
        parts = await asyncio.to_thread(reading.parts, asked.lines, system)
        chosen = parts if len(parts) <= PARTS_MAX else await asyncio.to_thread(_best, parts, asked.question)
        text, usage = await reading.notes(chosen, system, room)
        return _Material(text, usage, len(parts), len(chosen))


def _extractive(asked: Asked) -> list[str | Reply]:
    found: list[str | Reply] = []
    for each in answer_pieces(asked.lines, asked.question, asked.answer_tokens):
        if isinstance(each, str):
            found.append(each)
        else:
            quotes = quoted(each.text, asked.lines)
            found.append(Reply(each.text, EXTRACTIVE, each.usage, each.is_whole, quotes))
    return found


async def _reply(asked: Asked, answer: Answer, material: _Material) -> Reply:
    text = without_thinking(answer.text)
    if not text:
        raise LanguageModelFailed("the language model thought, and answered nothing; ask again, or raise max_tokens")
    quotes = await asyncio.to_thread(quoted, text, asked.lines)
    usage = material.usage + answer.usage
    return Reply(text, asked.model, usage, answer.is_whole, quotes, material.parts, material.parts_read)


def _fitting(messages: Sequence[Message], tokens_max: int) -> tuple[Message, ...]:
    """The last of them that fit: what was said long before is forgotten first."""
    kept: list[Message] = []
    left = tokens_max
    for message in reversed(messages):
        left -= message.tokens
        if left < 0:
            break
        kept.append(message)
    if not kept:
        raise TooLarge(
            "this question is too long for what the model takes; ask a shorter one", details={"tokens_max": tokens_max}
        )
    return tuple(reversed(kept))


def _best(parts: Sequence[Sequence[Line]], question: str) -> list[Sequence[Line]]:
    """Those that fit the question best, and of the others the first ones; in order."""
    texts = [[token.word for line in part for token in tokens(line.said)] for part in parts]
    places = best(texts, (token.word for token in tokens(question)), PARTS_MAX)
    places += [place for place in range(len(parts)) if place not in set(places)][: PARTS_MAX - len(places)]
    return [parts[place] for place in sorted(places)]
