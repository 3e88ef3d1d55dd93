from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from media.picture_file import HEADER_BYTES, MARK, PictureFormat, PictureRecord, append, last, last_in, read
from protocol.errors import StoreUnavailable

RECORDS = [
    PictureRecord(at_ms, format_, bytes((at_ms + offset) % 251 for offset in range(length)))
    for at_ms, format_, length in [
        (0, PictureFormat.PNG, 40),
        (500, PictureFormat.JPEG, 1),
        (86_400_000, PictureFormat.H264, 100),
    ]
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    for record in RECORDS:
        append(tmp_path / "pictures", record)
    return tmp_path / "pictures"


def test_what_was_written_is_read(path: Path) -> None:
    assert list(read(path)) == RECORDS


def test_a_cut_anywhere_leaves_every_record_before_it(path: Path) -> None:
    data = path.read_bytes()
    ends = [sum(HEADER_BYTES + len(each.data) for each in RECORDS[: number + 1]) for number in range(len(RECORDS))]
    for cut in range(len(data) + 1):
        path.write_bytes(data[:cut])
        assert list(read(path)) == [record for record, end in zip(RECORDS, ends, strict=True) if end <= cut]


def test_the_last_one_is_found_wherever_it_was_cut(path: Path) -> None:
    data = path.read_bytes()
    ends = [sum(HEADER_BYTES + len(each.data) for each in RECORDS[: number + 1]) for number in range(len(RECORDS))]
    for cut in range(len(data) + 1):
        path.write_bytes(data[:cut])
        before = [record for record, end in zip(RECORDS, ends, strict=True) if end <= cut]
        assert last(path) == (before[-1] if before else None, cut in (0, *ends))


def test_the_last_one_is_found_in_any_end_of_a_file(path: Path) -> None:
    data = path.read_bytes()
    ends = [sum(HEADER_BYTES + len(each.data) for each in RECORDS[: number + 1]) for number in range(len(RECORDS))]
    for begin, cut in product(range(len(data)), repeat=2):
        there = [
            record
            for record, start, end in zip(RECORDS, [0, *ends], ends, strict=False)
            if begin <= start and end <= cut
        ]
        assert last_in(data[begin:cut]) == (there[-1] if there else None)
    assert last_in(data + MARK * 3 + b"...") == RECORDS[-1]  # as a picture may have them within


def test_nothing_is_read_from_what_is_damaged_on(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[HEADER_BYTES + 40 + HEADER_BYTES - 1] ^= 1  # the second one's format
    path.write_bytes(data)
    assert list(read(path)) == RECORDS[:1]


def test_a_disk_that_takes_none_leaves_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        append(tmp_path / "away" / "pictures", RECORDS[0])
    with pytest.raises(StoreUnavailable):
        list(read(tmp_path))  # a folder
    with pytest.raises(StoreUnavailable):
        last(tmp_path)
    for find in (lambda path: list(read(path)), last):
        with pytest.raises(FileNotFoundError):
            find(tmp_path / "pictures")
