"""What is left to do in the bucket, found in the database: sound and pictures that it was away for, those of before
there was one, and what is to be removed from it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic

import structlog

from server.blobs import Blobs
from server.nodes.duties import Duties
from server.nodes.shipping import send_rest
from server.nodes.sound_pieces import folder_of
from server.rounds import repeat
from server.store.kept_rows import F, KeptRows
from server.store.store import Store

log = structlog.get_logger(__name__)

ROUND_S = 30.0
GONE_ROUND_S = 600.0
AT_ONCE = 100
STRAY_S = 3600.0
"""A node that has not heard that sound was deleted may send a piece of it for so long: it is looked for once more."""


class Left(Generic[F]):
    """Files of one kind that are here and not in the bucket. ``is_going``: of a path, whether it is on its way there
    already. ``what`` they are is for the log."""

    def __init__(
        self,
        rows: KeptRows[F],
        blobs: Blobs,
        recordings: Path,
        folder: str,
        *,
        what: str,
        is_going: Callable[[str], bool] = lambda path: False,
    ) -> None:
        self._rows = rows
        self._blobs = blobs
        self._recordings = recordings
        self._folder = folder
        self._what = what
        self._is_going = is_going
        self._is_first = True  # later there is nothing more of before folders had names

    async def send(self) -> int:
        """All that are at their end; of how many anything was sent."""
        count, after = 0, ""
        while found := await self._rows.left(self._folder, after, limit=AT_ONCE, nobodys=self._is_first):
            for file in found:
                count += await self.send_one(file)
            after = found[-1].id
        self._is_first = False
        if count:
            log.info("some were left to be sent to the bucket", what=self._what, count=count)
        return count

    async def send_one(self, kept: F) -> bool:
        path = self._recordings / kept.path
        if self._is_going(kept.path) or not await asyncio.to_thread(path.exists):
            return False  # the latter: of before folders had names, and in another one; or never there
        # A piece of the turn before may still be on its way, shorter: it must not come in the place of one of these.
        before = kept.kept_turn
        turn = await (self._rows.next_turn(kept.id, before) if before else self._rows.take(kept.id, self._folder))
        if turn is None:
            return False  # somebody goes on with it
        try:
            was_left = await send_rest(self._blobs, kept.path, path, turn)
        except OSError as error:
            log.error("a recording cannot be read", path=kept.path, error=type(error).__name__)
            return False
        if not await self._rows.arrived(kept.id, turn):  # deleted meanwhile
            await self._blobs.delete_prefix(folder_of(kept.path))
        return was_left


class Leftovers:
    """Rounds that send and remove what is due, one thing after the other. ``clock`` gives epoch seconds."""

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        recordings: Path,
        folder: str,
        *,
        is_going: Callable[[str], bool] = lambda path: False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._kept = store.kept
        self._blobs = blobs
        self._folder = folder
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []
        self.sound = Left(store.kept, blobs, recordings, folder, what="sound")
        self.pictures = Left(store.kept.pictures, blobs, recordings, folder, what="pictures", is_going=is_going)

    def start(self, duties: Duties) -> None:
        """A folder may be several processes'; the bucket is all nodes'."""
        rounds = {
            "sound left": (duties.round(f"sound of {self._folder}", self.sound.send), ROUND_S),
            "pictures left": (duties.round(f"pictures of {self._folder}", self.pictures.send), ROUND_S),
            "sound gone": (duties.round("sound gone", self.remove), GONE_ROUND_S),
        }
        self._tasks = [
            asyncio.create_task(repeat(work, every_s=every_s, name=name), name=name)
            for name, (work, every_s) in rounds.items()
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

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
