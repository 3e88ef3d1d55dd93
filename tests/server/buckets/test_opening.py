"""Which places and credentials can be, and what is told of those that cannot."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from protocol.errors import BadInput
from server.blobs import Blobs
from server.buckets.options import AzureOptions, BucketOptions, GSOptions, S3Options
from tests.fakes.buckets import no_other_bucket
from tests.fakes.gcs import service_account

KEY = base64.b64encode(b"k" * 64).decode()


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    no_other_bucket(monkeypatch)


PLACES_THAT_CANNOT_BE = [
    *("s3://", "s3://B", "s3://ab/x", "s3://sound/../x", "s3://sound/x?y=1", "https://sound/x", "file:///x"),
    *("gs://", "gs://B", "gs://sound/", "gs://sound//x", "az://a_b", "az://a.b", "az://sound/x#y", "az://-ab"),
]


@pytest.mark.parametrize("place", PLACES_THAT_CANNOT_BE)
async def test_places_that_cannot_be(place: str) -> None:
    with pytest.raises(BadInput, match="a bucket is s3://bucket, gs://bucket or az://container"):
        await Blobs.open(place)


@pytest.mark.parametrize(
    ("place", "options", "told"),
    [
        ("s3://sound", S3Options(access_key_id="a"), "or neither"),
        ("s3://sound", S3Options(secret_access_key="a"), "or neither"),
        ("s3://sound", GSOptions(), "another kind"),
        (
            "gs://sound",
            GSOptions(service_account_path="/no/such/file"),
            "the file /no/such/file, which says .* cannot be read",
        ),
        ("gs://sound", GSOptions(service_account_key="{}"), "gs_service_account_key has no key of a service account"),
        ("gs://sound", GSOptions(service_account_key="no JSON"), "has no key of a service account"),
        ("gs://sound", GSOptions(service_account_key="{}", service_account_path="x"), "set one of the two"),
        ("az://sound", AzureOptions(access_key=KEY), "set az_account, or AZURE_STORAGE_ACCOUNT_NAME"),
        ("az://sound", AzureOptions("ours", access_key=KEY, sas_token="sv=1"), "set one of the two"),
        ("az://sound", AzureOptions("ours", "http://azurite:10000", access_key=KEY), "in its host or as its path"),
        ("az://sound", AzureOptions("ours", "http://a:1/other", access_key=KEY), "in its host or as its path"),
        ("az://sound", AzureOptions("ours", access_key="no base64"), "see its endpoint and its keys"),
    ],
)
async def test_options_that_cannot_be(place: str, options: BucketOptions, told: str) -> None:
    with pytest.raises(BadInput, match=told) as refused:
        await Blobs.open(place, options)
    assert KEY not in refused.value.message


@pytest.mark.parametrize("endpoint", ["", "https://ours.blob.core.windows.net", "http://127.0.0.1:10000/ours"])
async def test_addresses_of_azure(endpoint: str) -> None:
    blobs = await Blobs.open("az://sound/of", AzureOptions("ours", endpoint, access_key=KEY))
    url = await blobs.presigned_put("r/1", expires_s=60)
    assert url.startswith(f"{endpoint or 'https://ours.blob.core.windows.net'}/sound/of/r/1?")
    assert (dict(blobs.put_headers), blobs.takes_plain_put) == ({"x-ms-blob-type": "BlockBlob"}, False)


async def test_the_environment_names_accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "theirs")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", KEY)
    url = await (await Blobs.open("az://sound")).presigned_put("r", expires_s=60)
    assert url.startswith("https://theirs.blob.core.windows.net/sound/r?")
    file = tmp_path / "account.json"
    file.write_text(service_account())
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    blobs = await Blobs.open("gs://sound")
    url = await blobs.presigned_put("r", expires_s=60)
    assert url.startswith("https://storage.googleapis.com/sound/r?X-Goog-")
    assert blobs.takes_plain_put
    for text, told in (('{"type": "external_account"}', "of no other kind"), ("no JSON", "of no other kind")):
        file.write_text(text)
        with pytest.raises(BadInput, match=told):
            await Blobs.open("gs://sound")
    file.unlink()
    with pytest.raises(BadInput, match="which says who asks, cannot be read"):
        await Blobs.open("gs://sound")


@pytest.mark.parametrize(
    ("endpoint", "public_endpoint", "is_plain"),
    [
        ("https://storage.googleapis.com", "", True),
        ("http://gcs.lan:4443", "", False),
        ("http://gcs.lan:4443", "https://files.example", True),
    ],
)
async def test_addresses_of_google_are_good_for_its_own_name(
    endpoint: str, public_endpoint: str, is_plain: bool
) -> None:
    options = GSOptions(endpoint, public_endpoint, service_account_key=service_account())
    blobs = await Blobs.open("gs://sound", options)
    assert blobs.takes_plain_put is is_plain
    assert (await blobs.presigned_put("r", expires_s=60)).startswith(f"{public_endpoint or endpoint}/sound/r?")
