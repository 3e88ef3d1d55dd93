"""What is recorded now, sound of tracks or pictures of meetings, on its way to the bucket, piece by piece.

One task looks who is due, and a few pieces go at a time. While the bucket is away all of it stays where it is, in
files, and what is acknowledged to clients waits. So it does while another node may have begun to go on with a track:
what is sent after that is cut off.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog

from protocol.errors import EarshotError
from server.blobs import Blobs, Listed
from server.nodes.sound_pieces import folder_of, good_pieces, key_of, upload_key

log = structlog.get_logger(__name__)

AT_ONCE = 8
PIECE_BYTES = 4 << 20  # two minutes of samples: with ``AT_ONCE``, how much of it is in memory
LOOK_S = 0.5
RETRY_S = 2.0
END_S = 5.0
"""So long the end of a track, or who uploads a file, waits for the bucket; then the rest goes later."""
MARKS_MAX = 1000  # ends of syncs that are remembered; of older ones it is told a little later


class Shipment:
    """One track's file on its way: what its recorder calls (``media.recorder.Elsewhere``), and what is known."""

    def __init__(self, shipping: Shipping, path: str, file: Path, turn: int, *, begin_bytes: int | None) -> None:
        self._shipping = shipping
        self.path = path  # as ``Track.path``
        self.file = file
        self.turn = turn
        self.sent_bytes = begin_bytes  # None: it must be looked up in the bucket
        self.has_upload = False  # which must be there as well, before the next piece
        self.synced_bytes = 0
        self.trying_bytes: int | None = None  # the end of a piece of which nobody knows whether it arrived
        self.due_s = 0.0  # on the loop's clock
        self.is_ending = False
        self.put: asyncio.Task[None] | None = None  # what is going just now
        self.changed = asyncio.Event()  # it is a little further
        self._begin_bytes = 0
        self._marks: deque[tuple[int, int]] = deque(maxlen=MARKS_MAX)  # ends of syncs: samples and bytes
        self._reached: Callable[[int], None] = lambda samples: None

    def begin(self, end_samples: int, end_bytes: int, reached: Callable[[int], None]) -> None:
        self._reached = reached
        self._begin_bytes = end_bytes
        if self.sent_bytes is not None:
            self.sent_bytes = min(self.sent_bytes, end_bytes)
        self._shipping.add(self)
        self.synced(end_samples, end_bytes)

    def synced(self, end_samples: int, end_bytes: int) -> None:
        self.synced_bytes = end_bytes
        self._marks.append((end_samples, end_bytes))
        self.tell()

    async def end(self) -> None:
        await self._shipping.end(self)

    def let_go(self) -> None:
        self._shipping.let_go(self)

    @property
    def waits(self) -> bool:
        """Something of it is not in the bucket, as far as is known."""
        return self.has_upload or self.sent_bytes is None or self.sent_bytes < self.synced_bytes

    @property
    def is_untold(self) -> bool:
        return bool(self._marks) and self.sent_bytes is not None and self._marks[0][1] <= self.sent_bytes

    def is_due(self, now_s: float) -> bool:
        if self.put is not None or not self.waits:
            return False
        is_much = self.sent_bytes is not None and self.synced_bytes - self.sent_bytes >= PIECE_BYTES
        return self.is_ending or self.has_upload or is_much or now_s >= self.due_s

    def found(self, end_bytes: int) -> None:
        """In the bucket its sound ends there. What a cut took off the file's end goes as well."""
        self.sent_bytes = min(end_bytes, self._begin_bytes)

    def tell(self) -> None:
        """How far all of it has arrived; nothing while another node may go on with it: it may have looked before."""
        if not self._shipping.is_ours():
            return
        samples = None
        while self.is_untold:
            samples = self._marks.popleft()[0]
        if samples is not None:
            self._reached(samples)
        self.changed.set()


