"""Segments that were taken back are counted no more: those of older transcripts, too."""

from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.execute(
        "UPDATE transcripts SET segments = (SELECT count(*) FROM segments s"
        " WHERE s.transcript_id = transcripts.id AND s.newest AND s.words > 0)"
        " WHERE EXISTS (SELECT 1 FROM segments s"
        " WHERE s.transcript_id = transcripts.id AND s.newest AND s.words = 0)"
    )
