"""Whose things are, in the database."""

from __future__ import annotations

from typing import get_args

import sqlalchemy as sa

from protocol.ids import new_transcript_id
from server.store.listing import Wanted
from server.store.standing import EVERYBODY, ShareMode, Standing, Viewer
from server.store.store import Store
from server.store.tables import transcripts


async def test_a_row_says_whose_it_is_and_who_may_see_it(store: Store) -> None:
    made = (await store.create_transcript(owner="anna")).id
    assert await store.standing("transcript", made) == Standing("anna", "private", False)
    nobodys = (await store.create_transcript()).id
    assert await store.standing("transcript", nobodys) == Standing(None)
    for kind in ("transcript", "room", "room_named", "meeting", "api_key"):
        assert await store.standing(kind, new_transcript_id()) is None
    async with store._write() as conn:
        await conn.execute(sa.update(transcripts).where(transcripts.c.id == made).values(deleted_at=1.0))
    assert await store.standing("transcript", made) == Standing("anna", "private", True)
    async with store._write() as conn:
        await conn.execute(sa.update(transcripts).where(transcripts.c.id == made).values(destroyed_at=1.0))
    assert await store.standing("transcript", made) is None


async def test_lists_show_ones_own_and_what_is_shared_with_all(store: Store) -> None:
    made: dict[tuple[str | None, str], str] = {}
    for owner in ("anna", None):
        for share_mode in get_args(ShareMode):
            id_ = made[owner, share_mode] = (await store.create_transcript(owner=owner)).id
            async with store._write() as conn:
                await conn.execute(sa.update(transcripts).where(transcripts.c.id == id_).values(share_mode=share_mode))
    shared = {made["anna", "semi-private"], made[None, "semi-private"]}
    for viewer, listed in (
        (EVERYBODY, set(made.values())),
        (Viewer("anna"), shared | {id_ for (owner, _), id_ in made.items() if owner == "anna"}),
        (Viewer("bert"), shared),
        (Viewer(None), shared | {id_ for (owner, _), id_ in made.items() if owner is None}),
    ):
        found, total = await store.list_transcripts(Wanted(viewer=viewer))
        assert {each.id for each in found} == listed
        assert total == len(listed)
