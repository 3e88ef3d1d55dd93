"""What the documents of a project's archive are called."""

from __future__ import annotations

import unicodedata

from server.download_names import file_stem
from server.project_exports.records import ConversationRecord, moment

MARKDOWN = "md"
NAME_MAX_CHARS = 50
ADDRESS_MAX_CHARS = 30
ID_CHARS = 8
# Of UTF-8; with time, id and suffix a name has 230 bytes at most, and file systems end at 255.
NAME_MAX_BYTES = 100
ADDRESS_MAX_BYTES = 60
ID_MAX_BYTES = 36


class DocumentNames:
    """Gives each conversation a name that no other of the archive has, on any file system. Holds the names it gave."""

    def __init__(self, kind: str = MARKDOWN) -> None:
        self._suffix = f"-transcript.{kind}"
        self._given: set[str] = set()

    def of(self, record: ConversationRecord) -> str:
        """``YYYYMMDD_HHMMSS[_name][_mail]_id-transcript.md``, or what kind of document it is: when it began (UTC), who
        was recorded (the part of the address before ``@``), and as much of the id as it takes, 8 characters where they
        do.

        The same records in the same order are given the same names.
        """
        stem = _stem(record)
        whole_id = _part(record.id, ID_MAX_BYTES, ID_MAX_BYTES)
        name = f"{stem}_{whole_id[:ID_CHARS]}{self._suffix}"
        count = 1
        while _folded(name) in self._given:
            number = f"-{count}" if count > 1 else ""
            name = f"{stem}_{whole_id}{number}{self._suffix}"
            count += 1
        self._given.add(_folded(name))
        return name


def _stem(record: ConversationRecord) -> str:
    parts = [
        f"{moment(record.began_at):%Y%m%d_%H%M%S}",
        _part(record.name, NAME_MAX_CHARS, NAME_MAX_BYTES),
        _part(record.email.partition("@")[0], ADDRESS_MAX_CHARS, ADDRESS_MAX_BYTES),
    ]
    return "_".join(part for part in parts if part)


def _part(text: str, most_chars: int, most_bytes: int) -> str:
    return file_stem(text, "", most_bytes)[:most_chars].strip(" .-")


def _folded(name: str) -> str:
    """Equal for names that some file system takes for one: they differ in case, or in how an accent is written."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", name).casefold())
