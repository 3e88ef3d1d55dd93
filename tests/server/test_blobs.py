"""Blobs in a folder and in a bucket: the same for whoever uses them."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import resource
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from protocol.errors import BadInput, Conflict, DiskFull, Internal, NotFound, StoreUnavailable, TooLarge
from server import blobs as blobs_module
from server.blobs import KEY, PART_BYTES, Blobs
from tests.fakes.azure import AzureServer
from tests.fakes.azurite import Azurite, container_signature
from tests.fakes.buckets import KINDS, no_other_bucket, storage_of
from tests.fakes.gcs import service_account
from tests.fakes.s3 import PAGE, S3Server


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    no_other_bucket(monkeypatch)
    with S3Server() as running:
        yield running


@pytest.fixture(params=KINDS)
def storage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """Of every kind."""
    no_other_bucket(monkeypatch)
    with storage_of(request.param, request) as running:
        yield running


@pytest.fixture
async def bucket(storage: S3Server) -> Blobs:
    return await Blobs.open(f"{storage.place}/of/earshot", storage.options())


@pytest.fixture
async def folder(tmp_path: Path) -> Blobs:
    return await Blobs.open(tmp_path / "a" / "blobs")


@pytest.fixture(params=["folder", *KINDS])
async def blobs(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Blobs]:
    if request.param == "folder":
        yield await Blobs.open(tmp_path / "a" / "blobs")
        return
    no_other_bucket(monkeypatch)
    with storage_of(request.param, request) as running:
        yield await Blobs.open(f"{running.place}/of/earshot", running.options())


async def test_what_is_put_is_got_and_replaced(blobs: Blobs) -> None:
    await blobs.put("t1/trk_1.flac", b"first")
    await blobs.put("t1/trk_1.flac", b"second!")
    assert await blobs.get("t1/trk_1.flac") == b"second!"
    assert await blobs.size_bytes("t1/trk_1.flac") == 7


async def test_it_is_there_when_the_folder_is_opened_again(tmp_path: Path) -> None:
    await (await Blobs.open(str(tmp_path / "blobs"))).put("t1/x", b"kept")
    (tmp_path / "blobs" / ".put-left-by-a-crash").write_bytes(b"half")
    again = await Blobs.open(tmp_path / "blobs")
    assert await again.get("t1/x") == b"kept"
    assert [path.name for path in (tmp_path / "blobs").iterdir()] == ["t1"]


async def test_an_empty_blob_is_a_blob(blobs: Blobs) -> None:
    await blobs.put("empty", b"")
    assert await blobs.get("empty") == b""
    assert await blobs.range("empty", 0, 10) == b""


async def test_ranges(blobs: Blobs) -> None:
    await blobs.put("x", b"0123456789")
    for start, end, data in ((0, 3, b"012"), (4, 99, b"456789"), (10, 12, b""), (5, 5, b"")):
        assert await blobs.range("x", start, end) == data
    for start, end in ((-1, 3), (4, 3), (11, 12)):
        with pytest.raises(BadInput):
            await blobs.range("x", start, end)


async def test_unknown_keys(blobs: Blobs, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for call in (blobs.get("no"), blobs.range("no", 0, 1), blobs.size_bytes("no"), blobs.copy_to("no", out)):
        with pytest.raises(NotFound):
            await call
    await blobs.put("x", b"1")
    for _ in range(2):
        await blobs.delete("x")
    with pytest.raises(NotFound):
        await blobs.get("x")
    assert not out.exists()


KEYS_THAT_CANNOT_BE = ["", "/", "/etc/passwd", "../x", "a/../b", "a//b", "a/", ".hidden", "a\x00", "ä", "a/" * 9 + "b"]


async def test_keys_that_could_leave_the_folder_are_refused(blobs: Blobs, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    for key in KEYS_THAT_CANNOT_BE:
        for call in (
            *(blobs.put(key, b"x"), blobs.put_file(key, file), blobs.take_file(key, file), blobs.copy_to(key, file)),
            *(blobs.get(key), blobs.listed(key), blobs.delete(key), blobs.delete_prefix(key)),
        ):
            with pytest.raises(BadInput):
                await call
    assert file.read_bytes() == b"x"


async def test_files_go_in_and_come_out_whole(blobs: Blobs, tmp_path: Path) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    for data in (b"", b"little", os.urandom(2 * PART_BYTES + 12_345)):
        source.write_bytes(data)
        await blobs.put_file("t/whole", source)
        assert source.read_bytes() == data
        assert await blobs.copy_to("t/whole", out) == len(data)
        assert out.read_bytes() == data
        assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["out", "source"]


async def test_a_file_goes_into_a_bucket_in_parts(bucket: Blobs, storage: S3Server, tmp_path: Path) -> None:
    data = os.urandom(2 * PART_BYTES + 12_345)
    (tmp_path / "source").write_bytes(data)
    await bucket.put_file("t/whole", tmp_path / "source")
    assert dict(storage.objects) == {"of/earshot/t/whole": data}
    sent = sorted(length for method, _, length in storage.requests if method == "PUT" and length > 1000)
    assert sent == [12_345, PART_BYTES, PART_BYTES]


async def test_a_file_that_is_taken_is_gone_from_where_it_was(blobs: Blobs, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for data in (b"first", b"second"):
        source.write_bytes(data)
        await blobs.take_file("t/deep/taken", source)
        assert await blobs.get("t/deep/taken") == data
        assert not source.exists()


async def test_more_than_is_wanted_is_not_copied(blobs: Blobs, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_bytes(b"before")
    await blobs.put("x", b"12345")
    with pytest.raises(TooLarge):
        await blobs.copy_to("x", out, length_max_bytes=4)
    assert out.read_bytes() == b"before"
    assert await blobs.copy_to("x", out, length_max_bytes=5) == 5
    assert out.read_bytes() == b"12345"


async def test_listing_by_prefix(blobs: Blobs) -> None:
    began = time.time()
    keys = [f"r/{name}" for name in ("1", "2", "3/4", "5", "6", "7.webm")]
    assert len(keys) > PAGE
    for at, key in enumerate([*keys, "r", "r2/x", "other"] if not blobs.is_embedded else [*keys, "r2/x", "other"]):
        await blobs.put(key, b"x" * at)
    listing = await blobs.listed("r")
    assert ([blob.key for blob in listing.blobs], listing.is_whole) == (keys, True)
    assert [blob.length_bytes for blob in listing.blobs] == list(range(len(keys)))
    if blobs.is_embedded:
        assert all(began - 2 <= blob.modified_at <= time.time() + 2 for blob in listing.blobs)
    assert [blob.key for blob in (await blobs.listed("r/3")).blobs] == ["r/3/4"]
    assert (await blobs.listed("nothing")).blobs == ()


async def test_a_listing_is_bounded(blobs: Blobs) -> None:
    for at in range(4):
        await blobs.put(f"r/{at}", b"")
    for count_max, count, is_whole in ((1, 1, False), (3, 3, False), (4, 4, True), (9, 4, True)):
        listing = await blobs.listed("r", count_max=count_max)
        assert (len(listing.blobs), listing.is_whole) == (count, is_whole)


async def test_a_prefix_is_deleted_with_all_that_is_below_it(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs_module, "LISTED_MAX", 4)
    for at in range(10):
        await blobs.put(f"r/{at % 3}/{at}", b"x")
    await blobs.put("r2/x", b"kept")
    assert await blobs.delete_prefix("r") == 10
    assert (await blobs.listed("r")).blobs == ()
    assert await blobs.get("r2/x") == b"kept"
    assert await blobs.delete_prefix("r") == 0


async def test_folders_that_are_empty_are_deleted_too(folder: Blobs, tmp_path: Path) -> None:
    await folder.put("r/1/2/3", b"x")
    await folder.delete_prefix("r")
    assert list((tmp_path / "a" / "blobs").iterdir()) == []
    await folder.put("r/1", b"again")
    assert await folder.get("r/1") == b"again"


async def test_what_is_not_ours_is_neither_listed_nor_deleted(folder: Blobs, tmp_path: Path) -> None:
    await folder.put("r/1", b"x")
    strange = tmp_path / "a" / "blobs" / "r" / "a name with blanks"
    strange.write_bytes(b"")
    assert [blob.key for blob in (await folder.listed("r")).blobs] == ["r/1"]
    assert await folder.delete_prefix("r") == 1
    assert strange.exists()


async def test_a_bucket_that_deletes_nothing_is_not_asked_for_ever(bucket: Blobs, storage: S3Server) -> None:
    await bucket.put("r/1", b"x")
    storage.keeps_deleted = True
    with pytest.raises(StoreUnavailable):
        await bucket.delete_prefix("r")


async def test_a_key_is_not_another_ones_folder(folder: Blobs) -> None:
    await folder.put("a/b", b"x")
    for key in ("a", "a/b/c", "a/b/c/d"):
        with pytest.raises(Conflict):
            await folder.put(key, b"y")
    assert await folder.get("a/b") == b"x"


async def test_a_place_that_cannot_be_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreUnavailable):
        await Blobs.local(tmp_path / "file" / "blobs")


@contextlib.contextmanager
def files_of_at_most(length_bytes: int) -> Iterator[None]:
    """What is written beyond fails as on a full disk does (setrlimit(2), EFBIG)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (length_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_is_told_as_that_and_leaves_nothing(folder: Blobs, tmp_path: Path) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    source.write_bytes(b"x" * 50_000)
    await folder.put("large", b"x" * 50_000)
    with files_of_at_most(20_000):
        for call in (folder.put("new", b"x" * 50_000), folder.put_file("new", source), folder.copy_to("large", out)):
            with pytest.raises(DiskFull):
                await call
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "blobs", "large", "source"]


