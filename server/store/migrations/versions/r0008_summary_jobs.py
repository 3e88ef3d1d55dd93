"""Summaries that somebody asked for: what they are to be made of, and what became of them."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "summary_jobs",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("owner", sa.Text()),
        sa.Column("transcript_id", sa.String(36)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("progress", sa.Integer(), nullable=False),
        sa.Column("result", sa.Text()),
        sa.Column("error", sa.Text()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("leased_until", sa.Double()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("finished_at", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_summary_jobs"),
        sa.ForeignKeyConstraint(
            ["transcript_id"],
            ["transcripts.id"],
            name="fk_summary_jobs_transcript_id_transcripts",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_summary_jobs_owner_created_at", "summary_jobs", ["owner", "created_at"])
    op.create_index("ix_summary_jobs_state_created_at", "summary_jobs", ["state", "created_at"])
    op.create_index("ix_summary_jobs_finished_at", "summary_jobs", ["finished_at"])
    op.create_index("ix_summary_jobs_transcript_id", "summary_jobs", ["transcript_id"])
