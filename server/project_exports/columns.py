"""The columns of a project's conversations; the table and the spreadsheet have the same."""

from __future__ import annotations

import re
from datetime import datetime

from server.project_exports.records import ConversationRecord, moment

COLUMNS = (
    "id",
    "name",
    "email",
    "tags",
    "source",
    "status",
    "created_at",
    "started_at",
    "finished_at",
    "duration_s",
    "words",
    "speakers",
    "title",
    "summary",
    "language",
)
# Between the tags, and between the speakers, of one cell.
BETWEEN = "; "

Cell = str | int | float | datetime | None

# C0 and C1 controls but tab, line feed and carriage return: no program shows them, and some stop reading there.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SURROGATES = re.compile("[\ud800-\udfff]")


def cells(record: ConversationRecord) -> tuple[Cell, ...]:
    """What stands in each of ``COLUMNS``: text, whole and other numbers, times in UTC; None where there is nothing."""
    return (
        record.id,
        record.name,
        record.email,
        BETWEEN.join(record.tags),
        record.source,
        record.status,
        moment(record.created_at),
        None if record.started_at is None else moment(record.started_at),
        None if record.finished_at is None else moment(record.finished_at),
        round(record.duration_s, 3),
        record.words,
        BETWEEN.join(record.speakers),
        record.title,
        record.summary,
        record.language,
    )


def readable(text: str) -> str:
    """``text`` without what no table can hold: controls become spaces, lone surrogates U+FFFD; lines stay lines."""
    return _SURROGATES.sub("\ufffd", _CONTROLS.sub(" ", text))
