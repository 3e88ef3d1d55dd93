"""The tables of voices that are told apart on one track, and of those enrolled. As ``server.store.tables``."""

from __future__ import annotations

import sqlalchemy as sa

from server.store.tables import metadata


def _of(table: str) -> sa.ForeignKey:
    return sa.ForeignKey(f"{table}.id", ondelete="CASCADE")


# What each voice of a track is called, but for voice 0, which is called what its track is.
track_voices = sa.Table(
    "track_voices",
    metadata,
    sa.Column("transcript_id", sa.String(36), _of("transcripts"), nullable=False),
    sa.Column("track_id", sa.String(36), _of("tracks"), nullable=False),
    sa.Column("voice", sa.Integer, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.PrimaryKeyConstraint("track_id", "voice"),
    sa.Index(None, "transcript_id"),
)

# The embeddings of a final's speech, by ``encoder``: of each of ``steps`` (JSON: start and end samples, and whose voice
# it is by what is known) a row of ``dim`` signed bytes. Personal data: they go with the sound.
voice_prints = sa.Table(
    "voice_prints",
    metadata,
    sa.Column("transcript_id", sa.String(36), _of("transcripts"), nullable=False),
    sa.Column("track_id", sa.String(36), _of("tracks"), nullable=False),
    sa.Column("start_samples", sa.BigInteger, nullable=False, autoincrement=False),
    sa.Column("end_samples", sa.BigInteger, nullable=False),
    sa.Column("encoder", sa.String(64), nullable=False),
    sa.Column("dim", sa.Integer, nullable=False),
    sa.Column("steps", sa.Text, nullable=False),
    sa.Column("embeddings", sa.LargeBinary, nullable=False),
    sa.PrimaryKeyConstraint("track_id", "start_samples"),
    sa.Index(None, "transcript_id"),
)

# Voices that a host wants recognised: in the conversations of a project, or, without one, in the owner's transcripts
# that are of none. ``embedding``: the mean, ``dim`` float16, little-endian, by ``encoder``. Personal data, which stays
# until it is deleted: ``transcript_id`` says only where it was taken from.
enrolled_voices = sa.Table(
    "enrolled_voices",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("owner", sa.Text),
    sa.Column("project_id", sa.String(36), _of("projects")),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("encoder", sa.String(64), nullable=False),
    sa.Column("dim", sa.Integer, nullable=False),
    sa.Column("embedding", sa.LargeBinary, nullable=False),
    sa.Column("heard_samples", sa.BigInteger, nullable=False),
    sa.Column("transcript_id", sa.String(36), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Index(None, "owner", "project_id"),
    sa.Index(None, "project_id"),
)

# Labels that were given a name because their voice was recognised: the name that the participant was given then. What
# is not so any more was changed by people, and is theirs.
recognised_voices = sa.Table(
    "recognised_voices",
    metadata,
    sa.Column("transcript_id", sa.String(36), _of("transcripts"), nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("voice_id", sa.String(36), nullable=False),
    sa.Column("participant_id", sa.String(36), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.PrimaryKeyConstraint("transcript_id", "label"),
)

# Speakers that people made one, ``number`` in their order; ``body``: what it takes to undo that (JSON). ``undone_as``:
# it is being undone, and the first is called so again.
speaker_merges = sa.Table(
    "speaker_merges",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("transcript_id", sa.String(36), _of("transcripts"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("undone_as", sa.Text),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Index(None, "transcript_id"),
)
