"""Speakers that people made one, so that it can be undone."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.create_table(
        "speaker_merges",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("transcript_id", sa.String(36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("undone_as", sa.Text()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_speaker_merges"),
        sa.ForeignKeyConstraint(
            ["transcript_id"],
            ["transcripts.id"],
            name="fk_speaker_merges_transcript_id_transcripts",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_speaker_merges_transcript_id", "speaker_merges", ["transcript_id"])
