"""Transcripts that are there only while somebody waits for their words: clients of other services expect that nothing
of it is kept.

Each has a marker in the data folder from before its beginning on, so that a crash leaves none of them behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from protocol.errors import EarshotError, NotFound
from protocol.ids import is_transcript_id, new_transcript_id
from server.files import storage_error, sync_folder
from server.removal import Removal

log = structlog.get_logger(__name__)


class Fleeting:
    """One for a node, with a folder for markers beside its ``place``. ``ids``: those that are there for the moment."""

    def __init__(self, removal: Removal, place: Path) -> None:
        self._folder = _folder_of(place)
        self._removal = removal
        self.ids: set[str] = set()
        self._removing: set[asyncio.Task[None]] = set()

    @staticmethod
    def inherit(place: Path, left: Iterable[Path]) -> None:
        """Before ``load``: what lies beside other places, of nodes that are no more. Blocking. Raises ``OSError``."""
        folder = _folder_of(place)
        for other in map(_folder_of, left):
            for name in _names(other):
                folder.mkdir(exist_ok=True)
                (other / name).replace(folder / name)

    async def load(self) -> None:
        """After a start: what a crash left. Nobody waits for it any more."""
        for name in await asyncio.to_thread(_names, self._folder):
            await self._remove(name)

    @asynccontextmanager
    async def beginning(self, *, kept: bool = False) -> AsyncIterator[str]:
        """The id of a transcript that is made inside, and is to be gone when it is ``over``; one that is ``kept`` is
        not. What comes to nothing goes at once. Raises ``OSError`` where the marker cannot be written."""
        transcript_id = new_transcript_id()
        if not kept:
            await asyncio.to_thread(_mark, self._folder, transcript_id)
            self.ids.add(transcript_id)
        try:
            yield transcript_id
        except BaseException:
            self.ids.discard(transcript_id)
            await self._remove(transcript_id)
            raise

    async def keep(self, transcript_id: str) -> None:
        """It stays after all, from now on. Nothing happens where it did not begin as such. Raises
        ``StoreUnavailable``."""
        if transcript_id in self.ids:
            self.ids.discard(transcript_id)
            try:
                await asyncio.to_thread(_unmark, self._folder, transcript_id)
            except OSError as error:
                raise storage_error(error) from error

    def over(self, transcript_id: str) -> None:
        """Nobody waits for it any more: what is still heard of it ends, and it goes, in the background. One that did
        not begin as such stays."""
        if transcript_id not in self.ids:
            return
        self.ids.discard(transcript_id)
        task = asyncio.create_task(self._remove(transcript_id), name=f"remove {transcript_id}")
        self._removing.add(task)
        task.add_done_callback(self._removing.discard)

    async def stop(self) -> None:
        """Until all that is over is gone."""
        if self._removing:
            await asyncio.wait(self._removing)

    async def _remove(self, transcript_id: str) -> None:
        try:
            await self._removal.discard(transcript_id)
        except NotFound:
            pass
        except EarshotError as error:
            log.warning("a transcript that was to be gone is still there", transcript=transcript_id, code=error.code)
            return  # its marker stays: it goes at the next start
        await asyncio.to_thread((self._folder / transcript_id).unlink, missing_ok=True)


def _folder_of(place: Path) -> Path:
    return place.with_suffix(".fleeting")


def _mark(folder: Path, transcript_id: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / transcript_id).touch()


def _unmark(folder: Path, transcript_id: str) -> None:
    """A power cut does not bring it back, and with it the end of what was kept."""
    (folder / transcript_id).unlink(missing_ok=True)
    sync_folder(folder)


def _names(folder: Path) -> list[str]:
    try:
        return [each.name for each in folder.iterdir() if is_transcript_id(each.name)]
    except FileNotFoundError:
        return []
