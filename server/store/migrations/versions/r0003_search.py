"""What was said is indexed by its words: FTS5 on SQLite, a text search vector on PostgreSQL; what is there, too."""

import json

import sqlalchemy as sa
from alembic import op

from server.store.passages import summary_text
from server.store.search_words import indexed

revision = "0003"
down_revision = "0002"

ROWS = 500  # read and written at once

# The words come spelled in ASCII and separated by spaces (server/store/search_words.py): nothing is left to the
# tokenizer but to cut at them.
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
            summary = summary_text(json.loads(row.summary)) if row.summary else ""
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
        "words": indexed(text),
    }


def _insert(rows: list[dict[str, str | None]]) -> None:
    if rows:
        op.get_bind().execute(sa.insert(passages), rows)
