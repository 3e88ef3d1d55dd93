"""Titles made of conversations, reports of projects with what they are made of, and who wants to be told of them."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "conversation_summaries",
        sa.Column("conversation_id", sa.String(36), nullable=False),
        sa.Column("made_for", sa.Double(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", name="pk_conversation_summaries"),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name="fk_conversation_summaries_conversation_id_conversations",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "reports",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("project_id", sa.String(36), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("is_published", sa.Boolean(), nullable=False),
        sa.Column("conversations", sa.Integer(), nullable=False),
        sa.Column("digested", sa.Integer(), nullable=False),
        sa.Column("after_at", sa.Double(), nullable=False),
        sa.Column("after_id", sa.String(36), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.Column("finished_at", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_reports"),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name="fk_reports_project_id_projects", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_reports_project_id_created_at", "reports", ["project_id", "created_at"])
    op.create_index("ix_reports_state_created_at", "reports", ["state", "created_at"])
    op.create_table(
        "report_digests",
        sa.Column("report_id", sa.String(36), nullable=False),
        sa.Column("conversation_id", sa.String(36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("report_id", "conversation_id", name="pk_report_digests"),
        sa.ForeignKeyConstraint(
            ["report_id"], ["reports.id"], name="fk_report_digests_report_id_reports", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_report_digests_report_id_number", "report_digests", ["report_id", "number"])
    op.create_index("ix_report_digests_conversation_id", "report_digests", ["conversation_id"])
    op.create_table(
        "report_subscriptions",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("project_id", sa.String(36), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("opted_in", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_report_subscriptions"),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name="fk_report_subscriptions_project_id_projects", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("project_id", "email", name="uq_report_subscriptions_project_id_email"),
    )
    op.create_index(
        "ix_report_subscriptions_project_id_created_at", "report_subscriptions", ["project_id", "created_at"]
    )
