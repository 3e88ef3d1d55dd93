"""The tables of voices that are told apart on one track. As ``server.store.tables``."""

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
