"""Events that wait for the database, on this node's disk: they outlive the process, not only the outage.

A file that is appended to while the store is away and removed when all of it is stored. It holds what was said, as
recordings do, and is the owner's alone. What lies in it may be stored already: each event has a key by which the store
knows it, so storing all of it again does nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import structlog
from pydantic import ValidationError

from media.disk_writer import disk_error
from protocol.errors import EarshotError, StoreUnavailable
from protocol.events import BODY
from server.store.records import NewEvent
from server.store.store import Store

log = structlog.get_logger(__name__)

SUFFIX = ".events"
STORED_AT_ONCE = 100  # groups of one transaction

Group = Sequence[NewEvent]  # stored together or not at all


class Spool:
    """One node's. The file never grows beyond ``max_bytes``."""

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._length_bytes = 0
        self.is_full = False

    @property
    def is_empty(self) -> bool:
        return self._length_bytes == 0

    async def keep(self, groups: Sequence[Group]) -> int:
        """Durable when this returns: so many of them, the first ones; fewer than given only when it is full.

        Raises ``StoreUnavailable`` when the disk takes nothing.
        """
        lines: list[bytes] = []
        length_bytes = self._length_bytes
        for group in groups:
            line = _line_of(group)
            if length_bytes + len(line) > self._max_bytes:
                self.is_full = True
                break
            lines.append(line)
            length_bytes += len(line)
        if lines:
            try:
                await asyncio.to_thread(_append, self._path, self._length_bytes, b"".join(lines))
            except OSError as error:
                raise disk_error(error, "keeping events") from None
            self._length_bytes = length_bytes
        return len(lines)

    async def clear(self) -> None:
        """All of it is stored."""
        with suppress(OSError):
            await asyncio.to_thread(self._path.unlink, missing_ok=True)
        self._length_bytes, self.is_full = 0, False


async def store_left(path: Path, store: Store) -> int:
    """Store what a process left there that is no more, in order, and remove it; how many events that were.

    What cannot be stored at all is passed over, and the log says so; what is another node's by now is that node's to
    tell. Raises ``StoreUnavailable``; then all of it is still there.
    """
    groups = await asyncio.to_thread(_read, path)
    for at in range(0, len(groups), STORED_AT_ONCE):
        some = groups[at : at + STORED_AT_ONCE]
        try:
            await store.append_events([new for group in some for new in group], again=True)
        except StoreUnavailable:
            raise
        except EarshotError:
            await _store_each(some, store)
    if groups:
        log.info("events that waited for the store are stored", groups=len(groups))
    await asyncio.to_thread(path.unlink, missing_ok=True)
    return sum(map(len, groups))


async def _store_each(groups: Iterable[Group], store: Store) -> None:
    for group in groups:
        try:
            await store.append_events(group, again=True)
        except StoreUnavailable:
            raise
        except EarshotError as error:
            log.error("an event that waited cannot be stored", transcript=group[0].transcript_id, code=error.code)


def _line_of(group: Group) -> bytes:
    rows = [[new.transcript_id, new.key, new.holder, new.json] for new in group]
    text = json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()
    return b"%08x %b\n" % (zlib.crc32(text), text)


def _append(path: Path, at_bytes: int, data: bytes) -> None:
    """Behind what is known to be whole: a piece that the disk took only in part is written over."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.ftruncate(fd, at_bytes)
        while data:
            written = os.pwrite(fd, data, at_bytes)
            data, at_bytes = data[written:], at_bytes + written
        os.fsync(fd)
    finally:
        os.close(fd)
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)  # that there is such a file
    finally:
        os.close(folder)


def _read(path: Path) -> list[Group]:
    """Up to the first line that is not whole. Blocking. Raises ``StoreUnavailable`` where nobody can say what it is."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise disk_error(error, "reading events that wait") from None
    groups: list[Group] = []
    for line in data.split(b"\n")[:-1]:
        group = _group_in(line)
        if group is None:
            log.error("the end of what waited for the store is damaged", kept=len(groups))
            break
        groups.append(group)
    return groups


def _group_in(line: bytes) -> Group | None:
    digest, _, text = line.partition(b" ")
    try:
        if int(digest, 16) != zlib.crc32(text):
            return None
        rows = json.loads(text)
        return [NewEvent(id_, BODY.validate_json(body), body, key, holder) for id_, key, holder, body in rows]
    except (ValueError, TypeError, ValidationError):
        return None
