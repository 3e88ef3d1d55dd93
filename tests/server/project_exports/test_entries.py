from __future__ import annotations

import io
import tracemalloc
import zipfile
from dataclasses import replace

from server.archive import zip_pieces
from server.project_exports.entries import document_entries
from server.project_exports.markdown import markdown
from server.project_exports.records import ConversationRecord
from tests.server.project_exports.conversations import RECORD, many


def document_of(record: ConversationRecord) -> bytes:
    return markdown(record, [])


def archive_of(*records: ConversationRecord) -> bytes:
    return b"".join(zip_pieces(document_entries(records, document_of), at=0.0))


def test_each_conversation_has_a_file_of_its_own_time() -> None:
    other = replace(RECORD, id="6a-b", name="Ben", email="", started_at=None)
    with zipfile.ZipFile(io.BytesIO(archive_of(RECORD, other))) as archive:
        assert archive.testzip() is None
        first, second = archive.infolist()
        assert (first.filename, first.date_time) == (
            "20260101_100005_Anna Smith_anna.smith_5f0c1d2e-transcript.md",
            # The format tells every other second.
            (2026, 1, 1, 10, 0, 4),
        )
        assert (second.filename, second.date_time) == (
            "20260101_100000_Ben_6a-b-transcript.md",
            (2026, 1, 1, 10, 0, 0),
        )
        assert archive.read(first) == markdown(RECORD, [])
        assert archive.read(second) == markdown(other, [])


def test_the_archive_is_the_same_until_something_changes() -> None:
    assert archive_of(RECORD, replace(RECORD, id="b")) == archive_of(RECORD, replace(RECORD, id="b"))
    assert archive_of(RECORD) != archive_of(replace(RECORD, words=1))


def test_a_document_is_made_when_its_turn_has_come() -> None:
    made = []

    def noted(record: ConversationRecord) -> bytes:
        made.append(record.title)
        return document_of(record)

    entries = document_entries(many(3), noted)
    first = next(entries)
    assert made == []
    next(entries)
    assert b"".join(first.pieces()).startswith(b"# Conversation 0\n")
    assert made == ["Conversation 0"]


def test_times_that_no_file_can_have_are_the_nearest() -> None:
    with zipfile.ZipFile(io.BytesIO(archive_of(replace(RECORD, started_at=1e18)))) as archive:
        assert archive.infolist()[0].date_time[0] == 2107


def test_of_thousands_only_the_contents_are_held() -> None:
    total_bytes = 0

    def counted(record: ConversationRecord) -> bytes:
        nonlocal total_bytes
        document = record.summary.encode() * 4
        total_bytes += len(document)
        return document

    tracemalloc.start()
    try:
        for _ in zip_pieces(document_entries(many(2_000), counted), at=0.0):
            pass
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total_bytes > 8_000_000
    assert peak_bytes < 4_000_000
