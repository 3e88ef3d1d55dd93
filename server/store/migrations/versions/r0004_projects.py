"""Projects, in which a host gathers conversations, and their tags."""

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
