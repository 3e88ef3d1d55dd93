"""What a node that stops leaves to the next one: the utterance in the middle of which it would have to end.

Finals are made of the utterances that have ended. The rest of the track is not heard as yet, and the track stays open:
the source that comes back goes on with it at another node, or that one finishes it when none comes. So utterances begin
and end where they would have without the stop, and the words are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import structlog

from protocol.errors import EngineFailed, NotFound, StoreUnavailable
from protocol.states import TranscriptState
from server.live import LiveSession
from server.locks import Locks
from server.nodes.holding import Holding
from server.status import StatusTeller

log = structlog.get_logger(__name__)


class LeftOpen:
    """The transcripts of which something is left. ``locks``: by transcript."""

    def __init__(self, holding: Holding, locks: Locks, status: StatusTeller) -> None:
        self._holding = holding
        self._locks = locks
        self._status = status

    async def leaves(self, session: LiveSession) -> bool:
        """Have the finals of its ended utterances made; whether one is left. In silence none is, and the track ends."""
        session.is_left_open = True
        with suppress(EngineFailed):  # all of it is
            session.is_left_open = not await session.pipeline.finalize_ended()
        if session.is_left_open:
            self._holding.unfinished.add(session.transcript_id)
            samples = session.pipeline.length_samples - session.pipeline.settled_samples
            log.info("words are left for the next node", track=session.track.id, samples=samples)
        return session.is_left_open

    async def settle(self, transcript_id: str, is_in_use: Callable[[], bool]) -> bool:
        """Whether something of it is left open. Then it comes to no end here, and with its last session it is anybody's
        to go on with."""
        if transcript_id not in self._holding.unfinished:
            return False
        async with self._locks.of(transcript_id):
            if not is_in_use():
                with suppress(NotFound):
                    if (await self._status.now(transcript_id)).state is TranscriptState.PROCESSING:
                        await self._status.try_move(transcript_id, TranscriptState.RECORDING, audio="none")
                    else:
                        await self._status.tell(transcript_id)  # that nobody is there
                with suppress(StoreUnavailable):  # then it is soon idle
                    await self._holding.let_go(transcript_id)
        return True
