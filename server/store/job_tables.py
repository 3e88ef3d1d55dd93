"""The tables of what is made for whoever asks, in the background. As ``server.store.tables``."""

from __future__ import annotations

import sqlalchemy as sa

from server.store.tables import metadata

# A summary that somebody asked for. ``body``: what it is to be made of, until it is made; ``transcript_id``: or which
# transcript, with which it goes. ``leased_until``: nobody else makes it until then.
summary_jobs = sa.Table(
    "summary_jobs",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("owner", sa.Text),
    sa.Column("transcript_id", sa.String(36), sa.ForeignKey("transcripts.id", ondelete="CASCADE")),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("body", sa.Text, nullable=False),  # JSON, in lines
    sa.Column("progress", sa.Integer, nullable=False),  # per cent
    sa.Column("result", sa.Text),  # JSON
    sa.Column("error", sa.Text),  # JSON
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("leased_until", sa.Double),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("finished_at", sa.Double),
    sa.Index(None, "owner", "created_at"),
    sa.Index(None, "state", "created_at"),
    sa.Index(None, "finished_at"),
    sa.Index(None, "transcript_id"),
)
