"""Summaries of transcripts of any length, by a language model or without one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from protocol.errors import LanguageModelFailed, TooLarge
from protocol.events import Summarised
from server.language_models.client import LanguageModelClient
from server.language_models.extractive import EXTRACTIVE, Summary, summary_of, topics_in
from server.language_models.language_model_settings import LanguageModelSettings
from server.language_models.lines import Line
from server.language_models.map_reduce import MapReduce
from server.language_models.prompt import Message, Prompt
from server.language_models.prompts import read_summary, summary_notes_system, summary_system
from server.language_models.tokens import MESSAGE_TOKENS
from server.language_models.whole_summary import read_whole, whole_system
from server.summaries.extract import SummaryForm

TEMPERATURE = 0.2
PARTS_MAX = 500  # requests to a model that one summary may cost, before they are put together
TOKENS_OF_A_WORD = 3  # at most, in most languages
TOPICS_TOKENS = 100
WHOLE_TOKENS = 2000  # of a summary, its lists and what is around them


class Summarising:
    """``client`` None: there is no language model."""

    def __init__(self, settings: LanguageModelSettings, client: LanguageModelClient | None) -> None:
        self._context_tokens = settings.llm_context_tokens
        self._client = client

    async def summary(
        self,
        lines: Sequence[Line],
        form: SummaryForm,
        words_max: int,
        model: str,
        *,
        told: Callable[[int, int], None] = lambda done, count: None,
    ) -> Summary:
        """``words_max`` words at most; of what says nothing it is empty. ``told``: as ``MapReduce``.

        Raises as the client does, and ``TooLarge`` for what no model of this size can be asked to read.
        """
        if model == EXTRACTIVE or not lines:
            return await asyncio.to_thread(summary_of, lines, form, words_max)
        if self._client is None:
            raise LanguageModelFailed("no language model is configured any more; ask for this summary again")
        answer_tokens = words_max * TOKENS_OF_A_WORD + TOPICS_TOKENS
        answer = await self._answer(self._client, model, lines, summary_system(form, words_max), answer_tokens, told)
        text, topics = read_summary(answer, form, words_max)
        if not text:
            raise LanguageModelFailed("the language model wrote no summary; try again, or another model")
        return Summary(text, topics or await asyncio.to_thread(topics_in, lines), model)

    async def whole(self, lines: Sequence[Line], model: str) -> Summarised:
        """With a title and all else that belongs to it, by a language model. Raises as ``summary``."""
        if self._client is None:
            raise LanguageModelFailed("no language model is configured any more")
        return read_whole(await self._answer(self._client, model, lines, whole_system(), WHOLE_TOKENS))

    async def _answer(
        self,
        client: LanguageModelClient,
        model: str,
        lines: Sequence[Line],
        system: str,
        answer_tokens: int,
        told: Callable[[int, int], None] = lambda done, count: None,
    ) -> str:
        answer_tokens = min(answer_tokens, self._context_tokens // 3)
        room = self._context_tokens - answer_tokens - Message("system", system).tokens - MESSAGE_TOKENS
        material = await self._material(client, model, lines, room, told)
        messages = (Message("system", system), Message("user", material))
        prompt = Prompt(model, messages, answer_tokens, TEMPERATURE)
        return (await client.complete(prompt, patient=True)).text

    async def _material(
        self,
        client: LanguageModelClient,
        model: str,
        lines: Sequence[Line],
        room: int,
        told: Callable[[int, int], None],
    ) -> str:
        """The transcript itself where there is room for it, else notes on all its parts."""
        if await asyncio.to_thread(lambda: sum(line.tokens for line in lines)) <= room:
            return "\n".join(line.shown for line in lines)
        reading = MapReduce(client, model, context_tokens=self._context_tokens, patient=True, told=told)
        system = summary_notes_system()
        parts = await asyncio.to_thread(reading.parts, lines, system)
        if len(parts) > PARTS_MAX:
            raise TooLarge(
                f"this transcript has {len(parts)} parts for a model that takes {self._context_tokens} tokens, and "
                f"{PARTS_MAX} are read at most: take a model with more, or send less",
                details={"parts": len(parts), "max": PARTS_MAX},
            )
        return (await reading.notes(parts, system, room))[0]
