"""Blobs in a folder and in a bucket: the same for whoever uses them."""

from __future__ import annotations

import contextlib
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from protocol.errors import BadInput, Conflict, DiskFull, Internal, NotFound, StoreUnavailable, TooLarge
from server import blobs as blobs_module
from server.blobs import KEY, PART_BYTES, Blobs
from tests.fakes.s3 import BUCKET, PAGE, S3Server


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    with S3Server() as running:
        yield running


@pytest.fixture
async def bucket(s3: S3Server) -> Blobs:
    return await Blobs.open(f"s3://{BUCKET}/of/earshot", s3.options())


@pytest.fixture
async def folder(tmp_path: Path) -> Blobs:
    return await Blobs.open(tmp_path / "a" / "blobs")


@pytest.fixture(params=["folder", "bucket"])
def blobs(request: pytest.FixtureRequest) -> Blobs:
    found: Blobs = request.getfixturevalue(request.param)
    return found


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


@pytest.mark.parametrize(("start", "end", "data"), [(0, 3, b"012"), (4, 99, b"456789"), (10, 12, b""), (5, 5, b"")])
async def test_ranges(blobs: Blobs, start: int, end: int, data: bytes) -> None:
    await blobs.put("x", b"0123456789")
    assert await blobs.range("x", start, end) == data


@pytest.mark.parametrize(("start", "end"), [(-1, 3), (4, 3), (11, 12)])
async def test_ranges_that_cannot_be(blobs: Blobs, start: int, end: int) -> None:
    await blobs.put("x", b"0123456789")
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


@pytest.mark.parametrize("key", KEYS_THAT_CANNOT_BE)
async def test_keys_that_could_leave_the_folder_are_refused(blobs: Blobs, tmp_path: Path, key: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
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


async def test_a_file_goes_into_a_bucket_in_parts(bucket: Blobs, s3: S3Server, tmp_path: Path) -> None:
    data = os.urandom(2 * PART_BYTES + 12_345)
    (tmp_path / "source").write_bytes(data)
    await bucket.put_file("t/whole", tmp_path / "source")
    assert s3.objects == {"of/earshot/t/whole": data}
    assert sorted(length for method, _, length in s3.requests if method == "PUT") == [12_345, PART_BYTES, PART_BYTES]


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


@pytest.mark.parametrize(("count_max", "count", "is_whole"), [(1, 1, False), (3, 3, False), (4, 4, True), (9, 4, True)])
async def test_a_listing_is_bounded(blobs: Blobs, count_max: int, count: int, is_whole: bool) -> None:
    for at in range(4):
        await blobs.put(f"r/{at}", b"")
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


async def test_a_bucket_that_deletes_nothing_is_not_asked_for_ever(bucket: Blobs, s3: S3Server) -> None:
    await bucket.put("r/1", b"x")
    s3.keeps_deleted = True
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


async def test_a_presigned_address_takes_a_plain_put(bucket: Blobs, s3: S3Server) -> None:
    url = await bucket.presigned_put("r/1.webm", expires_s=60)
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.put(url, content=b"sound", headers={"Content-Type": "audio/webm"})).status_code == 200
        assert await bucket.get("r/1.webm") == b"sound"
        assert list(s3.objects) == ["of/earshot/r/1.webm"]
        for altered in (
            url.replace("1.webm", "2.webm"),
            url.replace("X-Amz-Expires=60", "X-Amz-Expires=61"),
            url[:-1] + ("0" if url[-1] != "0" else "1"),
        ):
            assert altered != url
            assert (await client.put(altered, content=b"sound")).status_code == 403
        assert (await client.get(url)).status_code == 403


async def test_addresses_are_signed_for_the_name_that_clients_know(s3: S3Server) -> None:
    options = s3.options(public_endpoint="https://sound.example:9000")
    blobs = await Blobs.open(f"s3://{BUCKET}", options)
    url = await blobs.presigned_put("r/1", expires_s=60)
    assert url.startswith(f"https://sound.example:9000/{BUCKET}/r/1?")
    assert s3.requests == []


@pytest.mark.parametrize("expires_s", [0, -1, 7 * 24 * 3600 + 1])
async def test_a_presigned_address_lives_for_a_while_only(bucket: Blobs, expires_s: int) -> None:
    with pytest.raises(BadInput):
        await bucket.presigned_put("x", expires_s=expires_s)


async def test_a_folder_has_no_presigned_addresses(folder: Blobs) -> None:
    with pytest.raises(Internal):
        await folder.presigned_put("x", expires_s=60)


async def test_wrong_keys_are_refused_and_not_told(s3: S3Server) -> None:
    blobs = await Blobs.open(f"s3://{BUCKET}", s3.options(secret_access_key="another"))
    with pytest.raises(StoreUnavailable) as refused:
        await blobs.put("x", b"1")
    assert "another" not in repr(refused.value.to_dict())
    assert "another" not in repr(s3.options(secret_access_key="another"))
    assert s3.objects == {}


async def test_a_bucket_that_is_busy_is_asked_again(bucket: Blobs, s3: S3Server) -> None:
    s3.faults.append(503)
    await bucket.put("x", b"1")
    assert await bucket.get("x") == b"1"


async def test_a_bucket_that_is_not_there_is_unavailable(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs_module, "RETRIES_MAX", 0)
    blobs = await Blobs.open(f"s3://{BUCKET}", s3.options(endpoint="http://127.0.0.1:9"))
    for call in (blobs.put("x", b"1"), blobs.get("x"), blobs.listed("x"), blobs.delete_prefix("x")):
        with pytest.raises(StoreUnavailable):
            await call


async def test_what_breaks_off_leaves_no_file(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs_module, "RETRIES_MAX", 0)
    blobs = await Blobs.open(f"s3://{BUCKET}", s3.options())
    await blobs.put("x", b"1" * 100_000)
    s3.cut.add("x")
    with pytest.raises(StoreUnavailable):
        await blobs.copy_to("x", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "place", ["s3://", "s3://B", "s3://ab/x", "s3://sound/../x", "s3://sound/x?y=1", "https://sound/x", "file:///x"]
)
async def test_places_that_cannot_be(place: str) -> None:
    with pytest.raises(BadInput):
        await Blobs.open(place)


@pytest.mark.parametrize("changed", [{"access_key_id": ""}, {"secret_access_key": ""}])
async def test_half_a_credential_is_none(s3: S3Server, changed: dict[str, str]) -> None:
    with pytest.raises(BadInput):
        await Blobs.open(f"s3://{BUCKET}", s3.options(**changed))


@pytest.mark.parametrize("key", ["a", "A-b_c.d", "recordings/0192/chunk_0001.webm", "a/" * 7 + "b", "x" * 128])
def test_keys_that_are_some(key: str) -> None:
    assert KEY.fullmatch(key)
