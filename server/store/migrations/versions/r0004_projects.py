"""Projects, in which a host gathers conversations, with their tags; conversations, and the chunks they come in."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "projects",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("owner", sa.Text()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("language", sa.String(35), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("portal", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.Column("deleted_at", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_projects"),
    )
    op.create_index("ix_projects_owner_created_at", "projects", ["owner", "created_at"])
    op.create_table(
        "project_tags",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("project_id", sa.String(36), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_project_tags"),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name="fk_project_tags_project_id_projects", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_project_tags_project_id_created_at", "project_tags", ["project_id", "created_at"])
    op.create_table(
        "conversations",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("project_id", sa.String(36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text()),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("redacts", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.Column("finished_at", sa.Double()),
        sa.Column("finished_by", sa.String(16)),
        sa.Column("expected_chunks", sa.Integer()),
        sa.Column("closed_at", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_conversations"),
        sa.ForeignKeyConstraint(["id"], ["transcripts.id"], name="fk_conversations_id_transcripts", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name="fk_conversations_project_id_projects", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_conversations_project_id_created_at", "conversations", ["project_id", "created_at"])
    op.create_index("ix_conversations_closed_at_seen_at", "conversations", ["closed_at", "seen_at"])
    op.create_table(
        "chunks",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("conversation_id", sa.String(36), nullable=False),
        sa.Column("key", sa.Text()),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("said_at", sa.Double()),
        sa.Column("length_bytes", sa.BigInteger()),
        sa.Column("sha256", sa.String(64)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("track_id", sa.String(36), nullable=False),
        sa.Column("text", sa.Text()),
        sa.Column("error", sa.Text()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_chunks"),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name="fk_chunks_conversation_id_conversations",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_chunks_conversation_id_said_at", "chunks", ["conversation_id", "said_at"])
    op.create_index("ix_chunks_state_said_at", "chunks", ["state", "said_at"])
