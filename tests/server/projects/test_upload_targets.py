"""Where chunks are put, and which origin a page may send them to."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from server import blobs as blobs_module
from server.blob_urls import BlobUrls
from server.blobs import Blobs
from server.buckets.options import S3Options
from server.projects.upload_targets import UploadTargets


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An address at which nobody answers, and no credentials but what would be asked for there."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(blobs_module, "RETRIES_MAX", 0)
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))  # and nobody listens
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", url)
        yield url


async def targets(place: str | Path, options: S3Options | None = None) -> UploadTargets:
    return UploadTargets(await Blobs.open(place, options), BlobUrls(b"k" * 32))


async def test_of_a_folder_there_is_none(tmp_path: Path) -> None:
    assert await (await targets(tmp_path)).origin() == ""


async def test_of_a_bucket_it_is_where_addresses_lead(nobody: str) -> None:
    options = S3Options(endpoint=nobody, region="eu-west-9", access_key_id="KEY", secret_access_key="secret")
    assert await (await targets("s3://sound/of/earshot", options)).origin() == nobody


async def test_while_nobody_can_sign_there_is_none(nobody: str) -> None:
    """A page that could not be shown for it would tell participants nothing at all."""
    async with asyncio.timeout(60):
        assert await (await targets("s3://sound", S3Options(endpoint=nobody, region="eu-west-9"))).origin() == ""
