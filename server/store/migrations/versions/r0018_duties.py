"""What is done once in the whole fleet, and which node does it."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "duties",
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("node_id", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_duties"),
    )