class Shipping:
    """All shipments of this process of one kind. After ``start`` you must ``stop``. ``is_ours``: whether no other node
    can have begun to go on with what is recorded here. ``what`` they are of is for the log."""

    def __init__(
        self,
        blobs: Blobs,
        *,
        interval_s: float,
        is_ours: Callable[[], bool] = lambda: True,
        at_once: int = AT_ONCE,
        what: str = "sound",
    ) -> None:
        self._blobs = blobs
        self._at_once = at_once
        self._what = what
        self._interval_s = interval_s
        self.is_ours = is_ours
        self._shipments: set[Shipment] = set()
        self._puts: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_away = False
        self._resumes_s = 0.0  # when the bucket is tried again after it failed

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"ship {self._what}")

    async def stop(self) -> None:
        tasks = [each for each in (self._task, *self._puts) if each is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def add(self, shipment: Shipment) -> None:
        shipment.due_s = asyncio.get_running_loop().time() + self._interval_s
        self._shipments.add(shipment)

    def let_go(self, shipment: Shipment) -> None:
        """Send the rest at once, or when the bucket is back; nobody waits for it. Who cannot wait any longer for it all
        the same says ``end``."""
        shipment.is_ending = True
        if not shipment.waits:
            self._shipments.discard(shipment)
        self._woken.set()

    def has(self, path: str) -> bool:
        """Whether something of it is still to be sent, or may come."""
        return any(each.path == path for each in self._shipments)

    async def end(self, shipment: Shipment) -> None:
        """Send the rest at once. Returns when it has arrived; or after ``END_S``, and it is for ``Leftovers``."""
        shipment.is_ending = True
        try:
            await self._until(lambda: not shipment.waits, shipment)
        finally:
            self._shipments.discard(shipment)

    async def upload(self, path: str) -> None:
        """The file that a track is heard from lies beside its recording now: it goes first. Waits as ``end``."""
        shipment = next((each for each in self._shipments if each.path == path), None)
        if shipment is not None:
            shipment.has_upload = True
            await self._until(lambda: not shipment.has_upload, shipment)

    async def drop(self, path: str) -> None:
        """Send nothing more of this track, or of all tracks of this transcript: it is deleted."""
        for shipment in list(self._shipments):
            if shipment.path == path or shipment.path.startswith(f"{path}/"):
                self._shipments.discard(shipment)
                shipment.changed.set()
                if shipment.put is not None:
                    shipment.put.cancel()
                    await asyncio.wait([shipment.put])

    async def _until(self, is_sent: Callable[[], bool], shipment: Shipment) -> None:
        """Or until it is no more, or ``END_S`` are over."""
        self._woken.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                while not is_sent() and shipment in self._shipments:
                    shipment.changed.clear()
                    await shipment.changed.wait()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._woken.clear()
            now_s = loop.time()
            self._tell_late()
            for shipment in sorted(self._shipments, key=lambda each: (not each.is_ending, each.due_s)):
                if len(self._puts) >= self._at_once or now_s < self._resumes_s:
                    break
                if shipment.is_due(now_s):
                    self._send_soon(shipment)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._woken.wait()

    def _tell_late(self) -> None:
        """What was not told while it may not have been ours."""
        for shipment in self._shipments:
            if shipment.is_untold:
                shipment.tell()

    def _send_soon(self, shipment: Shipment) -> None:
        put = shipment.put = asyncio.create_task(self._send(shipment), name=f"ship {shipment.path}")
        self._puts.add(put)

        def sent(put: asyncio.Task[None]) -> None:
            self._puts.discard(put)
            shipment.put = None
            if shipment.is_ending and not shipment.waits:
                self._shipments.discard(shipment)
            shipment.changed.set()
            self._woken.set()

        put.add_done_callback(sent)

    async def _send(self, shipment: Shipment) -> None:
        loop = asyncio.get_running_loop()
        try:
            if shipment.sent_bytes is None or shipment.has_upload:
                await self._catch_up(shipment)
            else:
                await self._send_piece(shipment, shipment.sent_bytes)
        except OSError as error:
            log.error("a recording cannot be read", path=shipment.path, error=type(error).__name__)
            self._shipments.discard(shipment)
            return
        except EarshotError as error:
            self._resumes_s = loop.time() + RETRY_S
            if not self._is_away:
                self._is_away = True
                log.warning("waiting for the bucket", what=self._what, code=error.code, count=len(self._shipments))
            return
        if self._is_away:
            self._is_away = False
            log.info("the bucket is back", what=self._what)
        shipment.tell()

    async def _catch_up(self, shipment: Shipment) -> None:
        """What is not known of it, and what goes before its sound."""
        found = await listed(self._blobs, shipment.path)
        if shipment.sent_bytes is None:
            pieces = good_pieces(found)
            shipment.found(pieces[-1].end_bytes if pieces else 0)
        if shipment.has_upload:
            await send_upload(self._blobs, shipment.path, shipment.file, found)
            shipment.has_upload = False

    async def _send_piece(self, shipment: Shipment, begin_bytes: int) -> None:
        # A piece whose answer was lost may still arrive, so it is sent as it was and no other in its place.
        end_bytes = shipment.trying_bytes or min(shipment.synced_bytes, begin_bytes + PIECE_BYTES)
        shipment.trying_bytes = end_bytes
        data = await asyncio.to_thread(_read, shipment.file, begin_bytes, end_bytes)
        await self._blobs.put(key_of(shipment.path, begin_bytes, shipment.turn), data)
        shipment.sent_bytes, shipment.trying_bytes = end_bytes, None
        shipment.due_s = asyncio.get_running_loop().time() + self._interval_s


async def listed(blobs: Blobs, path: str) -> list[Listed]:
    """All that lies in the bucket of a track."""
    return [blob async for page in blobs.pages(folder_of(path)) for blob in page]


async def send_upload(blobs: Blobs, path: str, file: Path, found: list[Listed]) -> None:
    """The file that a track is heard from, unless it is in the bucket already, or is not here."""
    key = upload_key(path)
    upload = file.with_suffix(".upload")
    if all(blob.key != key for blob in found) and await asyncio.to_thread(upload.exists):
        await blobs.put_file(key, upload)


async def send_rest(blobs: Blobs, path: str, file: Path, turn: int) -> bool:
    """All of a file that grows no more, as far as it is not in the bucket; whether that was anything. Raises
    ``StoreUnavailable``, ``OSError``."""
    found = await listed(blobs, path)
    await send_upload(blobs, path, file, found)
    pieces = good_pieces(found)
    at_bytes = had_bytes = pieces[-1].end_bytes if pieces else 0
    while data := await asyncio.to_thread(_read, file, at_bytes, at_bytes + PIECE_BYTES, short=True):
        await blobs.put(key_of(path, at_bytes, turn), data)
        at_bytes += len(data)
    return at_bytes > had_bytes


def _read(file: Path, begin_bytes: int, end_bytes: int, *, short: bool = False) -> bytes:
    fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        data = os.pread(fd, end_bytes - begin_bytes, begin_bytes)
    finally:
        os.close(fd)
    if len(data) < end_bytes - begin_bytes and not short:
        raise OSError("the recording was cut while it was read")
    return data
