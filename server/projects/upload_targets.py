"""Where clients put bytes without an account: an address of ours, which is signed, or one of a bucket."""

from __future__ import annotations

from dataclasses import dataclass, field

from server.blob_urls import BlobUrls
from server.blobs import Blobs


@dataclass(frozen=True, slots=True)
class Target:
    """``url``: what is put goes there; a path of ours, or an address of a bucket. ``fields``: of a form that is posted
    there instead, before its ``file``; empty where no form is taken, as by a bucket."""

    url: str
    fields: dict[str, str] = field(default_factory=dict)

    def address(self, base_url: str) -> str:
        """As clients ask for it, who know us by ``base_url``."""
        return self.url if "://" in self.url else base_url.rstrip("/") + self.url


class UploadTargets:
    def __init__(self, blobs: Blobs, blob_urls: BlobUrls) -> None:
        self._blobs = blobs
        self._blob_urls = blob_urls

    async def of(self, key: str, *, content_type: str, length_max_bytes: int, expires_s: int) -> Target:
        """For one blob, for a while. Raises ``BadInput`` for a content type that cannot be, ``StoreUnavailable``.

        A bucket binds neither length nor type: whoever takes what was put looks at it.
        """
        if not self._blobs.is_embedded:
            return Target(await self._blobs.presigned_put(key, expires_s=expires_s))
        urls = self._blob_urls
        url = urls.put_url(key, content_type=content_type, length_max_bytes=length_max_bytes, expires_s=expires_s)
        fields = urls.form_fields(
            key, content_type=content_type, length_max_bytes=length_max_bytes, expires_s=expires_s
        )
        return Target(url, fields)
