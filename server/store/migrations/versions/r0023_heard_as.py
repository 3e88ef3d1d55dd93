"""How a track is to be heard, as its source asked, for whoever goes on with it."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.add_column("tracks", sa.Column("asked", sa.Text()))
