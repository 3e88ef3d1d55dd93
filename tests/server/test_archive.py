"""Archives in pieces are archives, and no piece grows with what is in them."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from dataclasses import replace

from server.archive import LARGE_BYTES, PIECE_BYTES, Entry, zip_pieces


def entry(name: str, *pieces: bytes, length_bytes: int = 0, is_packed: bool = False) -> Entry:
    return Entry(name, length_bytes, is_packed, lambda: iter(pieces))


def test_what_goes_in_comes_out() -> None:
    sound = os.urandom(300_000)
    entries = [
        entry("größe.txt", b"words " * 50_000),
        entry("tracks/a.ogg", sound[:1000], sound[1000:], is_packed=True),
    ]
    archive = zipfile.ZipFile(io.BytesIO(b"".join(zip_pieces(entries, at=1_700_000_000.0))))
    assert archive.testzip() is None
    assert archive.namelist() == ["größe.txt", "tracks/a.ogg"]
    assert archive.read("größe.txt") == b"words " * 50_000
    assert archive.read("tracks/a.ogg") == sound
    text, track = archive.infolist()
    assert text.compress_size < text.file_size / 100
    assert (track.compress_type, text.date_time) == (zipfile.ZIP_STORED, (2023, 11, 14, 22, 13, 20))


def test_pieces_stay_small_and_a_file_is_not_read_before_its_turn() -> None:
    begun = []

    def long(name: str) -> Entry:
        def pieces() -> Iterator[bytes]:
            begun.append(name)
            for _ in range(200):
                yield bytes(32 * 1024)

        return Entry(name, 200 * 32 * 1024, is_packed=True, pieces=pieces)

    largest = total = 0
    for piece in zip_pieces([long("a"), long("b")], at=0.0):
        if total < 100 * 32 * 1024:
            assert begun == ["a"]
        largest, total = max(largest, len(piece)), total + len(piece)
    assert total > 400 * 32 * 1024
    assert largest <= PIECE_BYTES + 32 * 1024


def test_a_file_said_to_be_large_can_be_read_as_any_other() -> None:
    entries = [entry("long.wav", b"sound", length_bytes=LARGE_BYTES * 2, is_packed=True)]
    archive = zipfile.ZipFile(io.BytesIO(b"".join(zip_pieces(entries, at=-1e9))))
    assert archive.read("long.wav") == b"sound"


def test_files_may_have_times_of_their_own() -> None:
    entries = [entry("a.txt"), replace(entry("b.txt"), at=0.0), replace(entry("c.txt"), at=1_800_000_000.0)]
    archive = zipfile.ZipFile(io.BytesIO(b"".join(zip_pieces(entries, at=1_700_000_000.0))))
    assert [info.date_time[0] for info in archive.infolist()] == [2023, 1980, 2027]
    assert b"".join(zip_pieces(entries, at=1.0)) == b"".join(zip_pieces(entries, at=1.0))
