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

_UNSUMMED = sa.text("words <> summed_words")
_LISTED = sa.text("deleted_at IS NULL")
_NOT_REMOTE = sa.text("NOT is_remote")

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
    # Of the summary that is made of its words: of how many words it was made when they were at their end (below 0: so
    # many were heard again since), whether any was ever written, and which title was made with it.
    sa.Column("summed_words", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("was_summed", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("made_title", sa.Text, nullable=False, server_default=""),
    sa.Column("state_at", sa.Double),  # since when its state is what it is; None: since it was made
    sa.Column("held_by", sa.String(36)),  # the node that alone works on it now
    sa.Index("ix_transcripts_unsummed", "id", sqlite_where=_UNSUMMED, postgresql_where=_UNSUMMED),
    sa.Index(
        "ix_transcripts_listed",
        *("state", "created_at", "id", "deleted_at"),
        sqlite_where=_LISTED,
        postgresql_where=_LISTED,
    ),
    sa.Index(None, "created_at", "id"),
    sa.Index(None, "state"),
    sa.Index(None, "held_by"),
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
    sa.Column("model", sa.String(64)),  # by which it is to be heard; NULL: whichever the house has
    sa.Column("asked", sa.Text),  # how it is to be heard (``server.heard_as``); NULL: as usual
    # Whether its voices are to be told apart, and how many there are, as far as anybody said; where the last speech
    # ends that there were prints of, and where the last that was in a later pass.
    sa.Column("diarize", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("speakers_expected", sa.Integer),
    sa.Column("max_speakers", sa.Integer),
    sa.Column("printed_samples", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("grouped_samples", sa.BigInteger, nullable=False, server_default="0"),
    # The data folder whose file of it grew last (NULL: nobody said), how many times one was taken for that, and whether
    # all of that file is in the bucket.
    sa.Column("kept_in", sa.String(36)),
    sa.Column("kept_turn", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("is_remote", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index(None, "transcript_id", "started_at"),
    sa.Index("ix_tracks_left", "kept_in", "id", sqlite_where=_NOT_REMOTE, postgresql_where=_NOT_REMOTE),
)

# Files that somebody wants words of, each of which is a transcript: what was asked for.
jobs = sa.Table(
    "jobs",
    metadata,
    _transcript_id(),
    sa.Column("model", sa.String(64), nullable=False),  # as it was asked for
    sa.Column("diarize", sa.Boolean, nullable=False),
    sa.Column("filename", sa.Text, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    # Since when nobody wants it any more; what was heard until then stays.
    sa.Column("cancelled_at", sa.Double),
    sa.PrimaryKeyConstraint("transcript_id"),
    sa.Index(None, "created_at"),
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
    sa.Column("diarize", sa.Boolean),
    sa.Column("speakers_expected", sa.Integer),
    sa.Column("max_speakers", sa.Integer),
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
