"""Parts of which nobody said that they ended end where their sound and their pictures do."""

from __future__ import annotations

import pytest

from protocol.errors import NotFound
from protocol.ids import new_meeting_part_id
from protocol.wire.bot_items import Picture
from server.bots.part_ends import PartEnds, with_ends
from server.store.meeting_part_store import MeetingPart
from tests.fakes.pictures import still
from tests.server.bots.meetings import ADA, BEGAN_AT, BEN, Meeting, moment, say


def test_parts_without_an_end() -> None:
    def part(start_s: float, end_s: float | None = None, participant_id: int = 1) -> MeetingPart:
        return MeetingPart(new_meeting_part_id(), "t", "audio", participant_id, start_s, end_s)

    open_, next_, of_other, last, unknown = part(1.0), part(4.0, 5.0), part(2.0, None, 2), part(8.0), part(3.0, None, 3)
    parts = [open_, of_other, next_, last, unknown]
    found = with_ends(parts, {open_.id: 6.0, of_other.id: 6.0, last.id: 6.0})
    assert [(each.id, each.end_s) for each in found] == [(open_.id, 4.0), (of_other.id, 6.0), (next_.id, 5.0)]


async def test_what_a_crash_left(meeting: Meeting) -> None:
    store = meeting.services.store
    stream = meeting.connect()
    await stream.take(Picture(ADA, "webcam", "png", still(1), moment(1.0)))
    await stream.take(Picture(ADA, "webcam", "png", still(2), moment(3.5)))
    await stream.lost("away")
    [camera] = await store.meeting_parts.of_transcript(meeting.id)
    assert camera.end_s is None
    again = meeting.connect()
    await say(again, BEN, 2.0, "one")  # of whom there is sound from 1.5 to 2.9
    await again.stop()
    cut = MeetingPart(new_meeting_part_id(), meeting.id, "audio", BEN.id, 1.6)
    nothing = MeetingPart(new_meeting_part_id(), meeting.id, "audio", BEN.id, 90.0)
    missing = MeetingPart(new_meeting_part_id(), meeting.id, "screenshare", BEN.id, 2.0)
    await store.meeting_parts.put([cut, nothing, missing])

    ends = PartEnds(store, meeting.services.hub)
    found = {each.id: each for each in await ends.parts_of(meeting.id, BEGAN_AT)}
    assert found[camera.id].end_s == 4.5
    assert found[cut.id].end_s == pytest.approx(2.9, abs=0.05)
    assert not {nothing.id, missing.id} & set(found)
    assert await ends.ended(camera, BEGAN_AT) == found[camera.id]
    assert await ends.ended(found[cut.id], BEGAN_AT) == found[cut.id]
    with pytest.raises(NotFound):
        await ends.ended(nothing, BEGAN_AT)
