"""Spreadsheets, read back from their parts."""

from __future__ import annotations

import re
import tracemalloc
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import StoreUnavailable, TooLarge
from server.project_exports import spreadsheets
from server.project_exports.columns import COLUMNS, Cell, cells
from server.project_exports.records import ConversationRecord
from server.project_exports.spreadsheets import CELL_MAX_UNITS, CUT_MARK, OTHER_TAGS, sheet_text, write_xlsx
from tests.server.project_exports.conversations import RECORD, any_record, hostile_text, many

SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
TIMES = {at for at, column in enumerate(COLUMNS) if column.endswith("_at")}
CONVERSATIONS, TAGS = "xl/worksheets/sheet1.xml", "xl/worksheets/sheet2.xml"


def part(path: Path, name: str) -> ElementTree.Element:
    with zipfile.ZipFile(path) as archive:
        return ElementTree.fromstring(archive.read(name))


def read(path: Path, name: str, times: frozenset[int] | set[int] = frozenset()) -> list[list[Cell]]:
    """The rows under the names: text, numbers, and what stands in columns of ``times`` as a time."""
    return [
        [_cell(cell, is_time=number in times) for number, cell in sorted(_numbered(row))]
        for row in part(path, name).iter(f"{SHEET}row")
    ]


def _numbered(row: ElementTree.Element) -> Iterator[tuple[int, ElementTree.Element | None]]:
    found = {ord(re.sub(r"\d", "", cell.attrib["r"])) - ord("A"): cell for cell in row.iter(f"{SHEET}c")}
    yield from ((number, found.get(number)) for number in range(max(found) + 1))


def _cell(cell: ElementTree.Element | None, *, is_time: bool) -> Cell:
    if cell is None:
        return None
    assert cell.find(f"{SHEET}f") is None
    if cell.get("t") == "inlineStr":
        # ECMA-376, 22.9.2.19: _xHHHH_ stands for a character.
        text = cell.findtext(f"{SHEET}is/{SHEET}t") or ""
        return re.sub("_x([0-9A-F]{4})_", lambda match: chr(int(match[1], 16)), text)
    assert cell.get("t") is None
    number = float(cell.findtext(f"{SHEET}v") or "")
    return datetime(1899, 12, 30) + timedelta(milliseconds=round(number * 86_400_000)) if is_time else number


def as_read(cell: Cell) -> Cell:
    if isinstance(cell, str):
        return sheet_text(cell) or None
    return cell.replace(tzinfo=None) if isinstance(cell, datetime) else cell


def test_cells_have_types(tmp_path: Path) -> None:
    path = tmp_path / "all.xlsx"
    write_xlsx([RECORD, replace(RECORD, name="=1+1", title="http://x.de", email="", words=0, finished_at=None)], path)
    names, first, second = read(path, CONVERSATIONS, TIMES)
    assert names == list(COLUMNS)
    assert first == [as_read(cell) for cell in cells(RECORD)]
    told = dict(zip(COLUMNS, second, strict=True))
    assert (told["name"], told["title"], told["email"]) == ("=1+1", "http://x.de", None)
    assert (told["words"], told["finished_at"]) == (0, None)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        # Where links are, there is a list of what the sheet points to.
        assert not [name for name in archive.namelist() if name.startswith("xl/worksheets/_rels")]


def test_names_stay_in_sight_and_filter(tmp_path: Path) -> None:
    path = tmp_path / "all.xlsx"
    write_xlsx([RECORD, RECORD], path)
    for name, filtered in ((CONVERSATIONS, "A1:O3"), (TAGS, "A1:C3")):
        sheet = part(path, name)
        pane = sheet.find(f".//{SHEET}pane")
        assert pane is not None
        assert (pane.get("state"), pane.get("ySplit"), pane.get("topLeftCell")) == ("frozen", "1", "A2")
        filters = sheet.find(f"{SHEET}autoFilter")
        assert filters is not None
        assert filters.get("ref") == filtered
        assert all(float(column.attrib["width"]) >= 8 for column in sheet.iter(f"{SHEET}col"))
    styles = part(path, "xl/styles.xml")
    assert [one.get("formatCode") for one in styles.iter(f"{SHEET}numFmt")] == [spreadsheets.TIME_FORMAT]


def test_tags_are_counted_the_most_frequent_first(tmp_path: Path) -> None:
    path = tmp_path / "all.xlsx"
    records = [
        replace(RECORD, tags=("b",), duration_s=60),
        replace(RECORD, tags=("a", "a"), duration_s=30),
        replace(RECORD, tags=("a", "c"), duration_s=63),
        replace(RECORD, tags=()),
    ]
    write_xlsx(records, path)
    assert read(path, TAGS) == [["tag", "conversations", "minutes"], ["a", 2, 1.6], ["b", 1, 1.0], ["c", 1, 1.1]]


