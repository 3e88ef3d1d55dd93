"""Nodes that share the database, and which of them holds a transcript."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "nodes",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("keys_digest", sa.String(64), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.Column("left_at", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_nodes"),
    )
    op.add_column("transcripts", sa.Column("held_by", sa.String(36)))
    op.create_index("ix_transcripts_held_by", "transcripts", ["held_by"])
    # Whoever worked on them was no node yet, and is no more: the first that comes takes them over.
    op.execute(
        "UPDATE transcripts SET held_by = 'before' WHERE state IN ('recording', 'paused', 'processing')"
        " OR EXISTS (SELECT 1 FROM tracks WHERE tracks.transcript_id = transcripts.id AND tracks.state = 'open')"
    )
