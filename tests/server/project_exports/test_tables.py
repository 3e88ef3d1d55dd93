from __future__ import annotations

import csv
import io
import re
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.project_exports.columns import COLUMNS, cells
from server.project_exports.records import ConversationRecord
from server.project_exports.tables import PIECE_CHARS, cell_text, csv_pieces, neutralised
from tests.server.project_exports.conversations import RECORD, any_record, hostile_text, many

RUN = re.compile(r"[=+\-@＝＋－＠]")


def rows(table: bytes, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(table.decode("utf-8-sig"), newline=""), delimiter=delimiter))


def test_the_table_exactly() -> None:
    records = [
        RECORD,
        replace(RECORD, started_at=None, finished_at=None, title='Says "hi", leaves', summary="a\nb", tags=()),
    ]
    assert b"".join(csv_pieces(records)).decode() == (
        "\ufeffid,name,email,tags,source,status,created_at,started_at,finished_at,duration_s,words,speakers,title,summary,"
        "language\r\n"
        "5f0c1d2e-3a4b-4c6d-8e9f-0a1b2c3d4e5f,Anna Smith,anna.smith@example.org,kiosk; north,kiosk,completed,"
        "2026-01-01T10:00:00.000Z,2026-01-01T10:00:05.500Z,2026-01-01T10:30:05.000Z,1799.5,4200,Anna; Ben,The week,"
        "We planned the week.,en\r\n"
        "5f0c1d2e-3a4b-4c6d-8e9f-0a1b2c3d4e5f,Anna Smith,anna.smith@example.org,,kiosk,completed,"
        '2026-01-01T10:00:00.000Z,,,1799.5,4200,Anna; Ben,"Says ""hi"", leaves","a\nb",en\r\n'
    )


def test_a_table_of_nothing_has_its_names() -> None:
    assert rows(b"".join(csv_pieces([]))) == [list(COLUMNS)]


@pytest.mark.parametrize(
    ("text", "guarded"),
    [
        ('=HYPERLINK("http://x")', '\'=HYPERLINK("http://x")'),
        ("+49 30 1234", "'+49 30 1234"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t'=1"),
        ("\rword", "'\rword"),
        ("  =1", "'  =1"),
        ("＝1", "'＝1"),
        ('word;"=1', "word;'\"=1"),
        ("first\n- second", "first\n'- second"),
        ("anna-maria = a@b", "anna-maria = a@b"),
        ("'=1", "'=1"),
        ("", ""),
    ],
)
def test_what_would_be_run_is_text(text: str, guarded: str) -> None:
    assert neutralised(text) == guarded


@given(st.text(alphabet=";\t\r\n =+-@＝\"'\u200ba") | hostile_text())
def test_no_part_begins_as_a_formula_and_nothing_else_changes(text: str) -> None:
    guarded = neutralised(text)
    for part in re.split(r"[;\t\r\n]", guarded):
        assert not RUN.match(part.lstrip(' "\u200b\ufeff\xa0'))
    assert not guarded.startswith(("\t", "\r"))
    assert guarded.replace("'", "") == text.replace("'", "")
    assert neutralised(guarded) == guarded


@given(st.lists(any_record(), max_size=3))
def test_what_is_read_back_is_what_was_neutralised(records: list[ConversationRecord]) -> None:
    table = b"".join(csv_pieces(records))
    assert rows(table) == [list(COLUMNS), *([cell_text(cell) for cell in cells(record)] for record in records)]
    assert table.endswith(b"\r\n")
    assert table == b"".join(csv_pieces(records))


@given(any_record())
def test_nothing_is_run_where_lines_are_cut_at_semicolons(record: ConversationRecord) -> None:
    table = b"".join(csv_pieces([record])).decode("utf-8-sig")
    for line in re.split("[\r\n]", table):
        for cell in line.split(";"):
            assert not RUN.match(cell.lstrip(' "'))


def test_thousands_take_no_more_memory_than_a_few() -> None:
    tracemalloc.start()
    try:
        total_bytes = sum(len(piece) for piece in csv_pieces(many(2_000)))
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total_bytes > 2_000_000
    assert peak_bytes < 1_500_000


def test_pieces_stay_small() -> None:
    pieces = list(csv_pieces(many(500)))
    assert len(pieces) > 5
    assert max(map(len, pieces)) < PIECE_CHARS + 8_000
