"""Buckets of Google Cloud Storage, by its XML API."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from obstore.store import GCSStore

from protocol.errors import BadInput
from server.buckets.bucket import Bucket, client_options, retry_config
from server.buckets.options import GSOptions, Patience
from server.buckets.places import Place

if TYPE_CHECKING:
    from obstore.store import GCSConfig

GOOGLES = "https://storage.googleapis.com"
ACCOUNT_MAX_BYTES = 64 * 1024
ACCOUNT_HAS = ("client_email", "private_key")
FILE_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"


def gs_bucket(place: Place, options: GSOptions, patience: Patience) -> Bucket:
    """Blocking: files are read. Raises ``BadInput`` for a service account that is none, and obstore's errors."""
    config: GCSConfig = {}
    if options.endpoint:
        config["base_url"] = options.endpoint
    if options.service_account_path and options.service_account_key:
        raise BadInput("a service account is given by its file or by what is in it: set one of the two")
    if options.service_account_path:
        config["service_account"] = options.service_account_path
        _check_account(_read(options.service_account_path), f"the file {options.service_account_path}")
    elif options.service_account_key:
        config["service_account_key"] = options.service_account_key
        _check_account(options.service_account_key, "gs_service_account_key")
    elif path := os.environ.get(FILE_VARIABLE):
        _check_login(_read(path))
    store = GCSStore(
        place.bucket,
        prefix=place.prefix or None,
        config=config,
        client_options=client_options(options.endpoint, patience),
        retry_config=retry_config(patience),
    )
    # Addresses are signed for Google's own name, so those of another endpoint are good for nobody.
    is_googles = options.endpoint in ("", GOOGLES) or bool(options.public_endpoint)
    return Bucket(place, store, store, options.public_endpoint, takes_plain_put=is_googles)


def _check_login(text: str) -> None:
    kind = _object(text).get("type")
    if kind not in ("service_account", "authorized_user"):
        raise BadInput(f"{FILE_VARIABLE} names the file of a service account or of a login by gcloud, of no other kind")


def _read(path: str) -> str:
    try:
        with Path(path).open(encoding="utf-8") as file:
            return file.read(ACCOUNT_MAX_BYTES)
    except (OSError, ValueError) as error:
        raise BadInput(f"the file {path}, which says who asks, cannot be read ({type(error).__name__})") from None


def _check_account(text: str, where: str) -> None:
    account = _object(text)
    if not all(isinstance(account.get(name), str) for name in ACCOUNT_HAS):
        raise BadInput(f"{where} has no key of a service account: make one as JSON, and give it unchanged")


def _object(text: str) -> dict[str, object]:
    """Of JSON; empty for what is none."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
