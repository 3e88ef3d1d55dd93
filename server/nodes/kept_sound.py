"""Where the sound of tracks is kept: in the data folder of the node that recorded it, and in the bucket, where there is
one. A track goes on, and is heard, on any node: what is not here is fetched from there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Self

import structlog

from media.recorder import DiskWriter, TrackRecorder
from protocol.errors import EarshotError, StoreUnavailable
from server.blobs import Blobs
from server.locks import Locks
from server.nodes.copies import Copies
from server.nodes.duties import Duties
from server.nodes.folder_id import folder_id
from server.nodes.kept_pictures import KeptPictures
from server.nodes.leftovers import Leftovers
from server.nodes.shipping import Shipment, Shipping
from server.nodes.sound_pieces import folder_of, key_of
from server.recordings import Recordings
from server.rounds import repeat
from server.settings import Settings
from server.store.records import Track
from server.store.store import Store

log = structlog.get_logger(__name__)

ROUND_S = 3600.0


class KeptSound:
    """After ``start`` you must ``stop``, and not before every recorder that ``open`` gave is closed."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        disk: DiskWriter,
        bucket: Blobs | None,
        folder: str,
        is_ours: Callable[[], bool],
        node_id: Callable[[], str],
    ) -> None:
        self.recordings = Recordings(settings.recordings_dir)
        self.pictures = KeptPictures(settings, store, bucket, folder, node_id)
        self._store = store
        self._disk = disk
        self._folder = folder
        self._bucket = bucket
        # Whichever node goes on with a track has its sound.
        self.is_for_all = bucket is not None or settings.database.startswith("sqlite")
        self._locks = Locks()  # by track
        self._task: asyncio.Task[None] | None = None
        if bucket is not None:
            self._shipping = Shipping(bucket, interval_s=settings.record_remote_interval_s, is_ours=is_ours)
            copies = settings.data_dir / "copies"
            self._copies = Copies(copies, settings.recordings_dir, bucket, self.recordings.let_go)
            self._leftovers = Leftovers(store, bucket, settings.recordings_dir, folder, is_going=self.pictures.is_going)

    @classmethod
    async def start(
        cls,
        settings: Settings,
        store: Store,
        disk: DiskWriter,
        blobs: Blobs,
        duties: Duties,
        *,
        is_ours: Callable[[], bool] = lambda: True,
    ) -> Self:
        """``is_ours``: as for ``Shipping``. Raises ``OSError``."""
        folder = await asyncio.to_thread(folder_id, settings.data_dir)
        bucket = None if blobs.is_embedded else blobs
        sound = cls(settings, store, disk, bucket, folder, is_ours, lambda: duties.node_id)
        if sound._bucket is not None:
            sound._shipping.start()
            sound.pictures.start()
            sound._leftovers.start(duties)
            sweep = repeat(sound.delete_unused, every_s=ROUND_S, name="copies of sound")
            sound._task = asyncio.create_task(sweep, name="copies of sound")
        return sound

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await self._leftovers.stop()
            await self.pictures.stop()
            await self._shipping.stop()

    async def open(self, track: Track, *, held_by: str | None = None) -> TrackRecorder:
        """Go on with the track's file, in this folder from now on, after what there is of it anywhere. ``held_by``: the
        node that must hold its transcript: what another records meanwhile must not be taken back.

        Raises ``NotFound``, ``HeldElsewhere``, and ``StoreUnavailable``, also where what there is cannot be had.
        """
        async with self._locks.of(track.id):
            track = await self._store.get_track(track.id)
            path = self.recordings.path_of(track)
            take = partial(self._store.kept.take, track.id, self._folder, held_by=held_by)
            if self._bucket is None:
                self._check_here(track)
                await take()
                return await TrackRecorder.open(path, self._disk)
            if await self._is_here(track):
                # Else the bucket says how much it has.
                begin_bytes = None if await asyncio.to_thread(path.exists) else 0
                turn = await take()
            else:
                begin_bytes, turn = await self._take_over(self._bucket, track, take)
            shipment = Shipment(self._shipping, track.path, path, turn, begin_bytes=begin_bytes)
            return await TrackRecorder.open(path, self._disk, shipment)

    async def _take_over(
        self, bucket: Blobs, track: Track, take: Callable[[], Awaitable[int]]
    ) -> tuple[int | None, int]:
        """All that there is of it is here then. Returns how many bytes the bucket has, if that is known, and the
        new turn of the track."""
        async with self._copies.alone(track.id, track.path):
            track = await self._store.get_track(track.id)
            if await self._is_here(track):  # another process of this folder has taken it over
                return None, await take()
            begin_bytes = await self._copies.refresh(track, at_once=True)
            turn = await take()
            # From here on whoever had it before changes nothing, whatever it still sends.
            await bucket.put(key_of(track.path, begin_bytes, turn), b"")
            await self._copies.forget(track.id)
        return begin_bytes, turn

    async def fetch(self, track: Track) -> None:
        """Make its file here as whole as it can be had; for readers, before they look at it.

        Raises ``StoreUnavailable``, ``DiskFull``, and ``NotFound`` for a track that is no more.
        """
        if await self._is_here(track):
            return
        self._check_here(track)
        async with self._locks.of(track.id), self._copies.alone(track.id, track.path):
            track = await self._store.get_track(track.id)
            if not await self._is_here(track):
                await self._copies.refresh(track)

    async def has_upload(self, track: Track) -> bool:
        """Whether the file that it is heard from is here, from wherever. Raises ``StoreUnavailable``, ``DiskFull``."""
        path = self.recordings.path_of(track).with_suffix(".upload")
        if not await asyncio.to_thread(path.exists) and self._bucket is not None:
            async with self._locks.of(track.id), self._copies.alone(track.id, track.path):
                await self._copies.upload(track)
        return await asyncio.to_thread(path.exists)

    async def uploaded(self, track: Track) -> None:
        """The file that it is heard from is here now; waits for the bucket as long as the end of a track does."""
        if self._bucket is not None:
            await self._shipping.upload(track.path)

    def is_within_reach(self, track: Track) -> bool:
        """Whether it is here, or can be fetched from the bucket."""
        return self._bucket is not None or track.kept_in in (None, self._folder)

    def is_far(self, track: Track) -> bool:
        """Whether it would have to be fetched from the bucket, and can be."""
        return self._bucket is not None and track.kept_in not in (None, self._folder)

    async def remove(self, path: str) -> None:
        """Of a track, by its ``path``, or of a transcript with its pictures, by its id: what the store noted as gone is
        removed from the bucket; now, or where that cannot be, later."""
        try:
            if self._bucket is None:
                await self._store.kept.forget_gone(path)
            else:
                await self._shipping.drop(path)
                await self.pictures.drop(path)
                await self._bucket.delete_prefix(folder_of(path))
        except EarshotError as error:
            log.warning("sound is still to be removed from the bucket", code=error.code)

    async def delete_unused(self) -> int:
        """Copies of what others recorded that nobody asked for lately; how many there were."""
        count = await self._copies.delete_unused(self._store.kept, self._folder, self._locks)
        return count + await self.pictures.delete_unused()

    async def _is_here(self, track: Track) -> bool:
        if track.kept_in is None:
            return True
        path = self.recordings.path_of(track)
        return track.kept_in == self._folder and await asyncio.to_thread(path.exists)

    def _check_here(self, track: Track) -> None:
        if not self.is_within_reach(track):
            raise StoreUnavailable(
                "this sound is in the data folder of another node: ask that node, or set blobs_url to one bucket on "
                "all nodes, so that each of them has it",
                details={"kept_in": track.kept_in},
            )
