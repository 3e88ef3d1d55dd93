"""When a chunk that could not be written down is tried again."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("chunks", sa.Column("next_try_at", sa.Double()))
