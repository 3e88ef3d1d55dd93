"""What is left to do in the bucket, found in the database: sound that it was away for, sound of before there was one,
and sound that is to be removed from it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from server.blobs import Blobs
from server.nodes.duties import Duties
from server.nodes.shipping import send_rest
from server.nodes.sound_pieces import folder_of
from server.rounds import repeat
from server.store.records import Track
from server.store.store import Store

log = structlog.get_logger(__name__)

ROUND_S = 30.0
GONE_ROUND_S = 600.0
AT_ONCE = 100
STRAY_S = 3600.0
"""A node that has not heard that sound was deleted may send a piece of it for so long: it is looked for once more."""


class Leftovers:
    """Rounds that send and remove what is due, one thing after the other. ``clock`` gives epoch seconds."""

    def __init__(
        self, store: Store, blobs: Blobs, recordings: Path, folder: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._kept = store.kept
        self._blobs = blobs
        self._recordings = recordings
        self._folder = folder
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []
        self._is_first = True  # later there is nothing more of before folders had names

    def start(self, duties: Duties) -> None:
        """A folder may be several processes'; the bucket is all nodes'."""
        send, remove = duties.round(f"sound of {self._folder}", self.send), duties.round("sound gone", self.remove)
        rounds = {"sound left": (send, ROUND_S), "sound gone": (remove, GONE_ROUND_S)}
        self._tasks = [
            asyncio.create_task(repeat(work, every_s=every_s, name=name), name=name)
            for name, (work, every_s) in rounds.items()
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def send(self) -> int:
        """All tracks at their end that are here and not in the bucket; of how many anything was sent."""
        count, after = 0, ""
        while found := await self._kept.left(self._folder, after, limit=AT_ONCE, nobodys=self._is_first):
            for track in found:
                count += await self._send(track)
            after = found[-1].id
        self._is_first = False
        if count:
            log.info("sound was left to be sent to the bucket", tracks=count)
        return count

    async def _send(self, track: Track) -> bool:
        path = self._recordings / track.path
        if not await asyncio.to_thread(path.exists):
            return False  # of before folders had names, and in another one; or never there
        # A piece of the turn before may still be on its way, shorter: it must not come in the place of one of these.
        before = track.kept_turn
        turn = await (self._kept.next_turn(track.id, before) if before else self._kept.take(track.id, self._folder))
        if turn is None:
            return False  # somebody goes on with it
        try:
            was_left = await send_rest(self._blobs, track.path, path, turn)
        except OSError as error:
            log.error("sound cannot be read", path=track.path, error=type(error).__name__)
            return False
        if not await self._kept.arrived(track.id, turn):  # deleted meanwhile
            await self._blobs.delete_prefix(folder_of(track.path))
        return was_left

    async def remove(self) -> int:
        """What may not be in the bucket any longer; how many tracks and transcripts of it are done with."""
        count, after = 0, ""
        while found := await self._kept.gone(after, limit=AT_ONCE):
            for path, gone_at in found:
                if not await self._kept.is_again(path):
                    await self._blobs.delete_prefix(folder_of(path))
                if self._clock() - gone_at > STRAY_S:
                    await self._kept.forget_gone(path)
                    count += 1
            after = found[-1][0]
        return count
