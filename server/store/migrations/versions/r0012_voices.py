"""Voices that are told apart: what tracks were asked, what each voice is called, and what later passes know them by."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("tracks", sa.Column("diarize", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("tracks", sa.Column("speakers_expected", sa.Integer()))
    op.add_column("tracks", sa.Column("max_speakers", sa.Integer()))
    op.add_column("tracks", sa.Column("printed_samples", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("tracks", sa.Column("grouped_samples", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("uploads", sa.Column("diarize", sa.Boolean()))
    op.add_column("uploads", sa.Column("speakers_expected", sa.Integer()))
    op.add_column("uploads", sa.Column("max_speakers", sa.Integer()))
    op.create_table(
        "track_voices",
        sa.Column("transcript_id", sa.String(36), nullable=False),
        sa.Column("track_id", sa.String(36), nullable=False),
        sa.Column("voice", sa.Integer(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("track_id", "voice", name="pk_track_voices"),
        sa.ForeignKeyConstraint(
            ["transcript_id"], ["transcripts.id"], name="fk_track_voices_transcript_id_transcripts", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["track_id"], ["tracks.id"], name="fk_track_voices_track_id_tracks", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_track_voices_transcript_id", "track_voices", ["transcript_id"])
    op.create_table(
        "voice_prints",
        sa.Column("transcript_id", sa.String(36), nullable=False),
        sa.Column("track_id", sa.String(36), nullable=False),
        sa.Column("start_samples", sa.BigInteger(), nullable=False),
        sa.Column("end_samples", sa.BigInteger(), nullable=False),
        sa.Column("encoder", sa.String(64), nullable=False),
        sa.Column("dim", sa.Integer(), nullable=False),
        sa.Column("steps", sa.Text(), nullable=False),
        sa.Column("embeddings", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("track_id", "start_samples", name="pk_voice_prints"),
        sa.ForeignKeyConstraint(
            ["transcript_id"], ["transcripts.id"], name="fk_voice_prints_transcript_id_transcripts", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["track_id"], ["tracks.id"], name="fk_voice_prints_track_id_tracks", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_voice_prints_transcript_id", "voice_prints", ["transcript_id"])
