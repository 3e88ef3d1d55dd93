"""Voices that hosts had enrolled to be recognised, and who was recognised where."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "enrolled_voices",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("owner", sa.Text()),
        sa.Column("project_id", sa.String(36)),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("encoder", sa.String(64), nullable=False),
        sa.Column("dim", sa.Integer(), nullable=False),
        sa.Column("embedding", sa.LargeBinary(), nullable=False),
        sa.Column("heard_samples", sa.BigInteger(), nullable=False),
        sa.Column("transcript_id", sa.String(36), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_enrolled_voices"),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name="fk_enrolled_voices_project_id_projects", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_enrolled_voices_owner_project_id", "enrolled_voices", ["owner", "project_id"])
    op.create_index("ix_enrolled_voices_project_id", "enrolled_voices", ["project_id"])
    op.create_table(
        "recognised_voices",
        sa.Column("transcript_id", sa.String(36), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("voice_id", sa.String(36), nullable=False),
        sa.Column("participant_id", sa.String(36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("transcript_id", "label", name="pk_recognised_voices"),
        sa.ForeignKeyConstraint(
            ["transcript_id"],
            ["transcripts.id"],
            name="fk_recognised_voices_transcript_id_transcripts",
            ondelete="CASCADE",
        ),
    )
