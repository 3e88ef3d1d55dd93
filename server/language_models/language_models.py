"""All that is done with language models, put together: what the doors ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from server.language_models.catalogue import Catalogue
from server.language_models.chat import Chat
from server.language_models.client import LanguageModelClient
from server.language_models.language_model_settings import LanguageModelSettings
from server.language_models.summarising import Summarising
from server.language_models.summary_jobs import SummaryJobs
from server.metrics import Metrics
from server.store.store import Store


@dataclass(frozen=True)
class LanguageModels:
    """``client`` is None where no language model is configured; all the rest works without."""

    client: LanguageModelClient | None
    catalogue: Catalogue
    chat: Chat
    summary_jobs: SummaryJobs

    @classmethod
    async def start(cls, settings: LanguageModelSettings, store: Store, metrics: Metrics) -> Self:
        """Raises what the store raises. A language model that is away hinders no start."""
        client = LanguageModelClient(settings, metrics) if settings.llm_base_url else None
        jobs = SummaryJobs(settings, store, Summarising(settings, client))
        await jobs.start()
        return cls(client, Catalogue(settings, client), Chat(settings, client), jobs)

    async def stop(self) -> None:
        await self.summary_jobs.stop()
        if self.client is not None:
            await self.client.stop()
