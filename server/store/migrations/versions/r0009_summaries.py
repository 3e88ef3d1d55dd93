"""Summaries of all transcripts, not only of conversations. What was at its end before is left as it is."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

UNSUMMED = sa.text("words <> summed_words")


def upgrade() -> None:
    op.add_column("transcripts", sa.Column("summed_words", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("transcripts", sa.Column("was_summed", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("transcripts", sa.Column("made_title", sa.Text(), nullable=False, server_default=""))
    # All but those that still grow, and conversations of whose last end there is none.
    op.execute(
        "UPDATE transcripts SET summed_words = words WHERE state IN ('idle', 'ended', 'failed') AND NOT EXISTS ("
        "SELECT 1 FROM conversations LEFT JOIN conversation_summaries "
        "ON conversation_summaries.conversation_id = conversations.id "
        "WHERE conversations.id = transcripts.id AND (conversations.closed_at IS NULL "
        "OR conversation_summaries.made_for IS NULL OR conversation_summaries.made_for <> conversations.closed_at))"
    )
    op.execute(
        "UPDATE transcripts SET made_title = COALESCE("
        "(SELECT title FROM conversation_summaries WHERE conversation_id = transcripts.id), '')"
    )
    op.execute("UPDATE transcripts SET was_summed = (made_title <> '')")
    op.drop_table("conversation_summaries")
    op.create_index("ix_transcripts_unsummed", "transcripts", ["id"], sqlite_where=UNSUMMED, postgresql_where=UNSUMMED)
