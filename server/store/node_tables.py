"""The tables of nodes that share the database, and of what one of them does for all. As ``server.store.tables``."""

from __future__ import annotations

import sqlalchemy as sa

from server.store.tables import metadata

# ``url``: where clients reach it and no other, if it has such an address; ``keys_digest``: of the keys it signs with.
# ``seen_at`` is by the clock of the database, which is the same for all; ``left_at``: since when it is no more, as it
# said itself or others found.
nodes = sa.Table(
    "nodes",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("keys_digest", sa.String(64), nullable=False),
    sa.Column("seen_at", sa.Double, nullable=False),
    sa.Column("left_at", sa.Double),
)

# What is done once in the whole fleet, by its name; ``node_id``: by whom, for as long as that node is there.
duties = sa.Table(
    "duties",
    metadata,
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("node_id", sa.String(36), nullable=False),
)
