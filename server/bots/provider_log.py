"""What other recognisers sent of a meeting is kept as they sent it, for the document of that."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from protocol.errors import InvalidMessage, TooLarge
from protocol.ids import new_provider_part_id
from protocol.participants import MeetingParticipant
from server.bots.write_behind import WriteBehind
from server.store.provider_part_store import ProviderPart, ProviderPartStore

PARTS_MAX = 20_000  # of one recording
CHARS_MAX = 64 << 20  # of all of them
PART_MAX_CHARS = 64 << 10
WRITTEN_EVERY_S = 0.5
PENDING_MAX = 1000


class ProviderLog:
    """Of one connection. ``clock`` gives epoch seconds."""

    def __init__(self, store: ProviderPartStore, transcript_id: str, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._transcript_id = transcript_id
        self._clock = clock
        self._written = WriteBehind(store.add, every_s=WRITTEN_EVERY_S, what="provider data")
        self._size: tuple[int, int] | None = None

    async def take(self, event: str, payload: object, participant: MeetingParticipant | None, offset_s: float) -> None:
        """Raises ``TooLarge``."""
        if self._size is None:
            self._size = await self._store.size(self._transcript_id)
        try:
            text = json.dumps(payload, allow_nan=False, separators=(",", ":"))  # half letters and NUL stay escaped
        except (ValueError, RecursionError):
            raise InvalidMessage("what another recogniser sent is no JSON") from None
        if len(text) > PART_MAX_CHARS:
            raise TooLarge(
                f"of what another recogniser sends {PART_MAX_CHARS} characters are kept at once",
                details={"max_chars": PART_MAX_CHARS},
            )
        count, chars = self._size
        if count >= PARTS_MAX or chars + len(text) > CHARS_MAX or self._written.waiting >= PENDING_MAX:
            raise TooLarge(f"a recording keeps {PARTS_MAX} pieces of what another recogniser sends")
        self._size = count + 1, chars + len(text)
        part = ProviderPart(
            id=new_provider_part_id(),
            transcript_id=self._transcript_id,
            created_at=self._clock(),
            event=event,
            participant=participant,
            offset_s=offset_s,
            payload=text,
        )
        self._written.put(part.id, part)

    def tick(self) -> None:
        self._written.tick()

    async def close(self) -> None:
        """What was taken is stored."""
        await self._written.close()

    async def finish(self) -> None:
        """As ``WriteBehind.finish``."""
        await self._written.finish()
