"""Kept files by key. A key is a path of plain names; where the bytes lie is this module's business.

That is a folder of ours, or a bucket of another's storage (server/buckets). Into the folder we write ourselves, so that
what was put survives a power cut; a bucket promises that by its answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, Self, TypeVar

import obstore
import structlog
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, ObjectStore

from protocol.errors import BadInput, Internal, NotFound, StoreUnavailable
from server.blob_folder import move_into, new_partial, pieces_of, put_into, remove_partial, write_all
from server.buckets.bucket import Bucket
from server.buckets.opening import open_bucket
from server.buckets.options import BucketOptions, Patience
from server.files import storage_error
from server.limits import too_large

if TYPE_CHECKING:
    from obstore import ObjectMeta

log = structlog.get_logger(__name__)

# Letters, digits, "-", "_" and, not at the start, "."; so no key leaves the folder or hides in it.
KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}){0,7}")

PIECE_BYTES = 1 << 20  # of a blob that is copied
# Of a file that goes to a bucket: what is larger goes in parts, of which so many are held at a time. S3 takes 10 000
# of them, and none but the last below 5 MiB.
PART_BYTES = 8 << 20
PARTS_AT_ONCE = 2
LISTED_MAX = 1000  # as many as S3 lists, and deletes, at once
EXPIRES_MAX_S = 7 * 24 * 3600  # of what is signed for S3 and Google (Signature Version 4)

CONNECT_S = 5
SILENCE_S = 30  # of a bucket that sends or takes nothing
REQUEST_S = 3600  # of one request with all its body
RETRIES_MAX = 3
RETRYING_S = 30

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Listed:
    """``modified_at``: epoch seconds."""

    key: str
    length_bytes: int
    modified_at: float


@dataclass(frozen=True, slots=True)
class Listing:
    """Blobs by their keys; ``is_whole`` says whether there are no more."""

    blobs: tuple[Listed, ...]
    is_whole: bool


class Blobs:
    """Puts, reads and deletes whole blobs; a blob that can be read was put completely, and is durable.

    Raises ``NotFound`` for unknown keys, ``BadInput`` for keys or ranges that cannot be, ``StoreUnavailable`` when the
    place fails, as ``DiskFull`` when the folder's disk is full. In a folder, a key that begins with another and a slash
    is a ``Conflict``.
    """

    def __init__(self, store: ObjectStore, *, folder: Path | None = None, bucket: Bucket | None = None) -> None:
        self._store = store
        self._folder = folder
        self._bucket = bucket

    @classmethod
    async def open(cls, place: str | Path, options: BucketOptions | None = None) -> Self:
        """Blobs at ``place``: a folder, which is made, or ``s3://bucket``, ``gs://bucket`` or ``az://container``, each
        with a prefix or without.

        Nothing is asked of a bucket yet. Raises ``BadInput`` for a place that cannot be, or for options that cannot.
        """
        if not (isinstance(place, str) and "://" in place):
            return await cls.local(Path(place))
        patience = Patience(CONNECT_S, SILENCE_S, REQUEST_S, RETRIES_MAX, RETRYING_S)
        bucket = await asyncio.to_thread(open_bucket, place, options, patience)
        return cls(bucket.store, bucket=bucket)

    @classmethod
    async def local(cls, folder: Path) -> Self:
        """Blobs in ``folder``, which is made. What a crash left half put there is removed."""
        try:
            store = await asyncio.to_thread(LocalStore, folder, mkdir=True, automatic_cleanup=True)
            await asyncio.to_thread(remove_partial, folder)
        except (BaseError, OSError) as error:
            raise _unavailable(error) from None
        return cls(store, folder=folder)

    @property
    def is_embedded(self) -> bool:
        """Whether they lie in a folder of ours, whose addresses are ours to sign: server/blob_urls.py."""
        return self._folder is not None

    @property
    def takes_plain_put(self) -> bool:
        """Whether any client may put to a presigned address that knows nothing else; of a bucket only."""
        return self._bucket is not None and self._bucket.takes_plain_put

    @property
    def put_headers(self) -> Mapping[str, str]:
        """What a ``PUT`` to a presigned address must have besides its content type."""
        return {} if self._bucket is None else self._bucket.put_headers

    async def put(self, key: str, data: bytes) -> None:
        """Store ``data`` under ``key``; what was there is replaced at once or not at all."""
        if self._folder is not None:
            await _locally(put_into, self._folder, _checked(key), (data,))
        else:
            await self._send(key, obstore.put_async(self._store, _checked(key), data))

    async def put_file(self, key: str, path: Path) -> None:
        """As ``put``, what is in the file at ``path``, of which little is in memory at a time."""
        if self._folder is not None:
            await _locally(put_into, self._folder, _checked(key), pieces_of(path))
        else:
            sent = obstore.put_async(
                self._store, _checked(key), path, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE
            )
            await self._send(key, sent)

    async def take_file(self, key: str, path: Path) -> None:
        """As ``put_file``, and the file is gone from ``path``, where it stays when this fails.

        For a folder it must lie on the same disk, and is only renamed.
        """
        if self._folder is not None:
            await _locally(move_into, self._folder, _checked(key), path)
        else:
            await self.put_file(key, path)
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def get(self, key: str) -> bytes:
        found = await self._do(key, obstore.get_async(self._store, _checked(key)))
        return bytes(await self._do(key, found.bytes_async()))

    async def copy_to(self, key: str, path: Path, *, length_max_bytes: int | None = None) -> int:
        """Stream the blob into a file at ``path``, which is then whole or as it was before; its length in bytes.

        Raises ``TooLarge`` for more than ``length_max_bytes``, which nobody limits who puts into a bucket, and
        ``DiskFull``.
        """
        found = await self._do(key, obstore.get_async(self._store, _checked(key)))
        length_bytes = int(found.meta["size"])
        if length_max_bytes is not None and length_bytes > length_max_bytes:
            raise too_large(length_max_bytes)
        handle, partial = await _locally(new_partial, path.parent)
        try:
            with os.fdopen(handle, "wb", buffering=0) as file:
                pieces = found.stream(PIECE_BYTES)
                while (piece := await self._do(key, anext(pieces, None))) is not None:
                    await _locally(write_all, file, piece)
            await _locally(partial.replace, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        return length_bytes

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

    async def pages(self, prefix: str) -> AsyncIterator[list[Listed]]:
        """All that ``listed`` could name, however many, a page at a time."""
        stream = obstore.list(self._store, _checked(prefix), chunk_size=LISTED_MAX)
        while (found := await self._do(prefix, anext(stream, None))) is not None:
            yield [_listed(each) for each in found if _is_below(prefix, str(each["path"]))]

    async def listed(self, prefix: str, *, count_max: int = LISTED_MAX) -> Listing:
        """Blobs whose keys begin with ``prefix`` and a slash, at most ``count_max`` of them, whichever those are.

        What lies there and has no key of ours is passed over.
        """
        found: list[Listed] = []
        stream = obstore.list(self._store, _checked(prefix), chunk_size=min(count_max + 1, LISTED_MAX))
        while (chunk := await self._do(prefix, anext(stream, None))) is not None:
            for each in chunk:
                if not _is_below(prefix, str(each["path"])):
                    continue
                if len(found) == count_max:
                    return _listing(found, is_whole=False)
                found.append(_listed(each))
        return _listing(found, is_whole=True)

    async def delete(self, key: str) -> None:
        """Unknown keys are no error: the wish is fulfilled."""
        with contextlib.suppress(NotFound):
            await self._do(key, obstore.delete_async(self._store, _checked(key)))

    async def delete_prefix(self, prefix: str) -> int:
        """Delete every blob that ``listed`` could name, and say how many there were.

        What is put meanwhile may stay: first end what is allowed to put, and wait until its addresses have expired.
        """
        deleted = 0
        before: list[str] = []
        while keys := [blob.key for blob in (await self.listed(prefix, count_max=LISTED_MAX)).blobs]:
            if keys == before:  # it said that they were deleted
                raise _unavailable(BaseError())
            with contextlib.suppress(NotFound):  # somebody deletes as well: look again
                await self._do(prefix, obstore.delete_async(self._store, keys))
                deleted += len(keys)
            before = keys
        return deleted

    async def presigned_put(self, key: str, *, expires_s: int) -> str:
        """A URL that a ``PUT`` of the body with ``put_headers`` goes to, from anywhere, within ``expires_s`` seconds.

        Of a bucket only. It binds the method, the key and the time, but neither type nor length: whoever takes what was
        put looks at that (``copy_to``). Raises ``BadInput`` for a life outside of 1 to ``EXPIRES_MAX_S``.
        """
        if self._bucket is None:
            raise Internal("these blobs lie in a folder, whose addresses BlobUrls signs")
        if not 1 <= expires_s <= EXPIRES_MAX_S:
            raise BadInput("an address lives for 1 s or more, not without end", details={"max_s": EXPIRES_MAX_S})
        return await self._do(key, self._bucket.signed_put(_checked(key), expires_s=expires_s))

    async def _send(self, key: str, call: Awaitable[object]) -> None:
        try:
            await self._do(key, call)
        except NotFound:
            log.error("there is no such bucket, or no upload of several parts any more")
            raise _unavailable(BaseError()) from None

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


def _is_below(prefix: str, key: str) -> bool:
    return KEY.fullmatch(key) is not None and key.startswith(f"{prefix}/")


def _listed(found: ObjectMeta) -> Listed:
    return Listed(str(found["path"]), int(found["size"]), found["last_modified"].timestamp())


def _listing(found: list[Listed], *, is_whole: bool) -> Listing:
    return Listing(tuple(sorted(found, key=lambda each: each.key)), is_whole)


def _unavailable(error: Exception) -> StoreUnavailable:
    log.warning("blobs unavailable", error=type(error).__name__)
    return StoreUnavailable("files cannot be stored or read now; try again", retry_after_s=1.0)


async def _locally(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """With a file of ours, in a thread; its errors as ours."""
    try:
        return await asyncio.to_thread(work, *args, **kwargs)
    except OSError as error:
        log.error("blobs unavailable", error=type(error).__name__, number=error.errno)
        raise storage_error(error) from None
