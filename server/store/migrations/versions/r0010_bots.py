"""Bots that attend meetings."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "bots",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("transcript_id", sa.String(36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("meeting_url", sa.Text()),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("language", sa.String(16)),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("began_at", sa.Double()),
        sa.Column("ahead_s", sa.Double(), nullable=False, server_default="0"),
        sa.Column("left_at", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_bots"),
        sa.UniqueConstraint("transcript_id", name="uq_bots_transcript_id"),
        sa.UniqueConstraint("token_hash", name="uq_bots_token_hash"),
        sa.ForeignKeyConstraint(
            ["transcript_id"], ["transcripts.id"], name="fk_bots_transcript_id_transcripts", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_bots_created_at_id", "bots", ["created_at", "id"])
