"""A bucket that was opened, and the addresses that it checks itself: whoever holds one puts a blob there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import obstore
from obstore.store import AzureStore, GCSStore, S3Store

from server.buckets.options import Patience
from server.buckets.places import Place

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

Store = S3Store | GCSStore | AzureStore


@dataclass(frozen=True, slots=True)
class Bucket:
    """``signer``: signs addresses, and may be the ``store``. ``public_endpoint``: takes the place of the signer's own,
    where that is not signed. ``put_headers``: what a ``PUT`` must have besides. ``takes_plain_put``: any client may put
    there that knows the address and nothing else.
    """

    place: Place
    store: Store
    signer: Store
    public_endpoint: str = ""
    put_headers: Mapping[str, str] = field(default_factory=dict)
    takes_plain_put: bool = True

    async def signed_put(self, key: str, *, expires_s: int) -> str:
        """Raises obstore's errors."""
        url = str(await obstore.sign_async(self.signer, "PUT", key, timedelta(seconds=expires_s)))
        if not self.public_endpoint:
            return url
        return f"{self.public_endpoint}{self.place.path_of(key)}?{urlsplit(url).query}"


def client_options(endpoint: str, patience: Patience) -> ClientConfig:
    return {
        "allow_http": endpoint.startswith("http://"),
        "connect_timeout": timedelta(seconds=patience.connect_s),
        "read_timeout": timedelta(seconds=patience.silence_s),
        "timeout": timedelta(seconds=patience.request_s),
    }


def retry_config(patience: Patience) -> RetryConfig:
    return {"max_retries": patience.retries_max, "retry_timeout": timedelta(seconds=patience.retrying_s)}
