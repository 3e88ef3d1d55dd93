"""The end of a meeting."""

from __future__ import annotations

from contextlib import suppress

from protocol.errors import IllegalMove
from protocol.states import TranscriptState
from server.hub import Hub
from server.store.store import Store


async def complete(hub: Hub, store: Store, transcript_id: str) -> None:
    """End whoever still speaks; a recording of nobody is done at once. Raises ``NotFound``."""
    with suppress(IllegalMove):  # nobody speaks
        await hub.end(transcript_id)
    if (await store.get_transcript(transcript_id)).state in (TranscriptState.IDLE, TranscriptState.RECORDING):
        await hub.settle(transcript_id)
