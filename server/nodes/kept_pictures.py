"""Where pictures of meetings are kept: in the data folder of the node that recorded them, and in the bucket, where
there is one. They go there as sound does, piece by piece, and are fetched from there.

A part goes on in the folder that it began in, and in no other: a camera that comes back at another node begins a new
one. So nothing has to be fetched while a meeting goes on, and what a killed node had and the bucket had not still comes
there when that node starts again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from media import picture_file
from protocol.errors import StoreUnavailable
from server.admission import admit_sound
from server.blobs import Blobs
from server.locks import Locks
from server.nodes.copies import Copies
from server.nodes.picture_tails import PictureTails
from server.nodes.shipping import Shipment, Shipping
from server.settings import Settings
from server.store.changes import check_takes_sound
from server.store.meeting_part_store import MeetingPart
from server.store.store import Store

AT_ONCE = 2  # pieces on their way: sound goes beside them


class KeptPictures:
    """After ``start`` you must ``stop``; without a bucket both are left out. ``folder``: the id of the data folder;
    ``node_id`` gives this node's."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        bucket: Blobs | None,
        folder: str,
        node_id: Callable[[], str],
    ) -> None:
        self._settings = settings
        self._store = store
        self._rows = store.kept.pictures
        self._bucket = bucket
        self._folder = folder
        self._node_id = node_id
        self._locks = Locks()  # by part
        if bucket is not None:
            interval_s = settings.record_remote_interval_s
            self._shipping = Shipping(bucket, interval_s=interval_s, at_once=AT_ONCE, what="pictures")
            self._copies = Copies(settings.data_dir / "copies-of-pictures", settings.recordings_dir, bucket)
            self._tails = PictureTails(bucket)

    def start(self) -> None:
        self._shipping.start()

    async def stop(self) -> None:
        await self._shipping.stop()

    # For who records.

    async def check(self, transcript_id: str) -> None:
        """Before the first part of a connection: what goes to the bucket may stay there. Raises ``Conflict`` where none
        may be kept, ``NotFound``, ``StoreUnavailable``."""
        if self._bucket is not None:
            check_takes_sound(await self._store.get_transcript(transcript_id))

    def begin(self, part: MeetingPart) -> tuple[MeetingPart, Shipment | None]:
        """A new one, as it is to be stored: its file, which is empty as yet, grows here."""
        if self._bucket is None:
            return part, None
        part = replace(part, kept_in=self._folder, kept_by=self._node_id(), kept_turn=1)
        return part, self._shipment(part, 0, begin_bytes=0)

    def is_ours(self, part: MeetingPart) -> bool:
        """Whether its file may grow here; what is here of another is a copy."""
        return part.kept_in in (None, self._folder)

    async def go_on(self, part: MeetingPart, length_bytes: int) -> Shipment | None:
        """Its file, which is so long, grows here again. Raises ``NotFound``, ``StoreUnavailable``."""
        if self._bucket is None:
            return None
        turn = await self._rows.take(part.id, self._folder, node_id=self._node_id())
        return self._shipment(replace(part, kept_turn=turn), length_bytes, begin_bytes=None)

    async def grew(self, shipments: Sequence[tuple[MeetingPart, Shipment]]) -> None:
        """Nothing more comes into these files by these. A process of this folder that stood still for longer than its
        lease had no say while another one sent what there was. Raises ``StoreUnavailable``."""
        await self._rows.grew([(part.id, shipment.turn) for part, shipment in shipments])

    def is_going(self, path: str) -> bool:
        """Whether it grows here, or is on its way to the bucket."""
        return self._shipping.has(path)

    async def drop(self, path: str) -> None:
        """As ``Shipping.drop``."""
        await self._shipping.drop(path)

    # For readers.

    async def fetch(self, part: MeetingPart) -> None:
        """Make its file here as whole as it can be had; before anybody looks at it.

        Raises ``StoreUnavailable``, also while nothing of it has come to the bucket, ``DiskFull``, ``Overloaded``, and
        ``NotFound`` where no pictures of it may be kept.
        """
        if self._bucket is None or await self._is_here(part):
            return
        async with self._locks.of(part.id), self._copies.alone(part.id, part.path):
            part = await self._rows.get(part.id)
            if not await self._is_here(part):
                await asyncio.to_thread(admit_sound, self._settings)
                if not await self._copies.refresh(part) and not part.is_remote:
                    raise StoreUnavailable("these pictures are still at the node that recorded them: ask again later")

    async def last_ms(self, part: MeetingPart) -> int | None:
        """When its last picture came, since the recording began; None where there is none. Raises
        ``StoreUnavailable``."""
        if self._bucket is None or await self._is_here(part):
            with suppress(FileNotFoundError):
                last, _ = await asyncio.to_thread(picture_file.last, self._settings.recordings_dir / part.path)
                return None if last is None else last.at_ms
            return None
        async with self._locks.of(part.id):
            return await self._tails.last_ms(part)

    async def delete_unused(self) -> int:
        """As ``Copies.delete_unused``."""
        return await self._copies.delete_unused(self._rows, self._folder, self._locks)

    async def _is_here(self, part: MeetingPart) -> bool:
        if part.kept_in is None:
            return True
        path = self._settings.recordings_dir / part.path
        return part.kept_in == self._folder and await asyncio.to_thread(path.exists)

    def _shipment(self, part: MeetingPart, length_bytes: int, *, begin_bytes: int | None) -> Shipment:
        file = self._settings.recordings_dir / part.path
        shipment = Shipment(self._shipping, part.path, file, part.kept_turn, begin_bytes=begin_bytes)
        shipment.begin(0, length_bytes, lambda samples: None)
        return shipment
