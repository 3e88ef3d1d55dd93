"""A project's conversations as a spreadsheet (ECMA-376): its cells have types, and no text is a formula."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from xlsxwriter import Workbook
from xlsxwriter.exceptions import FileCreateError, FileSizeError

from protocol.errors import TooLarge
from server.files import storage_error
from server.project_exports.columns import COLUMNS, Cell, cells, readable
from server.project_exports.records import ConversationRecord, moment

# What one sheet holds, the line of names besides.
RECORDS_MAX = (1 << 20) - 1
# What a cell holds, in UTF-16 code units.
CELL_MAX_UNITS = 32_767
CUT_MARK = " … (cut)"
# Other tags are counted together: nobody reads so many, and what is counted is held.
TAGS_MAX = 10_000
OTHER_TAGS = "(other tags)"

TAG_COLUMNS = ("tag", "conversations", "minutes")
TIME_FORMAT = "yyyy-mm-dd hh:mm:ss"
# In characters; what is not named is as wide as its name needs.
WIDTHS = {
    "id": 38,
    "name": 24,
    "email": 28,
    "tags": 24,
    "tag": 32,
    "created_at": 19,
    "started_at": 19,
    "finished_at": 19,
    "speakers": 28,
    "title": 36,
    "summary": 60,
}
_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}


class Tags:
    """How many conversations have a tag, and how long they are; memory for ``TAGS_MAX`` tags."""

    def __init__(self) -> None:
        self._totals: dict[str, tuple[int, float]] = {}
        self._others = (0, 0.0)

    def count(self, tags: Iterable[str], duration_s: float) -> None:
        of_others = False
        for tag in sorted(set(tags)):
            if tag in self._totals or len(self._totals) < TAGS_MAX:
                self._totals[tag] = _more(self._totals.get(tag, (0, 0.0)), duration_s)
            else:
                of_others = True
        if of_others:
            self._others = _more(self._others, duration_s)

    def rows(self) -> Iterator[tuple[Cell, ...]]:
        """In the order of ``TAG_COLUMNS``, the most frequent first."""
        for tag, (count, total_s) in sorted(self._totals.items(), key=lambda item: (-item[1][0], item[0])):
            yield tag, count, round(total_s / 60, 1)
        count, total_s = self._others
        if count:
            yield OTHER_TAGS, count, round(total_s / 60, 1)


def write_xlsx(records: Iterable[ConversationRecord], path: Path) -> None:
    """Make the spreadsheet at ``path``, which is there only once it is whole. Blocks.

    A sheet of conversations and one of tags. The same records make the same bytes: its time is that of the newest of
    them. What is written meanwhile lies beside ``path``, not in memory, several times as large as the file. Raises
    ``TooLarge`` (more than ``RECORDS_MAX`` records, or than 2 GiB of a sheet or of all), ``DiskFull`` and
    ``StoreUnavailable``.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=".spreadsheet-", dir=path.parent) as folder:
            made = Path(folder) / "made.xlsx"
            with Workbook(str(made), {**_OPTIONS, "tmpdir": folder}) as book:
                _fill(book, records)
            made.replace(path)
    except FileSizeError as error:
        raise TooLarge("the spreadsheet would be too large for its format: take the table (CSV)") from error
    except FileCreateError as error:
        cause = error.__context__
        raise storage_error(cause if isinstance(cause, OSError) else OSError()) from error
    except OSError as error:
        raise storage_error(error) from error


def _fill(book: Any, records: Iterable[ConversationRecord]) -> None:
    sheet = _Sheet(book, "conversations", COLUMNS)
    tags = Tags()
    newest_at = 0.0
    for count, record in enumerate(records, start=1):
        if count > RECORDS_MAX:
            raise TooLarge(f"a spreadsheet holds {RECORDS_MAX} conversations at most: take the table (CSV)")
        sheet.write(cells(record))
        tags.count(record.tags, record.duration_s)
        newest_at = max(newest_at, record.created_at)
    sheet.end()
    sheet = _Sheet(book, "tags", TAG_COLUMNS)
    for totals in tags.rows():
        sheet.write(totals)
    sheet.end()
    book.set_properties({"created": moment(newest_at)})


class _Sheet:
    """One sheet, written row by row: what is written is on the disk, and cannot be changed."""

    def __init__(self, book: Any, name: str, columns: tuple[str, ...]) -> None:
        self._sheet = book.add_worksheet(name)
        self._time = book.add_format({"num_format": TIME_FORMAT})
        self._columns = len(columns)
        self._rows = 1
        bold = book.add_format({"bold": True})
        for at, column in enumerate(columns):
            # A button for the filter stands beside the name.
            self._sheet.set_column(at, at, WIDTHS.get(column, len(column) + 4))
            self._sheet.write_string(0, at, column, bold)
        self._sheet.freeze_panes(1, 0)

    def write(self, row: tuple[Cell, ...]) -> None:
        for at, cell in enumerate(row):
            if isinstance(cell, datetime):
                # A spreadsheet knows no zones: its times are those of UTC.
                self._sheet.write_datetime(self._rows, at, cell.replace(tzinfo=None), self._time)
            elif isinstance(cell, str):
                if cell:
                    self._sheet.write_string(self._rows, at, sheet_text(cell))
            elif cell is not None:
                self._sheet.write_number(self._rows, at, cell)
        self._rows += 1

    def end(self) -> None:
        self._sheet.autofilter(0, 0, self._rows - 1, self._columns - 1)


def sheet_text(text: str) -> str:
    """``text`` as a cell holds it: lines end in a line feed, and what is too long is cut, with a mark."""
    text = readable(text).replace("\r\n", "\n").replace("\r", "\n")
    if len(text) * 2 > CELL_MAX_UNITS and _units(text) > CELL_MAX_UNITS:
        kept = text.encode("utf-16-le")[: 2 * (CELL_MAX_UNITS - _units(CUT_MARK))]
        text = kept.decode("utf-16-le", "ignore") + CUT_MARK
    # The library takes such text for markup of its own, and would write it as it is.
    return f"{text} " if text.startswith("<r>") and text.endswith("</r>") else text


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _more(total: tuple[int, float], duration_s: float) -> tuple[int, float]:
    return total[0] + 1, total[1] + duration_s
