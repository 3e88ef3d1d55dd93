"""Whether the language model can be asked; for ``earshot doctor``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from protocol.errors import EarshotError

if TYPE_CHECKING:
    from server.settings import Settings


def models_and_trouble(settings: Settings) -> tuple[tuple[str, ...], str]:
    """Which models its server lists, and why no answer would come of them (empty: nothing). No model is asked."""
    try:
        models = asyncio.run(_listed(settings))
    except EarshotError as error:
        return (), error.message
    known = {*models, *(model.removesuffix(":latest") for model in models)}
    if settings.llm_model and settings.llm_model not in known:
        return models, f"it lists no {settings.llm_model}"
    return models, "" if models else "it has no models"


async def _listed(settings: Settings) -> tuple[str, ...]:
    from server.language_models.client import LanguageModelClient
    from server.metrics import Metrics

    client = LanguageModelClient(settings, Metrics())
    try:
        return await client.models()
    finally:
        await client.stop()
