"""The tables of projects: conversations, webhooks, summaries and reports. As ``server.store.tables``."""

from __future__ import annotations

import sqlalchemy as sa

from server.store.tables import metadata

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
    sa.Column("error", sa.Text),  # why it failed, or waits
    sa.Column("attempts", sa.Integer, nullable=False),  # that were begun, of those that count
    sa.Column("next_try_at", sa.Double),  # not sooner, by the database's clock
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
