"""Which language models there are, and which one a name means."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from protocol.errors import EarshotError, LanguageModelFailed, ModelNotFound
from server.language_models.client import LanguageModelClient
from server.language_models.extractive import EXTRACTIVE
from server.language_models.language_model_settings import LanguageModelSettings

KNOWN_S = 60.0  # so long a list is believed
NAMED_MAX = 20  # in a message

# What clients of the documented API send when nobody chose a model: it means "whichever there is".
UNCHOSEN = "gpt-3.5-turbo"


@dataclass(frozen=True, slots=True)
class Listed:
    """``problem``: why the list may not be all, or empty."""

    models: tuple[str, ...]
    problem: str = ""


class Catalogue:
    """Of the models of ``client``, and of the one that is none (``extractive``). ``clock`` gives seconds that only move
    on."""

    def __init__(
        self,
        settings: LanguageModelSettings,
        client: LanguageModelClient | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._default = settings.llm_model
        self._client = client
        self._clock = clock
        self._known: tuple[str, ...] = ()
        self._known_at: float | None = None
        self._asking = asyncio.Lock()  # so that many who come at once ask once

    async def listed(self) -> Listed:
        """All there are, the one that is asked by default first and ``extractive`` last."""
        if self._client is None:
            return Listed((EXTRACTIVE,))
        own = (self._default,) if self._default else ()
        try:
            return Listed((*dict.fromkeys((*own, *await self._models())), EXTRACTIVE))
        except EarshotError as error:
            return Listed((*own, EXTRACTIVE), error.message)

    async def resolve(self, name: str) -> str:
        """The model that ``name`` means: itself where there is one, and the default where nobody chose.

        Raises ``ModelNotFound`` for another that there is not, and what asking for the list raises.
        """
        if name == EXTRACTIVE or (self._client is None and name in ("", UNCHOSEN)):
            return EXTRACTIVE
        if self._client is None:
            raise _not_found((EXTRACTIVE,))
        if self._default and name in ("", self._default):
            return self._default
        try:
            models = await self._models()
        except EarshotError:
            if self._default and name == UNCHOSEN:
                return self._default
            raise
        if name in models:
            return name
        if f"{name}:latest" in models:  # as Ollama understands it
            return f"{name}:latest"
        if name not in ("", UNCHOSEN):
            raise _not_found((*models, EXTRACTIVE))
        if not (self._default or models):
            raise LanguageModelFailed("the language model's server has no models; whoever runs it fetches one")
        return self._default or models[0]

    async def _models(self) -> tuple[str, ...]:
        assert self._client is not None
        async with self._asking:
            if self._known_at is None or self._clock() - self._known_at >= KNOWN_S:
                self._known = await self._client.models()
                self._known_at = self._clock()
            return self._known


def _not_found(models: tuple[str, ...]) -> ModelNotFound:
    shown = ", ".join(models[:NAMED_MAX]) + (", ..." if len(models) > NAMED_MAX else "")
    return ModelNotFound(f"no such model; there are: {shown}", details={"models": list(models)})
