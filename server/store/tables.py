"""The tables, the same on SQLite and PostgreSQL. A change here needs a revision in ``migrations/versions``.

Times are epoch seconds (``*_at``) or samples at 16 kHz (``*_samples``). Bodies of events and segments are JSON text:
what is read back is what was told, whatever the database thinks of JSON.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

transcripts = sa.Table(
    "transcripts",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("language", sa.String(35), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Column("owner", sa.Text),
    sa.Column("summary", sa.Text),  # JSON
    sa.Column("last_seq", sa.BigInteger, nullable=False),
    sa.Column("segments", sa.BigInteger, nullable=False),
    sa.Column("words", sa.BigInteger, nullable=False),
    sa.Column("title", sa.Text, nullable=False, server_default=""),
    sa.Column("source_kind", sa.String(16), nullable=False, server_default="live"),
    sa.Column("share_mode", sa.String(16), nullable=False, server_default="private"),
    sa.Column("locked", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("audio_deleted", sa.Boolean, nullable=False, server_default=sa.false()),
    # In the bin, from where it can come back; and gone for good, but for this row, which tells those that keep copies.
    sa.Column("deleted_at", sa.Double),
    sa.Column("destroyed_at", sa.Double),
    sa.Column("room_id", sa.String(36)),
    sa.Column("meeting_id", sa.String(36)),
    # Of its latest change, from one counter for all transcripts: who has read up to one reads on from there.
    sa.Column("change_seq", sa.BigInteger, nullable=False, server_default="0"),
    sa.Index(None, "created_at", "id"),
    sa.Index(None, "state"),
    sa.Index(None, "change_seq"),
    sa.Index(None, "owner", "created_at"),
    sa.Index(None, "room_id"),
)

# Numbers that all nodes take from one row each; taken in the transaction that uses them, so they are seen in order.
counters = sa.Table(
    "counters",
    metadata,
    sa.Column("name", sa.String(36), primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)


def _transcript_id() -> sa.Column[str]:
    return sa.Column(
        "transcript_id", sa.String(36), sa.ForeignKey("transcripts.id", ondelete="CASCADE"), nullable=False
    )


tracks = sa.Table(
    "tracks",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    _transcript_id(),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("speaker", sa.Text),
    sa.Column("started_at", sa.Double, nullable=False),
    sa.Column("length_samples", sa.BigInteger, nullable=False),
    sa.Column("transcribed_samples", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("source", sa.String(16), nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Index(None, "transcript_id", "started_at"),
)

events = sa.Table(
    "events",
    metadata,
    _transcript_id(),
    sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False),
    sa.Column("at", sa.Double, nullable=False),
    # Names one append, so that trying again after a lost answer stores nothing twice.
    sa.Column("key", sa.String(32), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.PrimaryKeyConstraint("transcript_id", "seq"),
    sa.UniqueConstraint("key"),
)

# Every version of every segment; ``newest`` marks the one that readers of the whole transcript see.
segments = sa.Table(
    "segments",
    metadata,
    _transcript_id(),
    sa.Column("segment_id", sa.String(64), nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False),
    sa.Column("newest", sa.Boolean, nullable=False),
    sa.Column("starts_at", sa.Double, nullable=False),
    sa.Column("track_started_at", sa.Double, nullable=False),
    sa.Column("words", sa.Integer, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.PrimaryKeyConstraint("transcript_id", "segment_id", "seq"),
    sa.Index(None, "transcript_id", "newest", "starts_at", "segment_id"),
)

# Who takes part, as people call them. ``speaker`` is the label that segments carry; None: not heard yet.
participants = sa.Table(
    "participants",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    _transcript_id(),
    sa.Column("speaker", sa.Text),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("user_id", sa.Text),
    sa.Column("email", sa.Text),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Index(None, "transcript_id"),
)

# What can be found by its words: titles, summaries and final segments, a row each. The dialect says how it is indexed.
passages = sa.Table(
    "passages",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    _transcript_id(),
    sa.Column("kind", sa.String(16), nullable=False),  # title, summary or segment
    sa.Column("segment_id", sa.String(64)),
    sa.Column("text", sa.Text, nullable=False),
    # What the index is made of: see server/store/search_words.py. The index itself stands in the migration alone.
    sa.Column("words", sa.Text, nullable=False, server_default=""),
    sa.Index(None, "transcript_id", "kind", "segment_id"),
)

# A file that comes in chunks, until it is whole; the chunks' bytes lie in the folder of uploads.
uploads = sa.Table(
    "uploads",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    _transcript_id(),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("language", sa.String(35)),
    sa.Column("chunks", sa.Integer, nullable=False),
    sa.Column("length_bytes", sa.BigInteger),
    sa.Column("sha256", sa.String(64)),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Index(None, "transcript_id"),
)

upload_chunks = sa.Table(
    "upload_chunks",
    metadata,
    sa.Column("upload_id", sa.String(36), sa.ForeignKey("uploads.id", ondelete="CASCADE"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
    sa.Column("length_bytes", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.PrimaryKeyConstraint("upload_id", "number"),
)

# Keys that programs carry. The key itself is shown once and kept nowhere.
api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("owner", sa.Text),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("scopes", sa.Text, nullable=False),  # separated by spaces
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double),
    sa.Column("last_used_at", sa.Double),
    sa.Column("revoked_at", sa.Double),
    sa.UniqueConstraint("hash"),
    sa.Index(None, "owner"),
)

# A handshake's right to be who asked for the ticket: taken once, by whichever node it comes to.
tickets = sa.Table(
    "tickets",
    metadata,
    sa.Column("hash", sa.String(64), primary_key=True),
    sa.Column("body", sa.Text, nullable=False),  # JSON
    sa.Column("expires_at", sa.Double, nullable=False),
    sa.Index(None, "expires_at"),
)

rooms = sa.Table(
    "rooms",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("owner", sa.Text),
    sa.Column("platform", sa.String(16), nullable=False),
    sa.Column("share_mode", sa.String(16), nullable=False),
    sa.Column("is_locked", sa.Boolean, nullable=False),
    sa.Column("language", sa.String(35), nullable=False),
    sa.Column("settings", sa.Text, nullable=False),  # JSON: what only the provider or the page knows what to do with
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Column("deleted_at", sa.Double),
    sa.Index(None, "owner", "created_at"),
    sa.Index(
        None,
        "name",
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    ),
)

meetings = sa.Table(
    "meetings",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("room_id", sa.String(36), sa.ForeignKey("rooms.id", ondelete="CASCADE"), nullable=False),
    sa.Column("owner", sa.Text),
    sa.Column("platform", sa.String(16), nullable=False),
    sa.Column("provider_id", sa.Text),  # what the provider calls it
    sa.Column("room_url", sa.Text, nullable=False),
    sa.Column("host_room_url", sa.Text),
    sa.Column("transcript_id", sa.String(36)),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("starts_at", sa.Double, nullable=False),
    sa.Column("ends_at", sa.Double, nullable=False),
    sa.Column("ended_at", sa.Double),
    sa.Index(None, "room_id", "state"),
    sa.Index(None, "state"),
    sa.Index(None, "owner", "created_at"),
)

# Who joined a meeting. ``token_hash`` is of what the participant proves to be the same one with.
attendances = sa.Table(
    "attendances",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("meeting_id", sa.String(36), sa.ForeignKey("meetings.id", ondelete="CASCADE"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("user_id", sa.Text),
    sa.Column("token_hash", sa.String(64), nullable=False),
    sa.Column("joined_at", sa.Double, nullable=False),
    sa.Column("left_at", sa.Double),
    sa.Column("consent", sa.Boolean),  # to keeping the sound; None: not asked, or not answered
    sa.UniqueConstraint("token_hash"),
    sa.Index(None, "meeting_id"),
)

# What a host gathers conversations in. ``portal``: what participants see and are asked.
projects = sa.Table(
    "projects",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("owner", sa.Text),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("language", sa.String(35), nullable=False),
    sa.Column("is_open", sa.Boolean, nullable=False),  # conversations may begin
    sa.Column("portal", sa.Text, nullable=False),  # JSON
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Column("deleted_at", sa.Double),
    sa.Index(None, "owner", "created_at"),
)

project_tags = sa.Table(
    "project_tags",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("project_id", sa.String(36), sa.ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Index(None, "project_id", "created_at"),
)

# A transcript that a participant records in a project, and what that is besides a transcript.
conversations = sa.Table(
    "conversations",
    metadata,
    sa.Column("id", sa.String(36), sa.ForeignKey("transcripts.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("project_id", sa.String(36), sa.ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("email", sa.Text),
    sa.Column("tags", sa.Text, nullable=False),  # JSON: ids
    sa.Column("source", sa.String(32), nullable=False),
    sa.Column("redacts", sa.Boolean, nullable=False),  # as the project had it when this began
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("seen_at", sa.Double, nullable=False),
    sa.Column("finished_at", sa.Double),
    sa.Column("finished_by", sa.String(16)),
    sa.Column("expected_chunks", sa.Integer),
    sa.Column("closed_at", sa.Double),
    sa.Index(None, "project_id", "created_at"),
    sa.Index(None, "closed_at", "seen_at"),
)

chunks = sa.Table(
    "chunks",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("conversation_id", sa.String(36), sa.ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    sa.Column("key", sa.Text),
    sa.Column("source", sa.String(32), nullable=False),
    sa.Column("filename", sa.Text, nullable=False),
    sa.Column("content_type", sa.Text, nullable=False),
    sa.Column("said_at", sa.Double),
    sa.Column("length_bytes", sa.BigInteger),
    sa.Column("sha256", sa.String(64)),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("track_id", sa.String(36), nullable=False),
    sa.Column("text", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Index(None, "conversation_id", "said_at"),
    sa.Index(None, "state", "said_at"),
)

# Where a project's events are sent. ``failing_since``: of the first failure after the last success.
webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("project_id", sa.String(36), sa.ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("secret", sa.Text, nullable=False),
    sa.Column("events", sa.Text, nullable=False),  # JSON
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("failing_since", sa.Double),
    sa.Column("tried_at", sa.Double),
    sa.Column("outcome", sa.String(16)),  # of the last attempt
    sa.Column("status_code", sa.Integer),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Index(None, "project_id", "created_at"),
)

# What happened, once for all webhooks that are told of it. ``body``: the bytes that are signed and sent; None: not made
# yet. ``transcript_id``: the conversation it is about, with which it goes.
webhook_events = sa.Table(
    "webhook_events",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("project_id", sa.String(36), sa.ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    sa.Column("transcript_id", sa.String(36), sa.ForeignKey("transcripts.id", ondelete="CASCADE")),
    sa.Column("event", sa.String(64), nullable=False),
    sa.Column("body", sa.LargeBinary),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Index(None, "created_at"),
    sa.Index(None, "transcript_id"),
)

# One event to one webhook. ``lease``: the node that sends it now, until ``leased_until``.
webhook_deliveries = sa.Table(
    "webhook_deliveries",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("webhook_id", sa.String(36), sa.ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    sa.Column("event_id", sa.String(36), sa.ForeignKey("webhook_events.id", ondelete="CASCADE"), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due_at", sa.Double, nullable=False),
    sa.Column("lease", sa.String(36)),
    sa.Column("leased_until", sa.Double),
    sa.Column("outcome", sa.String(16)),  # of the last attempt
    sa.Column("status_code", sa.Integer),
    sa.Column("took_ms", sa.Integer),
    sa.Column("replay_of", sa.String(36)),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("ended_at", sa.Double),
    sa.Index(None, "webhook_id", "created_at"),
    sa.Index(None, "state", "due_at"),
    sa.Index(None, "event_id"),
)

# The title that was made of a conversation's words, and for which of its ends (its ``closed_at``): one that it does not
# have any more is due again.
conversation_summaries = sa.Table(
    "conversation_summaries",
    metadata,
    sa.Column(
        "conversation_id", sa.String(36), sa.ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("made_for", sa.Double, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
)

reports = sa.Table(
    "reports",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("project_id", sa.String(36), sa.ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("is_published", sa.Boolean, nullable=False),
    sa.Column("conversations", sa.Integer, nullable=False),  # there were, when it was asked for
    sa.Column("digested", sa.Integer, nullable=False),
    sa.Column("after_at", sa.Double, nullable=False),  # the conversation that was digested last, and its id
    sa.Column("after_id", sa.String(36), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("note", sa.Text, nullable=False),  # what of it is not as it should be
    sa.Column("error", sa.Text),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Column("finished_at", sa.Double),
    sa.Index(None, "project_id", "created_at"),
    sa.Index(None, "state", "created_at"),
)

# What a report is made of, and afterwards the list of whose words are in it.
report_digests = sa.Table(
    "report_digests",
    metadata,
    sa.Column("report_id", sa.String(36), sa.ForeignKey("reports.id", ondelete="CASCADE"), nullable=False),
    sa.Column("conversation_id", sa.String(36), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("body", sa.Text, nullable=False),  # JSON
    sa.PrimaryKeyConstraint("report_id", "conversation_id"),
    sa.Index(None, "report_id", "number"),
    sa.Index(None, "conversation_id"),
)

# Who wants to be told of reports. ``opted_in`` false: they said that they do not want it any more.
report_subscriptions = sa.Table(
    "report_subscriptions",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("project_id", sa.String(36), sa.ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("opted_in", sa.Boolean, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.UniqueConstraint("project_id", "email"),
    sa.Index(None, "project_id", "created_at"),
)
