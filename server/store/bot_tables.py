"""The tables of bots that attend meetings, and of what they bring. As ``server.store.tables``."""

from __future__ import annotations

import sqlalchemy as sa

from server.store.tables import metadata

_PICTURES_LEFT = sa.text("NOT is_remote AND kind <> 'audio'")

# A bot, and the transcript that it makes, with which it goes. ``began_at``: when its recording did, which all its times
# are counted from, by its clock, which was ``ahead_s`` ahead of ours; ``left_at``: since when nothing more is taken;
# ``paused_at``: since when what it sends is not recorded. ``signing_secret``: with which it signs that it connects.
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
    sa.Column("paused_at", sa.Double),
    sa.Column("signing_secret", sa.Text),
    sa.Index(None, "created_at", "id"),
)

# Stretches of one participant's sound, camera or screen, in seconds since the recording began. ``end_s`` None: it goes
# on, or nobody said that it ended. Of pictures, where there is a bucket: the data folder that has them (``kept_in``;
# NULL: nobody said), the node that lets them grow (``kept_by``), how many times one began to, and whether all of them
# are in the bucket.
meeting_parts = sa.Table(
    "meeting_parts",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("transcript_id", sa.String(36), sa.ForeignKey("transcripts.id", ondelete="CASCADE"), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("participant_id", sa.BigInteger, nullable=False),
    sa.Column("start_s", sa.Double, nullable=False),
    sa.Column("end_s", sa.Double),
    sa.Column("kept_in", sa.String(36)),
    sa.Column("kept_by", sa.String(36)),
    sa.Column("kept_turn", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("is_remote", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index(None, "transcript_id", "start_s"),
    sa.Index("ix_meeting_parts_left", "kept_in", "id", sqlite_where=_PICTURES_LEFT, postgresql_where=_PICTURES_LEFT),
)

# What was told of a participant last, with whatever message (``told``, JSON).
meeting_participants = sa.Table(
    "meeting_participants",
    metadata,
    sa.Column("transcript_id", sa.String(36), sa.ForeignKey("transcripts.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("participant_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("told", sa.Text, nullable=False),
)

# What other recognisers sent of a meeting, as they sent it (``payload``, JSON).
provider_parts = sa.Table(
    "provider_parts",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("transcript_id", sa.String(36), sa.ForeignKey("transcripts.id", ondelete="CASCADE"), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("event", sa.String(64), nullable=False),
    sa.Column("participant", sa.Text),  # JSON
    sa.Column("offset_s", sa.Double, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Index(None, "transcript_id", "created_at"),
)

# Where what happens in a meeting is delivered to while it does. ``delivered_seq``: of the newest event of the journal
# that was taken there.
realtime_endpoints = sa.Table(
    "realtime_endpoints",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("transcript_id", sa.String(36), sa.ForeignKey("transcripts.id", ondelete="CASCADE"), nullable=False),
    sa.Column("type", sa.String(16), nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("events", sa.Text, nullable=False),  # JSON
    sa.Column("secret", sa.Text, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("sub_code", sa.String(64)),
    sa.Column("delivered_seq", sa.Integer, nullable=False, server_default="0"),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Index(None, "transcript_id"),
    sa.Index(None, "status"),
)
