"""Every kind of storage that may have a bucket, on loopback."""

from __future__ import annotations

import os

import pytest

from tests.fakes.azure import AzureServer
from tests.fakes.gcs import GSServer
from tests.fakes.s3 import S3Server

KINDS = ("s3", "gs", "az")


def no_other_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the environment says where the bucket is, or who asks it."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in [name for name in os.environ if name.startswith(("AWS_", "GOOGLE_", "AZURE_"))]:
        monkeypatch.delenv(name)


def storage_of(kind: str, request: pytest.FixtureRequest) -> S3Server:
    """Not started yet. One of Azure needs Azurite, which runs for all of the session."""
    if kind == "az":
        return AzureServer(request.getfixturevalue("azurite"))
    return GSServer() if kind == "gs" else S3Server()
