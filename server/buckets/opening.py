"""Opening the bucket that a setting names."""

from __future__ import annotations

import structlog
from obstore.exceptions import BaseError

from protocol.errors import BadInput
from server.buckets.az import az_bucket
from server.buckets.bucket import Bucket
from server.buckets.gs import gs_bucket
from server.buckets.options import AzureOptions, BucketOptions, GSOptions, Patience, S3Options
from server.buckets.places import place_of
from server.buckets.s3 import s3_bucket

log = structlog.get_logger(__name__)


def open_bucket(url: str, options: BucketOptions | None, patience: Patience) -> Bucket:
    """Nothing is asked of the storage yet; blocking, where files have the credentials. Raises ``BadInput`` for a place
    that cannot be, and for options that cannot, or that are of another kind of storage."""
    place = place_of(url)
    try:
        match place.kind, options:
            case "s3", S3Options() | None:
                return s3_bucket(place, options or S3Options(), patience)
            case "gs", GSOptions() | None:
                return gs_bucket(place, options or GSOptions(), patience)
            case "az", AzureOptions() | None:
                return az_bucket(place, options or AzureOptions(), patience)
    except (BaseError, ValueError, OSError) as error:
        log.error("blobs unavailable", error=type(error).__name__)
        raise BadInput("this bucket cannot be: see its endpoint and its keys") from None
    raise BadInput("these are options of another kind of storage")
