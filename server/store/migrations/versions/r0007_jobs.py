"""Files by a recogniser of somebody's choice: what each job asked for, and by which model a track is to be heard."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("tracks", sa.Column("model", sa.String(64)))
    op.create_table(
        "jobs",
        sa.Column("transcript_id", sa.String(36), nullable=False),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("diarize", sa.Boolean(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("cancelled_at", sa.Double()),
        sa.PrimaryKeyConstraint("transcript_id", name="pk_jobs"),
        sa.ForeignKeyConstraint(
            ["transcript_id"], ["transcripts.id"], name="fk_jobs_transcript_id_transcripts", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_jobs_created_at", "jobs", ["created_at"])