# The bucket, as seen from outside.


async def test_a_presigned_address_takes_one_blob(bucket: Blobs, storage: S3Server) -> None:
    url = await bucket.presigned_put("r/1.webm", expires_s=60)
    headers = {"Content-Type": "audio/webm", **bucket.put_headers}
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.put(url, content=b"sound", headers=headers)).is_success
        assert await bucket.get("r/1.webm") == b"sound"
        assert list(storage.objects) == ["of/earshot/r/1.webm"]
        if not bucket.takes_plain_put:
            assert (await client.put(url, content=b"other")).status_code == 400
        for altered in (
            url.replace("1.webm", "2.webm"),
            re.sub(r"Expires=60|[?&]se=20", lambda found: found[0].replace("60", "61").replace("20", "21"), url),
            re.sub(r"([Ss]ig(?:nature)?=..)", lambda found: found[0][::-1].swapcase()[::-1] + "00", url),
        ):
            assert altered != url
            assert (await client.put(altered, content=b"other", headers=headers)).status_code == 403
        assert (await client.get(url)).status_code == 403
    assert await bucket.get("r/1.webm") == b"sound"


@pytest.mark.parametrize("kind", KINDS)
async def test_addresses_are_signed_for_the_name_that_clients_know(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_other_bucket(monkeypatch)
    with storage_of(kind, request) as storage:
        options = storage.options(public_endpoint="https://sound.example:9000")
        url = await (await Blobs.open(f"{storage.place}/of", options)).presigned_put("r/1", expires_s=60)
        bucket = storage.place.partition("://")[2]
        assert url.startswith(f"https://sound.example:9000/{bucket}/of/r/1?")
        assert storage.requests == []


@pytest.mark.parametrize("expires_s", [0, -1, 7 * 24 * 3600 + 1])
async def test_a_presigned_address_lives_for_a_while_only(s3: S3Server, expires_s: int) -> None:
    bucket = await Blobs.open(s3.place, s3.options())
    with pytest.raises(BadInput):
        await bucket.presigned_put("x", expires_s=expires_s)


async def test_a_folder_has_no_presigned_addresses(folder: Blobs) -> None:
    with pytest.raises(Internal):
        await folder.presigned_put("x", expires_s=60)


async def test_wrong_keys_are_refused_and_not_told(storage: S3Server) -> None:
    secret, wrong = {
        "s3": ("secret_access_key", "another"),
        "gs": ("service_account_key", service_account("another@of.example")),
        "az": ("access_key", base64.b64encode(b"another" * 9).decode()),
    }[storage.kind]
    options = storage.options(**{secret: wrong})
    blobs = await Blobs.open(storage.place, options)
    for call in (blobs.put("x", b"1"), blobs.get("x"), blobs.size_bytes("x"), blobs.listed("x")):
        with pytest.raises(StoreUnavailable) as refused:
            await call
        assert wrong not in repr(refused.value.to_dict())
    assert wrong not in repr(options)
    assert dict(storage.objects) == {}


async def test_a_shared_access_signature_is_enough_for_all_but_addresses(
    azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_other_bucket(monkeypatch)
    with AzureServer(azurite) as storage:
        token = container_signature(storage.place.partition("://")[2])
        blobs = await Blobs.open(storage.place, storage.options(access_key="", sas_token=f"?{token}"))
        for at in range(PAGE + 2):
            await blobs.put(f"r/{at}", b"0123")
        assert await blobs.range("r/1", 1, 3) == b"12"
        assert len((await blobs.listed("r")).blobs) == PAGE + 2
        await blobs.delete("r/1")
        assert await blobs.delete_prefix("r") == PAGE + 1
        with pytest.raises(StoreUnavailable):
            await blobs.presigned_put("r/1", expires_s=60)


async def test_a_bucket_that_is_not_there_takes_nothing(storage: S3Server) -> None:
    blobs = await Blobs.open(f"{storage.kind}://no-such-bucket", storage.options())
    with pytest.raises(StoreUnavailable):
        await blobs.put("x", b"1")


async def test_a_bucket_that_is_busy_is_asked_again(bucket: Blobs, storage: S3Server) -> None:
    for call in (lambda: bucket.put("x", b"1"), lambda: bucket.get("x"), lambda: bucket.delete_prefix("r")):
        storage.faults.append(503)
        await call()
    assert not storage.faults


async def test_a_storage_that_is_away_is_unavailable(storage: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs_module, "RETRIES_MAX", 0)
    away = "http://127.0.0.1:9" + ("/devstoreaccount1" if storage.kind == "az" else "")
    blobs = await Blobs.open(storage.place, storage.options(endpoint=away))
    for call in (blobs.put("x", b"1"), blobs.get("x"), blobs.listed("x"), blobs.delete_prefix("x")):
        with pytest.raises(StoreUnavailable):
            await call


async def test_what_breaks_off_leaves_no_file(
    storage: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blobs_module, "RETRIES_MAX", 0)
    blobs = await Blobs.open(storage.place, storage.options())
    await blobs.put("x", b"1" * 100_000)
    storage.cut.add("x")
    with pytest.raises(StoreUnavailable):
        await blobs.copy_to("x", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["a", "A-b_c.d", "recordings/0192/chunk_0001.webm", "a/" * 7 + "b", "x" * 128])
def test_keys_that_are_some(key: str) -> None:
    assert KEY.fullmatch(key)
