"""In which folder the pictures of a part of a meeting lie, who lets them grow, and whether all are in the bucket."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.add_column("meeting_parts", sa.Column("kept_in", sa.String(36)))
    op.add_column("meeting_parts", sa.Column("kept_by", sa.String(36)))
    op.add_column("meeting_parts", sa.Column("kept_turn", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("meeting_parts", sa.Column("is_remote", sa.Boolean(), nullable=False, server_default=sa.false()))
    left = sa.text("NOT is_remote AND kind <> 'audio'")
    op.create_index(
        "ix_meeting_parts_left", "meeting_parts", ["kept_in", "id"], sqlite_where=left, postgresql_where=left
    )
