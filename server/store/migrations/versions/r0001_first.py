"""The first tables: transcripts, tracks, events, segments."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _transcript_id(table: str) -> tuple[sa.Column[str], sa.ForeignKeyConstraint]:
    name = f"fk_{table}_transcript_id"
    return (
        sa.Column("transcript_id", sa.String(36), nullable=False),
        sa.ForeignKeyConstraint(["transcript_id"], ["transcripts.id"], name=name, ondelete="CASCADE"),
    )


def upgrade() -> None:
    op.create_table(
        "transcripts",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("language", sa.String(35), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("summary", sa.Text),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        sa.Column("segments", sa.BigInteger, nullable=False),
        sa.Column("words", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_transcripts"),
    )
    op.create_index("ix_transcripts_created_at_id", "transcripts", ["created_at", "id"])
    op.create_index("ix_transcripts_state", "transcripts", ["state"])
    op.create_table(
        "tracks",
        sa.Column("id", sa.String(36), nullable=False),
        *_transcript_id("tracks"),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("speaker", sa.Text),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("length_samples", sa.BigInteger, nullable=False),
        sa.Column("transcribed_samples", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tracks"),
    )
    op.create_index("ix_tracks_transcript_id_started_at", "tracks", ["transcript_id", "started_at"])
    op.create_table(
        "events",
        *_transcript_id("events"),
        sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("key", sa.String(32), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("transcript_id", "seq", name="pk_events"),
        sa.UniqueConstraint("key", name="uq_events_key"),
    )
    op.create_table(
        "segments",
        *_transcript_id("segments"),
        sa.Column("segment_id", sa.String(64), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("newest", sa.Boolean, nullable=False),
        sa.Column("starts_at", sa.Double, nullable=False),
        sa.Column("track_started_at", sa.Double, nullable=False),
        sa.Column("words", sa.Integer, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("transcript_id", "segment_id", "seq", name="pk_segments"),
    )
    op.create_index(
        "ix_segments_transcript_id_newest_starts_at_segment_id",
        "segments",
        ["transcript_id", "newest", "starts_at", "segment_id"],
    )
