"""The table of sound that is gone, and may still lie in the bucket. As ``server.store.tables``."""

from __future__ import annotations

import sqlalchemy as sa

from server.store.tables import metadata

# ``path``: of a track, or a transcript's id. The row goes when nothing of it is left there, and nothing can come.
gone_sound = sa.Table(
    "gone_sound",
    metadata,
    sa.Column("path", sa.Text, primary_key=True),
    sa.Column("gone_at", sa.Double, nullable=False),
)
