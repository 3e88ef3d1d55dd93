"""In which folder the file of a track lies, and whether all of it is in the bucket; what is to be removed there."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("tracks", sa.Column("kept_in", sa.String(36)))
    op.add_column("tracks", sa.Column("kept_turn", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("tracks", sa.Column("is_remote", sa.Boolean(), nullable=False, server_default=sa.false()))
    left = sa.text("NOT is_remote")
    op.create_index("ix_tracks_left", "tracks", ["kept_in", "id"], sqlite_where=left, postgresql_where=left)
    op.create_table(
        "gone_sound",
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("gone_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("path", name="pk_gone_sound"),
    )
