"""What was said is indexed by its words: FTS5 on SQLite, a text search vector on PostgreSQL; what is there, too.

The words are cut as ``server/store/search_words.py`` did when this was written. It is a copy: where that changes, a
later revision indexes anew, and this one stays what it was.
"""

import json
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

ROWS = 500  # read and written at once

# The words come spelled in ASCII and separated by spaces: nothing is left to the tokenizer but to cut at them.
SQLITE = (
    "CREATE VIRTUAL TABLE passages_index USING fts5(words, content='passages', content_rowid='id', tokenize='ascii')",
    "CREATE TRIGGER passages_inserted AFTER INSERT ON passages BEGIN"
    " INSERT INTO passages_index(rowid, words) VALUES (new.id, new.words); END",
    "CREATE TRIGGER passages_deleted AFTER DELETE ON passages BEGIN"
    " INSERT INTO passages_index(passages_index, rowid, words) VALUES ('delete', old.id, old.words); END",
    "CREATE TRIGGER passages_updated AFTER UPDATE ON passages BEGIN"
    " INSERT INTO passages_index(passages_index, rowid, words) VALUES ('delete', old.id, old.words);"
    " INSERT INTO passages_index(rowid, words) VALUES (new.id, new.words); END",
)
POSTGRESQL = (
    "ALTER TABLE passages ADD COLUMN lexemes tsvector"
    " GENERATED ALWAYS AS (to_tsvector('simple'::regconfig, words)) STORED",
    "CREATE INDEX ix_passages_lexemes ON passages USING gin (lexemes)",
)

passages = sa.table("passages", *map(sa.column, ("transcript_id", "kind", "segment_id", "text", "words")))
segments = sa.table("segments", *map(sa.column, ("transcript_id", "segment_id", "seq", "newest", "body")))
transcripts = sa.table("transcripts", *map(sa.column, ("id", "name", "title", "summary")))


def upgrade() -> None:
    op.add_column("passages", sa.Column("words", sa.Text(), server_default="", nullable=False))
    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRESQL:
        op.execute(statement)
    _fill_about()
    _fill_segments()


def _fill_about() -> None:
    last = ""
    while True:
        query = sa.select(transcripts).where(transcripts.c.id > last).order_by(transcripts.c.id).limit(ROWS)
        rows = op.get_bind().execute(query).all()
        found = []
        for row in rows:
            summary = _summary_text(json.loads(row.summary)) if row.summary else ""
            for kind, text in (("name", row.name), ("title", row.title), ("summary", summary)):
                if text.strip():
                    found.append(_row(row.id, kind, None, text))
        _insert(found)
        if len(rows) < ROWS:
            return
        last = rows[-1].id


def _fill_segments() -> None:
    last = ("", "")
    # The column comes as what the table says it is: a literal fits both databases.
    newest = sa.text("newest" if op.get_bind().dialect.name == "postgresql" else "newest = 1")
    while True:
        key = sa.tuple_(segments.c.transcript_id, segments.c.segment_id)
        after = sa.tuple_(sa.literal(last[0]), sa.literal(last[1]))
        query = (
            sa.select(segments.c.transcript_id, segments.c.segment_id, segments.c.body)
            .where(newest, key > after)
            .order_by(segments.c.transcript_id, segments.c.segment_id)
            .limit(ROWS)
        )
        rows = op.get_bind().execute(query).all()
        texts = [(row, json.loads(row.body)["text"]) for row in rows]
        _insert([_row(row.transcript_id, "segment", row.segment_id, text) for row, text in texts if text.strip()])
        if len(rows) < ROWS:
            return
        last = (rows[-1].transcript_id, rows[-1].segment_id)


def _row(transcript_id: str, kind: str, segment_id: str | None, text: str) -> dict[str, str | None]:
    return {
        "transcript_id": transcript_id,
        "kind": kind,
        "segment_id": segment_id,
        "text": text.replace("\x00", ""),
        "words": _indexed(text),
    }


def _insert(rows: list[dict[str, str | None]]) -> None:
    if rows:
        op.get_bind().execute(sa.insert(passages), rows)


def _summary_text(summary: dict[str, Any]) -> str:
    parts: list[str] = []
    for value in summary.values():
        parts += [value] if isinstance(value, str) else [str(each) for each in value or ()]
    return "\n".join(parts)


WORD_MAX_CHARS = 40
INDEXED_MAX_WORDS = 10_000
_ASCII_WORD = re.compile("[A-Za-z0-9]+")
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ŧ": "t", "ı": "i", "æ": "ae", "œ": "oe"})
_UNSPACED = (
    *((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x31F0, 0x31FF)),
    *((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF)),
)


def _indexed(text: str) -> str:
    words = (word[:WORD_MAX_CHARS] for word in islice(_words(text), INDEXED_MAX_WORDS))
    return " ".join(f"w{word}" if word.isascii() else f"x{word.encode().hex()}" for word in words)


def _words(text: str) -> Iterator[str]:
    if text.isascii():
        yield from (match[0].lower() for match in _ASCII_WORD.finditer(text))
        return
    word = ""
    for at, char in enumerate(text):
        folded, is_letter, is_alone = _fold(char)
        if word and (is_alone or not (is_letter or folded is None)):
            yield word
            word = ""
        if is_letter and folded:
            word += folded
        if word and is_alone and not unicodedata.category(text[at + 1 : at + 2] or " ").startswith("M"):
            yield word
            word = ""
    if word:
        yield word


@lru_cache(maxsize=8192)
def _fold(char: str) -> tuple[str | None, bool, bool]:
    category = unicodedata.category(char)
    if unicodedata.combining(char) or category == "Cf":
        return None, False, False
    if category[0] not in "LNM":
        return "", False, False
    taken_apart = unicodedata.normalize("NFKD", char)
    bare = "".join(part for part in taken_apart if not unicodedata.combining(part))
    folded = unicodedata.normalize("NFC", bare).casefold().translate(_PLAIN)
    folded = "".join(part for part in folded if unicodedata.category(part)[0] in "LNM")
    is_alone = category[0] == "L" and any(first <= ord(char) <= last for first, last in _UNSPACED)
    return folded, bool(folded), is_alone
