"""The documents of a project's conversations as the files of an archive."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from server.archive import Entry
from server.project_exports.names import MARKDOWN, DocumentNames
from server.project_exports.records import ConversationRecord, moment


def document_entries(
    records: Iterable[ConversationRecord],
    document_of: Callable[[ConversationRecord], bytes],
    *,
    kind: str = MARKDOWN,
) -> Iterator[Entry]:
    """A file of that kind for each conversation, for ``server.archive.zip_pieces``, made at the time that it began.

    ``document_of`` (such as ``markdown`` with the segments read) is called when the file's turn has come, in the thread
    that takes the pieces, so that one document is held at a time; of each file before it the archive holds its line in
    the list of contents. With records in one order always, it is the same to the byte until one of them changes.
    """
    names = DocumentNames(kind)
    for record in records:
        yield _entry(names.of(record), record, document_of)


def _entry(name: str, record: ConversationRecord, document_of: Callable[[ConversationRecord], bytes]) -> Entry:
    def pieces() -> Iterator[bytes]:
        yield document_of(record)

    return Entry(name, 0, is_packed=False, pieces=pieces, at=moment(record.began_at).timestamp())
