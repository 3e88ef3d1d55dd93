"""The tables, the same on SQLite and PostgreSQL. A change here needs a revision in ``migrations/versions``.

Times are epoch seconds (``*_at``) or samples at 16 kHz (``*_samples``). Bodies of events and segments are JSON text:
what is read back is what was told, whatever the database thinks of JSON.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

transcripts = sa.Table(
    "transcripts",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("language", sa.String(35), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Column("owner", sa.Text),
    sa.Column("summary", sa.Text),  # JSON
    sa.Column("last_seq", sa.BigInteger, nullable=False),
    sa.Column("segments", sa.BigInteger, nullable=False),
    sa.Column("words", sa.BigInteger, nullable=False),
    sa.Index(None, "created_at", "id"),
    sa.Index(None, "state"),
)


def _transcript_id() -> sa.Column[str]:
    return sa.Column(
        "transcript_id", sa.String(36), sa.ForeignKey("transcripts.id", ondelete="CASCADE"), nullable=False
    )


tracks = sa.Table(
    "tracks",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    _transcript_id(),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("speaker", sa.Text),
    sa.Column("started_at", sa.Double, nullable=False),
    sa.Column("length_samples", sa.BigInteger, nullable=False),
    sa.Column("transcribed_samples", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("source", sa.String(16), nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Index(None, "transcript_id", "started_at"),
)

events = sa.Table(
    "events",
    metadata,
    _transcript_id(),
    sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False),
    sa.Column("at", sa.Double, nullable=False),
    # Names one append, so that trying again after a lost answer stores nothing twice.
    sa.Column("key", sa.String(32), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.PrimaryKeyConstraint("transcript_id", "seq"),
    sa.UniqueConstraint("key"),
)

# Every version of every segment; ``newest`` marks the one that readers of the whole transcript see.
segments = sa.Table(
    "segments",
    metadata,
    _transcript_id(),
    sa.Column("segment_id", sa.String(64), nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False),
    sa.Column("newest", sa.Boolean, nullable=False),
    sa.Column("starts_at", sa.Double, nullable=False),
    sa.Column("track_started_at", sa.Double, nullable=False),
    sa.Column("words", sa.Integer, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.PrimaryKeyConstraint("transcript_id", "segment_id", "seq"),
    sa.Index(None, "transcript_id", "newest", "starts_at", "segment_id"),
)
