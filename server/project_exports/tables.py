"""A project's conversations as a table of text (CSV)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from server.project_exports.columns import COLUMNS, Cell, cells, readable
from server.project_exports.records import ConversationRecord, iso_utc

PIECE_CHARS = 64 * 1024

# Spreadsheet programs take text that begins so for a formula, in some countries in full width as well, and pass over
# spaces and quotes before it. A formula may send the other cells away, or start programs (CWE-1236).
#
# What comes after a semicolon, a tab or the end of a line is guarded as well: where the decimal sign is a comma, lines
# of a CSV file are cut at semicolons, within our quotes too, and cells do not begin where ours do.
_FORMULA = re.compile(
    r"""(^|[;\t\r\n])((?:[^\S;\t\r\n]|["\u200b-\u200f\u2060-\u2064\ufeff])*[=+\-@\uff1d\uff0b\uff0d\uff20])"""
)
# Some programs drop these and look at what comes then.
_DROPPED = ("\t", "\r", "\n")


def csv_pieces(records: Iterable[ConversationRecord]) -> Iterator[bytes]:
    """The table in pieces of some 64 KiB: RFC 4180, a line of names first, UTF-8 with a byte order mark.

    Without the mark spreadsheet programs take it for their system's old encoding. Blocks: take each piece in a thread.
    """
    text = io.StringIO(newline="")
    text.write("\ufeff")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for record in records:
        writer.writerow([cell_text(cell) for cell in cells(record)])
        if text.tell() >= PIECE_CHARS:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


def cell_text(cell: Cell) -> str:
    """What stands in the table: text that cannot be a formula, numbers as they are, times by ISO 8601."""
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return iso_utc(cell)
    return neutralised(readable(cell)) if isinstance(cell, str) else str(cell)


def neutralised(text: str) -> str:
    """``text`` as no spreadsheet program runs it: with ``'``, their sign for text, before what may be a formula.

    Everything else stays as it is. The sign is a part of the cell: whoever reads the file otherwise sees it.
    """
    guarded = _FORMULA.sub(r"\1'\2", text)
    return f"'{guarded}" if guarded.startswith(_DROPPED) else guarded
