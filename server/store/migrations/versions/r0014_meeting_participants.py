"""What bots tell of participants with their sound and pictures; since when a transcript stands where it does."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column("transcripts", sa.Column("state_at", sa.Double()))
    op.execute("UPDATE transcripts SET state_at = updated_at")
    op.create_table(
        "meeting_participants",
        sa.Column("transcript_id", sa.String(36), nullable=False),
        sa.Column("participant_id", sa.BigInteger(), nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("transcript_id", "participant_id", name="pk_meeting_participants"),
        sa.ForeignKeyConstraint(
            ["transcript_id"],
            ["transcripts.id"],
            name="fk_meeting_participants_transcript_id_transcripts",
            ondelete="CASCADE",
        ),
    )
