"""Buckets of storages that speak S3: Amazon's, MinIO, Ceph and many others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obstore.store import S3Store

from protocol.errors import BadInput
from server.buckets.bucket import Bucket, client_options, retry_config
from server.buckets.options import Patience, S3Options
from server.buckets.places import Place

if TYPE_CHECKING:
    from obstore.store import S3Config


def s3_bucket(place: Place, options: S3Options, patience: Patience) -> Bucket:
    """Raises ``BadInput`` for half a credential, and obstore's errors."""
    if bool(options.access_key_id) is not bool(options.secret_access_key):
        raise BadInput("a bucket has an access key and its secret, or neither")
    store = _store(place, options, options.endpoint, patience)
    if not options.public_endpoint:
        return Bucket(place, store, store)
    # The host is signed, too.
    return Bucket(place, store, _store(place, options, options.public_endpoint, patience))


def _store(place: Place, options: S3Options, endpoint: str, patience: Patience) -> S3Store:
    config: S3Config = {"region": options.region, "virtual_hosted_style_request": options.virtual_hosted}
    if endpoint:
        config["endpoint"] = endpoint
    if options.access_key_id:
        config["access_key_id"] = options.access_key_id
        config["secret_access_key"] = options.secret_access_key
    return S3Store(
        place.bucket,
        prefix=place.prefix or None,
        config=config,
        client_options=client_options(endpoint, patience),
        retry_config=retry_config(patience),
    )
