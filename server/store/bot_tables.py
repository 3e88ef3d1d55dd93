"""The table of bots that attend meetings. As ``server.store.tables``."""

from __future__ import annotations

import sqlalchemy as sa

from server.store.tables import metadata

# A bot, and the transcript that it makes, with which it goes. ``began_at``: when its recording did, which all its times
# are counted from, by its clock, which was ``ahead_s`` ahead of ours; ``left_at``: since when nothing more is taken.
bots = sa.Table(
    "bots",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column(
        "transcript_id", sa.String(36), sa.ForeignKey("transcripts.id", ondelete="CASCADE"), nullable=False, unique=True
    ),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("meeting_url", sa.Text),
    sa.Column("metadata", sa.Text, nullable=False),  # JSON
    sa.Column("language", sa.String(16)),
    sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("began_at", sa.Double),
    sa.Column("ahead_s", sa.Double, nullable=False, server_default="0"),
    sa.Column("left_at", sa.Double),
    sa.Index(None, "created_at", "id"),
)
