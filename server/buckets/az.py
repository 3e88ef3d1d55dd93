"""Containers of Azure Blob Storage."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from obstore.store import AzureStore

from protocol.errors import BadInput
from server.buckets.bucket import Bucket, client_options, retry_config
from server.buckets.options import AzureOptions, Patience
from server.buckets.places import Place

if TYPE_CHECKING:
    from obstore.store import AzureConfig

ACCOUNT_VARIABLE = "AZURE_STORAGE_ACCOUNT_NAME"
PUT_HEADERS = {"x-ms-blob-type": "BlockBlob"}  # without it Azure answers 400


def az_bucket(place: Place, options: AzureOptions, patience: Patience) -> Bucket:
    """Raises ``BadInput`` for settings that do not go together, and obstore's errors."""
    account = options.account or os.environ.get(ACCOUNT_VARIABLE, "")
    if not account:
        raise BadInput(f"a container is of a storage account: set az_account, or {ACCOUNT_VARIABLE}")
    if options.access_key and options.sas_token:
        raise BadInput("a storage account is asked with its key or with a shared access signature: set one of the two")
    if options.endpoint and not _names(options.endpoint, account):
        raise BadInput("az_endpoint has the account in its host or as its path, such as http://azurite:10000/account")
    config: AzureConfig = {"account_name": account}
    if options.endpoint:
        config["endpoint"] = options.endpoint
    if options.access_key:
        config["account_key"] = options.access_key
        config["credential_type"] = "access_key"  # whatever else the environment has
    elif options.sas_token:
        config["sas_key"] = options.sas_token.removeprefix("?")
        config["credential_type"] = "sas_token"
    store = AzureStore(
        place.bucket,
        prefix=place.prefix or None,
        config=config,
        client_options=client_options(options.endpoint, patience),
        retry_config=retry_config(patience),
    )
    return Bucket(place, store, store, options.public_endpoint, PUT_HEADERS, takes_plain_put=False)


def _names(endpoint: str, account: str) -> bool:
    parts = urlsplit(endpoint)
    return account in (parts.hostname or "").split(".") or parts.path == f"/{account}"
