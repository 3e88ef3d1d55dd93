"""Whose a transcript is and who may see it; participants, passages, uploads, keys, tickets, rooms and meetings."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.Column("last_used_at", sa.Double(), nullable=True),
        sa.Column("revoked_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("hash", name=op.f("uq_api_keys_hash")),
    )
    op.create_index(op.f("ix_api_keys_owner"), "api_keys", ["owner"], unique=False)
    op.create_table(
        "counters",
        sa.Column("name", sa.String(length=36), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_counters")),
    )
    op.create_table(
        "rooms",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("platform", sa.String(length=16), nullable=False),
        sa.Column("share_mode", sa.String(length=16), nullable=False),
        sa.Column("is_locked", sa.Boolean(), nullable=False),
        sa.Column("language", sa.String(length=35), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.Column("deleted_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rooms")),
    )
    op.create_index(
        op.f("ix_rooms_name"),
        "rooms",
        ["name"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(op.f("ix_rooms_owner_created_at"), "rooms", ["owner", "created_at"], unique=False)
    op.create_table(
        "tickets",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_tickets")),
    )
    op.create_index(op.f("ix_tickets_expires_at"), "tickets", ["expires_at"], unique=False)
    op.create_table(
        "meetings",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("room_id", sa.String(length=36), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("platform", sa.String(length=16), nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("room_url", sa.Text(), nullable=False),
        sa.Column("host_room_url", sa.Text(), nullable=True),
        sa.Column("transcript_id", sa.String(length=36), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("starts_at", sa.Double(), nullable=False),
        sa.Column("ends_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("fk_meetings_room_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meetings")),
    )
    op.create_index(op.f("ix_meetings_owner_created_at"), "meetings", ["owner", "created_at"], unique=False)
    op.create_index(op.f("ix_meetings_room_id_state"), "meetings", ["room_id", "state"], unique=False)
    op.create_index(op.f("ix_meetings_state"), "meetings", ["state"], unique=False)
    op.create_table(
        "participants",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("transcript_id", sa.String(length=36), nullable=False),
        sa.Column("speaker", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["transcript_id"], ["transcripts.id"], name=op.f("fk_participants_transcript_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_participants")),
    )
    op.create_index(op.f("ix_participants_transcript_id"), "participants", ["transcript_id"], unique=False)
    op.create_table(
        "passages",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("transcript_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("segment_id", sa.String(length=64), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["transcript_id"], ["transcripts.id"], name=op.f("fk_passages_transcript_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passages")),
    )
    op.create_index(
        op.f("ix_passages_transcript_id_kind_segment_id"),
        "passages",
        ["transcript_id", "kind", "segment_id"],
        unique=False,
    )
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("transcript_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("language", sa.String(length=35), nullable=True),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("length_bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["transcript_id"], ["transcripts.id"], name=op.f("fk_uploads_transcript_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
    )
    op.create_index(op.f("ix_uploads_transcript_id"), "uploads", ["transcript_id"], unique=False)
    op.create_table(
        "attendances",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("meeting_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("joined_at", sa.Double(), nullable=False),
        sa.Column("left_at", sa.Double(), nullable=True),
        sa.Column("consent", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(
            ["meeting_id"], ["meetings.id"], name=op.f("fk_attendances_meeting_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attendances")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_attendances_token_hash")),
    )
    op.create_index(op.f("ix_attendances_meeting_id"), "attendances", ["meeting_id"], unique=False)
    op.create_table(
        "upload_chunks",
        sa.Column("upload_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("length_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["upload_id"], ["uploads.id"], name=op.f("fk_upload_chunks_upload_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("upload_id", "number", name=op.f("pk_upload_chunks")),
    )
    op.add_column("transcripts", sa.Column("title", sa.Text(), server_default="", nullable=False))
    op.add_column("transcripts", sa.Column("source_kind", sa.String(length=16), server_default="live", nullable=False))
    op.add_column(
        "transcripts", sa.Column("share_mode", sa.String(length=16), server_default="private", nullable=False)
    )
    op.add_column("transcripts", sa.Column("locked", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("transcripts", sa.Column("audio_deleted", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("transcripts", sa.Column("deleted_at", sa.Double(), nullable=True))
    op.add_column("transcripts", sa.Column("destroyed_at", sa.Double(), nullable=True))
    op.add_column("transcripts", sa.Column("room_id", sa.String(length=36), nullable=True))
    op.add_column("transcripts", sa.Column("meeting_id", sa.String(length=36), nullable=True))
    op.add_column("transcripts", sa.Column("change_seq", sa.BigInteger(), server_default="0", nullable=False))
    op.create_index(op.f("ix_transcripts_change_seq"), "transcripts", ["change_seq"], unique=False)
    op.create_index(op.f("ix_transcripts_owner_created_at"), "transcripts", ["owner", "created_at"], unique=False)
    op.create_index(op.f("ix_transcripts_room_id"), "transcripts", ["room_id"], unique=False)
    # What is there already was never numbered: whoever reads from 0 on must see it, too.
    op.execute(
        "UPDATE transcripts SET change_seq = numbered.number FROM"
        " (SELECT id, row_number() OVER (ORDER BY created_at, id) AS number FROM transcripts) AS numbered"
        " WHERE numbered.id = transcripts.id"
    )
    op.execute("INSERT INTO counters (name, value) SELECT 'changes', count(*) FROM transcripts")
    op.execute(
        "UPDATE transcripts SET source_kind = 'file'"
        " WHERE EXISTS (SELECT 1 FROM tracks WHERE transcript_id = transcripts.id)"
        " AND NOT EXISTS (SELECT 1 FROM tracks WHERE transcript_id = transcripts.id AND source <> 'file')"
    )
