from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given

from server.project_exports.columns import COLUMNS, cells, readable
from tests.server.project_exports.conversations import RECORD, hostile_text


def test_every_column_has_its_cell() -> None:
    row = dict(zip(COLUMNS, cells(RECORD), strict=True))
    for column in ("id", "name", "email", "source", "status", "duration_s", "words", "title", "summary", "language"):
        assert row[column] == getattr(RECORD, column)
    assert (row["tags"], row["speakers"]) == ("kiosk; north", "Anna; Ben")
    assert str(row["started_at"]) == "2026-01-01 10:00:05.500000+00:00"


def test_what_is_not_known_is_empty() -> None:
    row = dict(zip(COLUMNS, cells(replace(RECORD, started_at=None, finished_at=None, tags=())), strict=True))
    assert (row["started_at"], row["finished_at"], row["tags"]) == (None, None, "")


@pytest.mark.parametrize(
    ("text", "read"), [("a\x00b\x1b[0m", "a b [0m"), ("a\r\n\tb", "a\r\n\tb"), ("\ud83d!", "\ufffd!"), ("\x85", " ")]
)
def test_what_no_table_can_hold_is_replaced(text: str, read: str) -> None:
    assert readable(text) == read


@given(hostile_text())
def test_readable_text_can_be_written_and_is_as_long(text: str) -> None:
    read = readable(text)
    read.encode()
    assert len(read) == len(text)
    assert re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", read) is None
