from __future__ import annotations

from pathlib import Path

import pytest

from protocol.errors import BadInput, NotFound, StoreUnavailable
from server.blobs import Blobs


@pytest.fixture
async def blobs(tmp_path: Path) -> Blobs:
    return await Blobs.local(tmp_path / "a" / "blobs")


async def test_what_is_put_is_got_and_replaced(blobs: Blobs, tmp_path: Path) -> None:
    await blobs.put("t1/trk_1.flac", b"first")
    await blobs.put("t1/trk_1.flac", b"second!")
    assert await blobs.get("t1/trk_1.flac") == b"second!"
    assert await blobs.size_bytes("t1/trk_1.flac") == 7
    again = await Blobs.local(tmp_path / "a" / "blobs")
    assert await again.get("t1/trk_1.flac") == b"second!"


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


async def test_unknown_keys(blobs: Blobs) -> None:
    for call in (blobs.get("no"), blobs.range("no", 0, 1), blobs.size_bytes("no")):
        with pytest.raises(NotFound):
            await call
    await blobs.put("x", b"1")
    for _ in range(2):
        await blobs.delete("x")
    with pytest.raises(NotFound):
        await blobs.get("x")


@pytest.mark.parametrize(
    "key", ["", "/", "/etc/passwd", "../x", "a/../b", "a//b", ".hidden", "a\x00", "ä", "a/" * 9 + "b"]
)
async def test_keys_that_could_leave_the_folder_are_refused(blobs: Blobs, key: str) -> None:
    with pytest.raises(BadInput):
        await blobs.put(key, b"x")


async def test_a_place_that_cannot_be_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreUnavailable):
        await Blobs.local(tmp_path / "file" / "blobs")
