"""Where clients put bytes without an account: an address of ours, which is signed, or one of a bucket."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Literal

from protocol.errors import NotFound, StoreUnavailable
from server.admission import admit_sound
from server.blob_urls import BlobUrls
from server.blobs import Blobs
from server.settings import Settings
from server.store.conversation_records import BLOBS

CHECK_S = 5.0  # recorders wait for some 8 s


@dataclass(frozen=True, slots=True)
class Target:
    """``url``: what is put goes there; a path of ours, or an address of a bucket. ``headers``: of the ``PUT``.
    ``fields``: of a form that is posted there instead, before its ``file``; empty where no form is taken, as by a
    bucket."""

    url: str
    headers: dict[str, str]
    fields: dict[str, str] = field(default_factory=dict)

    def address(self, base_url: str) -> str:
        """As clients ask for it, who know us by ``base_url``."""
        return self.url if "://" in self.url else base_url.rstrip("/") + self.url


UploadsTo = Literal["auto", "bucket", "server"]


def come_to_us(blobs: Blobs, uploads_to: UploadsTo) -> bool:
    """Whether clients put to this server, which takes it to where blobs lie."""
    if blobs.is_embedded or uploads_to == "server":
        return True
    return uploads_to == "auto" and not blobs.takes_plain_put


class UploadTargets:
    """Signs them, and says whether there is a place at all.

    ``are_ours``: they are addresses of this server, wherever blobs lie, so it knows what is put before it keeps it.
    """

    def __init__(self, blobs: Blobs, blob_urls: BlobUrls, uploads_to: UploadsTo = "auto") -> None:
        self._blobs = blobs
        self._blob_urls = blob_urls
        self.are_ours = come_to_us(blobs, uploads_to)
        self._origin: str | None = "" if self.are_ours else None  # not known yet

    async def check(self, settings: Settings) -> None:
        """Raises ``Overloaded``, ``StoreUnavailable`` where nothing can be kept just now."""
        if self.are_ours:
            admit_sound(settings)  # on its way to a bucket it lies on our disk
        if self._blobs.is_embedded:
            return
        try:
            async with asyncio.timeout(CHECK_S):
                await self._blobs.size_bytes(f"{BLOBS}/none")
        except NotFound:
            pass  # it answers
        except TimeoutError:
            raise StoreUnavailable("the place of chunks does not answer; try again", retry_after_s=5.0) from None

    async def origin(self) -> str:
        """Of the bucket, such as ``https://bucket.example``; empty where chunks are put to this server, or while nobody
        can sign for the bucket."""
        if self._origin is None:
            try:
                url = await self._blobs.presigned_put(f"{BLOBS}/none", expires_s=1)
            except StoreUnavailable:
                return ""
            scheme, _, rest = url.partition("://")
            self._origin = f"{scheme}://{rest.partition('/')[0]}"
        return self._origin

    async def of(self, key: str, *, content_type: str, length_max_bytes: int, expires_s: int) -> Target:
        """For one blob, for a while. Raises ``BadInput`` for a content type that cannot be, ``StoreUnavailable``.

        A bucket binds neither length nor type: whoever takes what was put looks at it.
        """
        headers = {"Content-Type": content_type}
        if not self.are_ours:
            url = await self._blobs.presigned_put(key, expires_s=expires_s)
            return Target(url, {**headers, **self._blobs.put_headers})
        urls = self._blob_urls
        url = urls.put_url(key, content_type=content_type, length_max_bytes=length_max_bytes, expires_s=expires_s)
        fields = urls.form_fields(
            key, content_type=content_type, length_max_bytes=length_max_bytes, expires_s=expires_s
        )
        return Target(url, headers, fields)