def test_more_tags_than_are_held_are_counted_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheets, "TAGS_MAX", 2)
    path = tmp_path / "all.xlsx"
    write_xlsx(
        [replace(RECORD, tags=tuple("abcd"), duration_s=60), replace(RECORD, tags=("b", "c"), duration_s=60)], path
    )
    assert read(path, TAGS)[1:] == [["b", 2, 2.0], ["a", 1, 1.0], [OTHER_TAGS, 2, 2.0]]


def test_a_spreadsheet_of_nothing_has_its_names(tmp_path: Path) -> None:
    path = tmp_path / "all.xlsx"
    write_xlsx([], path)
    assert read(path, CONVERSATIONS) == [list(COLUMNS)]
    assert read(path, TAGS) == [["tag", "conversations", "minutes"]]


def test_the_same_records_are_the_same_bytes_and_its_time_is_theirs(tmp_path: Path) -> None:
    path, again = tmp_path / "all.xlsx", tmp_path / "again.xlsx"
    write_xlsx([RECORD, replace(RECORD, created_at=RECORD.created_at - 60)], path)
    write_xlsx([RECORD, replace(RECORD, created_at=RECORD.created_at - 60)], again)
    assert path.read_bytes() == again.read_bytes()
    assert "2026-01-01T10:00:00Z" in [element.text for element in part(path, "docProps/core.xml")]
    assert sorted(tmp_path.iterdir()) == [again, path]


@pytest.mark.parametrize("letter", ["x", "é", "\U0001f600"])
def test_long_text_is_cut_with_a_mark(letter: str) -> None:
    units = len(letter.encode("utf-16-le")) // 2
    fits = letter * (CELL_MAX_UNITS // units)
    assert sheet_text(fits) == fits
    cut = sheet_text(fits + letter)
    assert cut.endswith(CUT_MARK)
    assert CELL_MAX_UNITS - units < len(cut.encode("utf-16-le")) // 2 <= CELL_MAX_UNITS
    assert fits.startswith(cut.removesuffix(CUT_MARK))


@given(hostile_text())
def test_text_fits_and_is_never_the_librarys_own_markup(text: str) -> None:
    written = sheet_text(text)
    assert not (written.startswith("<r>") and written.endswith("</r>"))
    assert "\r" not in written
    assert len(written.encode("utf-16-le")) // 2 <= CELL_MAX_UNITS


@settings(max_examples=25)
@given(st.lists(any_record(), max_size=2))
def test_what_is_read_back_is_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, records: list[ConversationRecord]
) -> None:
    path = tmp_path_factory.mktemp("sheets") / "all.xlsx"
    write_xlsx(records, path)
    for record, row in zip(records, read(path, CONVERSATIONS, TIMES)[1:], strict=True):
        row += [None] * (len(COLUMNS) - len(row))
        for wanted, found in zip(map(as_read, cells(record)), row, strict=True):
            if isinstance(wanted, datetime):
                assert isinstance(found, datetime)
                assert abs(found - wanted) <= timedelta(milliseconds=1)
            elif isinstance(wanted, float):
                assert found == pytest.approx(wanted)
            else:
                assert found == wanted


def test_thousands_take_no_more_memory_than_a_few(tmp_path: Path) -> None:
    path = tmp_path / "all.xlsx"
    tracemalloc.start()
    try:
        write_xlsx(many(2_000), path)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    with zipfile.ZipFile(path) as archive:
        assert archive.getinfo(CONVERSATIONS).file_size > 2_400_000
    assert peak_bytes < 1_500_000


def test_more_than_a_sheet_holds_is_refused_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheets, "RECORDS_MAX", 2)
    write_xlsx([RECORD, RECORD], tmp_path / "two.xlsx")
    with pytest.raises(TooLarge, match="2 conversations at most"):
        write_xlsx([RECORD, RECORD, RECORD], tmp_path / "three.xlsx")
    assert [path.name for path in tmp_path.iterdir()] == ["two.xlsx"]


def test_records_that_fail_leave_nothing(tmp_path: Path) -> None:
    def records() -> Iterator[ConversationRecord]:
        yield RECORD
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        write_xlsx(records(), tmp_path / "all.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_told_as_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        write_xlsx([RECORD], tmp_path / "missing" / "all.xlsx")
