"""Parts of a meeting, what other recognisers sent of it, where it is delivered to, and recordings that pause."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("bots", sa.Column("paused_at", sa.Double()))
    op.add_column("bots", sa.Column("signing_secret", sa.Text()))
    op.create_table(
        "meeting_parts",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("transcript_id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("participant_id", sa.BigInteger(), nullable=False),
        sa.Column("start_s", sa.Double(), nullable=False),
        sa.Column("end_s", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_meeting_parts"),
        sa.ForeignKeyConstraint(
            ["transcript_id"], ["transcripts.id"], name="fk_meeting_parts_transcript_id_transcripts", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_meeting_parts_transcript_id_start_s", "meeting_parts", ["transcript_id", "start_s"])
    op.create_table(
        "provider_parts",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("transcript_id", sa.String(36), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("event", sa.String(64), nullable=False),
        sa.Column("participant", sa.Text()),
        sa.Column("offset_s", sa.Double(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_provider_parts"),
        sa.ForeignKeyConstraint(
            ["transcript_id"],
            ["transcripts.id"],
            name="fk_provider_parts_transcript_id_transcripts",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_provider_parts_transcript_id_created_at", "provider_parts", ["transcript_id", "created_at"])
    op.create_table(
        "realtime_endpoints",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("transcript_id", sa.String(36), nullable=False),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("sub_code", sa.String(64)),
        sa.Column("delivered_seq", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_realtime_endpoints"),
        sa.ForeignKeyConstraint(
            ["transcript_id"],
            ["transcripts.id"],
            name="fk_realtime_endpoints_transcript_id_transcripts",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_realtime_endpoints_transcript_id", "realtime_endpoints", ["transcript_id"])
    op.create_index("ix_realtime_endpoints_status", "realtime_endpoints", ["status"])
