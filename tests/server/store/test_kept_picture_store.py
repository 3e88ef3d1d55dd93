"""Where pictures of meetings lie, as the database says it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.errors import NotFound
from protocol.ids import new_meeting_part_id
from server.store.meeting_part_store import MeetingPart
from server.store.store import Store


async def test_pictures_are_left_once_nobody_lets_them_grow(store: Store) -> None:
    id_ = (await store.create_transcript()).id
    for node_id in ("a", "b"):
        await store.nodes.join(node_id, url="", keys_digest="k")
    await store.nodes.hold(id_, "a")
    mine = MeetingPart(new_meeting_part_id(), id_, "webcam", 1, 0.0, None, "here", "a", 1)
    other = replace(mine, id=new_meeting_part_id(), kept_in="there")
    sound = MeetingPart(new_meeting_part_id(), id_, "audio", 1, 0.0)
    nobodys = MeetingPart(new_meeting_part_id(), id_, "screenshare", 1, 0.0)  # of before there was a bucket
    await store.meeting_parts.put([mine, other, sound, nobodys])
    pictures = store.kept.pictures

    async def left() -> list[MeetingPart]:
        return await pictures.left("here", "", limit=9, nobodys=True)

    assert await left() == []
    await store.meeting_parts.put([replace(mine, end_s=2.0)])  # by a connection that is over
    assert await left() == []
    await store.nodes.leave("a")
    assert {each.id for each in await left()} == {mine.id, nobodys.id}
    await store.nodes.hold(id_, "b")
    [found] = await left()  # the other one may grow there
    assert (found.id, found.kept_by, found.kept_turn) == (mine.id, "a", 1)
    assert await pictures.take(mine.id, "here", node_id="b") == 2
    assert await left() == []
    await store.nodes.let_go(id_, "b")
    assert await pictures.next_turn(mine.id, 1) is None
    assert await pictures.arrived(mine.id, 1)  # of another turn: nothing is said of this one
    assert mine.id in {each.id for each in await left()}
    assert await pictures.arrived(mine.id, 2)
    assert [each.id for each in await left()] == [nobodys.id]
    assert (await pictures.get(mine.id)).is_whole
    assert await pictures.folders([mine.id, other.id, "unknown"]) == {mine.id: "here", other.id: "there"}


async def test_none_are_kept_of_what_is_deleted(store: Store) -> None:
    id_ = (await store.create_transcript()).id
    part = MeetingPart(new_meeting_part_id(), id_, "webcam", 1, 0.0, 2.0, "here", "a", 1)
    await store.meeting_parts.put([part])
    await store.remove_audio(id_)
    assert await store.kept.pictures.left("here", "", limit=9) == []
    assert not await store.kept.pictures.arrived(part.id, 1)
    with pytest.raises(NotFound):
        await store.kept.pictures.get(part.id)
    with pytest.raises(NotFound):
        await store.kept.pictures.take(new_meeting_part_id(), "here")
