"""Texts that are longer than what a model takes at once: it reads all of them in parts, and notes what matters.

The notes of all parts together are then what is read; where these are too long, they are made shorter in the same way,
again and again. Each round has at most half as many texts as the one before, so it comes to an end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from server.language_models.client import LanguageModelClient
from server.language_models.lines import Line
from server.language_models.parts import groups_of, parts_of
from server.language_models.prompt import NO_USAGE, Answer, Message, Prompt, Usage
from server.language_models.prompts import shorter_system
from server.language_models.thinking import without_thinking
from server.language_models.tokens import MESSAGE_TOKENS, estimated, within

NOTES_TEMPERATURE = 0.2
NOTES_SHARE = 8  # notes on a part take one part of so many of what the model takes


class MapReduce:
    """With one model. ``told``: called with how many requests are answered, and how many there are so far."""

    def __init__(
        self,
        client: LanguageModelClient,
        model: str,
        *,
        context_tokens: int,
        patient: bool,
        told: Callable[[int, int], None] = lambda done, count: None,
    ) -> None:
        self._client = client
        self._model = model
        self._context_tokens = context_tokens
        self._notes_tokens = context_tokens // NOTES_SHARE
        self._patient = patient
        self._told = told
        self._done = 0
        self._count = 0

    def parts(self, lines: Sequence[Line], system: str) -> list[list[Line]]:
        """In which the model can read them, told ``system``."""
        return parts_of(lines, self._room(system))

    async def notes(self, parts: Sequence[Sequence[Line]], system: str, tokens_max: int) -> tuple[str, Usage]:
        """The model's notes on all parts, of ``tokens_max`` at most, and what they cost. Raises as the client does."""
        texts, usage = await self._each(["\n".join(line.shown for line in part) for part in parts], system)
        while estimated("\n\n".join(texts)) > tokens_max and len(texts) > 1:
            groups = groups_of(texts, self._room(shorter_system()))
            texts, more = await self._each(["\n\n".join(group) for group in groups], shorter_system())
            usage += more
        return within("\n\n".join(texts), tokens_max), usage

    async def _each(self, texts: Sequence[str], system: str) -> tuple[list[str], Usage]:
        """What the model notes on each, in their order."""
        self._count += len(texts)
        notes: dict[int, str] = {}
        usage = NO_USAGE
        todo = iter(enumerate(texts))

        async def work() -> None:
            nonlocal usage
            for at, text in todo:
                answer = await self._ask(text, system)
                notes[at] = within(without_thinking(answer.text), self._notes_tokens)
                usage += answer.usage
                self._done += 1
                self._told(self._done, self._count)

        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(min(self._client.turns.at_once, len(texts))):
                    tasks.create_task(work())
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        return [notes[at] for at in range(len(texts))], usage

    async def _ask(self, text: str, system: str) -> Answer:
        messages = (Message("system", system), Message("user", text))
        prompt = Prompt(self._model, messages, self._notes_tokens, NOTES_TEMPERATURE)
        return await self._client.complete(prompt, patient=self._patient)

    def _room(self, system: str) -> int:
        """Tokens of a text that is noted on, beside what the model is told and what it answers."""
        return self._context_tokens - self._notes_tokens - Message("system", system).tokens - MESSAGE_TOKENS
