"""All that is done with language models, put together: what the doors ask, and what is made unasked."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Self

from server.journal import Journal
from server.language_models.catalogue import Catalogue
from server.language_models.chat import Chat
from server.language_models.client import LanguageModelClient
from server.language_models.language_model_settings import LanguageModelSettings
from server.language_models.live_summaries import LiveSummaries
from server.language_models.summarising import Summarising
from server.language_models.summary_jobs import SummaryJobs
from server.language_models.turns import Turns
from server.metrics import Metrics
from server.nodes.duties import Duties
from server.store.store import Store

LONG_BODIES, LONG_BODIES_WAITING = 2, 16


@dataclass(frozen=True)
class LanguageModels:
    """``client`` is None where no language model is configured; all the rest works without."""

    client: LanguageModelClient | None
    catalogue: Catalogue
    chat: Chat
    summary_jobs: SummaryJobs
    live_summaries: LiveSummaries
    long_bodies: Turns  # of reading them

    @classmethod
    async def start(
        cls,
        settings: LanguageModelSettings,
        store: Store,
        journal: Journal,
        metrics: Metrics,
        duties: Duties,
        *,
        noted: Callable[[], None],
        fleeting: Collection[str] = frozenset(),
    ) -> Self:
        """``noted``: called when webhooks are to be told of something; ``fleeting``: what gets no summary unasked.

        Raises what the store raises. A language model that is away hinders no start."""
        client = LanguageModelClient(settings, metrics) if settings.llm_base_url else None
        catalogue = Catalogue(settings, client)
        summarising = Summarising(settings, client)
        jobs = SummaryJobs(settings, store, summarising)
        await jobs.start()
        live = LiveSummaries(settings, store, journal, summarising, catalogue, duties, noted=noted, fleeting=fleeting)
        live.start()
        return cls(client, catalogue, Chat(settings, client), jobs, live, Turns(LONG_BODIES, LONG_BODIES_WAITING))

    async def stop(self) -> None:
        await self.live_summaries.stop()
        await self.summary_jobs.stop()
        if self.client is not None:
            await self.client.stop()
