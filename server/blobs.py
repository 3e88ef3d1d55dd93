"""Kept files by key. A key is a path of plain names; where the bytes lie is this module's business."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable
from pathlib import Path
from typing import Self, TypeVar

import obstore
import structlog
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, ObjectStore

from protocol.errors import BadInput, NotFound, StoreUnavailable

log = structlog.get_logger(__name__)

# Letters, digits, "-", "_" and, not at the start, "."; so no key leaves the folder or hides in it.
KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}){0,7}")

T = TypeVar("T")


class Blobs:
    """Puts, reads and deletes whole blobs; a blob that can be read was put completely.

    Raises ``NotFound`` for unknown keys, ``BadInput`` for keys or ranges that cannot be, ``StoreUnavailable`` when the
    place fails.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @classmethod
    async def local(cls, folder: Path) -> Self:
        """Blobs in ``folder``, which is made."""
        try:
            return cls(await asyncio.to_thread(LocalStore, folder, mkdir=True))
        except (BaseError, OSError) as error:
            raise _unavailable(error) from None

    async def put(self, key: str, data: bytes) -> None:
        """Store ``data`` under ``key``; what was there is replaced at once or not at all."""
        await self._do(key, obstore.put_async(self._store, _checked(key), data))

    async def get(self, key: str) -> bytes:
        found = await self._do(key, obstore.get_async(self._store, _checked(key)))
        return bytes(await self._do(key, found.bytes_async()))

    async def range(self, key: str, start_byte: int, end_byte: int) -> bytes:
        """Bytes ``start_byte`` up to, not including, ``end_byte``; fewer where the blob ends before."""
        size_bytes = await self.size_bytes(key)
        if not 0 <= start_byte <= end_byte or start_byte > size_bytes:
            raise BadInput("the range is outside the blob", details={"size_bytes": size_bytes})
        end_byte = min(end_byte, size_bytes)
        if start_byte == end_byte:
            return b""
        return bytes(
            await self._do(key, obstore.get_range_async(self._store, _checked(key), start=start_byte, end=end_byte))
        )

    async def size_bytes(self, key: str) -> int:
        found = await self._do(key, obstore.head_async(self._store, _checked(key)))
        return int(found["size"])

    async def delete(self, key: str) -> None:
        """Unknown keys are no error: the wish is fulfilled."""
        with contextlib.suppress(NotFound):
            await self._do(key, obstore.delete_async(self._store, _checked(key)))

    @staticmethod
    async def _do(key: str, call: Awaitable[T]) -> T:
        try:
            return await call
        except (NotFoundError, FileNotFoundError):
            raise NotFound("no such blob", details={"key": key}) from None
        except (BaseError, OSError) as error:
            raise _unavailable(error) from None


def _checked(key: str) -> str:
    if KEY.fullmatch(key) is None:
        raise BadInput("a blob's key is a path of plain names")
    return key


def _unavailable(error: Exception) -> StoreUnavailable:
    log.error("blobs unavailable", error=type(error).__name__)
    return StoreUnavailable("files cannot be stored or read now; try again", retry_after_s=1.0)
