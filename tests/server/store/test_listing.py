"""How lists of transcripts are read."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from protocol.states import TranscriptState
from server.store.database import transaction
from server.store.listing import Wanted, conditions
from server.store.store import Store
from server.store.tables import transcripts
from server.store.transcripts import selected


@pytest.mark.parametrize("is_count", [True, False], ids=["how many", "the newest"])
async def test_what_has_one_state_is_read_from_an_index_in_its_order(sqlite_url: str, is_count: bool) -> None:
    where = list(conditions(Wanted(states=(TranscriptState.ENDED,))))
    newest = selected().where(*where).order_by(transcripts.c.created_at.desc(), transcripts.c.id.desc()).limit(50)
    count = sa.select(sa.func.count()).select_from(transcripts).where(*where)
    store = await Store.open(sqlite_url)
    async with transaction(store._database.reads) as conn:
        asked = (count if is_count else newest).compile(conn.engine, compile_kwargs={"literal_binds": True})
        plan = [str(row[-1]) for row in await conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}")]
    await store.close()
    read = f"SEARCH transcripts USING {'COVERING ' * is_count}INDEX ix_transcripts_listed (state=?)"
    assert plan[0] == read
    assert not any("ORDER BY" in step for step in plan)
