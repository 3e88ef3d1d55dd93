"""Settings of buckets: what goes together, and what is not shown."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from server.buckets.options import AzureOptions, GSOptions, S3Options
from tests.fakes.node import node_settings


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"blobs_url": "bucket"}, "a bucket is s3://bucket, gs://bucket or az://container"),
        ({"blobs_url": "s3://B"}, "a bucket is"),
        ({"blobs_url": "https://host/bucket"}, "a bucket is"),
        ({"blobs_url": "az://a.b"}, "a bucket is"),
        ({"s3_endpoint": "host"}, "s3_endpoint"),
        ({"s3_endpoint": "https://host/path"}, "s3_endpoint"),
        ({"gs_endpoint": "https://host/path"}, "gs_endpoint"),
        ({"az_endpoint": "https://host/path/more"}, "az_endpoint"),
        ({"az_account": "A"}, "az_account"),
        ({"s3_access_key_id": "one"}, "set together, or neither is"),
        ({"s3_secret_access_key": "other"}, "set together, or neither is"),
        ({"gs_service_account_path": "x", "gs_service_account_key": "{}"}, "not both"),
        ({"az_access_key": "no base64!"}, "no key of a storage account"),
        ({"az_access_key": "aGk=", "az_sas_token": "sv=1"}, "not both"),
        ({"az_sas_token": "sv=1", "blobs_uploads_to": "bucket"}, "no addresses can be signed"),
    ],
)
def test_settings_that_cannot_be(tmp_path: Path, wrong: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        node_settings(tmp_path, **wrong)


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    hush = "aHVzaA=="
    every: tuple[dict[str, Any], ...] = (
        {"blobs_url": "s3://sound", "s3_access_key_id": "id", "s3_secret_access_key": hush},
        {"blobs_url": "gs://sound", "gs_service_account_key": hush},
        {"blobs_url": "az://sound", "az_access_key": hush},
        {"blobs_url": "az://sound", "az_sas_token": hush},
    )
    for given, kind in zip(every, (S3Options, GSOptions, AzureOptions, AzureOptions), strict=True):
        settings = node_settings(tmp_path, **given)
        assert isinstance(settings.bucket, kind)
        assert hush not in repr(settings) + repr(settings.bucket)
        assert settings.bucket is not None
        assert hush in dataclasses.astuple(settings.bucket)
    assert node_settings(tmp_path).bucket is None
