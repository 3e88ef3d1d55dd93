"""Lists of transcripts of one state, the newest first, are read from an index, and so is how many there are."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    listed = sa.text("deleted_at IS NULL")
    # ``deleted_at`` itself so that SQLite counts without the table.
    op.create_index(
        "ix_transcripts_listed",
        "transcripts",
        ["state", "created_at", "id", "deleted_at"],
        sqlite_where=listed,
        postgresql_where=listed,
    )
