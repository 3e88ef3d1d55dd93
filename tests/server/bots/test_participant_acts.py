"""What participants do is told once, and their words carry their names."""

from __future__ import annotations

import pytest

from protocol.errors import TooLarge
from protocol.events import ParticipantActed
from protocol.participants import ParticipantAction
from protocol.wire.bot_items import Unknown
from server.bots import participant_acts
from tests.fakes.node import events_of
from tests.server.bots.meetings import ADA, BEGAN_AT, BEN, Meeting, acted, say


async def test_what_participants_do_is_told_once_and_their_new_names_hold(meeting: Meeting) -> None:
    stream = meeting.connect()
    join = acted(ParticipantAction.JOIN, ADA, 0.5)
    await stream.take(join)
    await stream.take(join)
    await say(stream, ADA, 1.0, "one")
    await stream.lost("of the test")
    stream = meeting.connect()
    await stream.take(join)  # told again, as it is not sure that we had it
    renamed = ADA.model_copy(update={"name": "Ada Lovelace"})
    await stream.take(acted(ParticipantAction.UPDATE, renamed, 2.0))
    for text in ("hello", "there", "there"):
        await stream.take(acted(ParticipantAction.CHAT_MESSAGE, BEN, 3.0, text=text, to="everyone"))
    await stream.take(Unknown("bot.waved"))
    await stream.stop()
    told = [each.body for each in await events_of(meeting.services, meeting.id)]
    found = [body for body in told if isinstance(body, ParticipantActed)]
    assert [(body.action, body.relative_s, body.text) for body in found] == [
        ("join", 0.5, None),
        ("update", 2.0, None),
        ("chat_message", 3.0, "hello"),
        ("chat_message", 3.0, "there"),
    ]
    assert found[0].at == BEGAN_AT + 0.5
    assert found[0].participant == ADA
    newest = await meeting.services.store.segments_of(meeting.id)
    assert [each.segment.speaker for each in newest] == ["Ada Lovelace"]


async def test_a_name_that_people_gave_stays(meeting: Meeting) -> None:
    stream = meeting.connect()
    await say(stream, ADA, 1.0, "one")
    renamed = ADA.model_copy(update={"name": "Ada Lovelace"})
    for number, who in enumerate((ADA, renamed)):
        await stream.take(acted(ParticipantAction.UPDATE, who, 2.0 + number))
    [named] = await meeting.services.speakers.participants(meeting.id)
    await meeting.services.speakers.change(meeting.id, named.id, name="The host")
    await stream.lost("of the test")
    again = meeting.connect()
    await again.take(acted(ParticipantAction.WEBCAM_ON, renamed, 3.5))
    await say(again, renamed, 4.0, "two")
    await again.stop()
    newest = await meeting.services.store.segments_of(meeting.id)
    assert [each.segment.speaker for each in newest] == ["The host"] * 2


async def test_what_participants_do_is_bounded(meeting: Meeting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(participant_acts, "ACTED_MAX", 1)
    stream = meeting.connect()
    await stream.take(acted(ParticipantAction.JOIN, ADA, 1.0))
    with pytest.raises(TooLarge):
        await stream.take(acted(ParticipantAction.JOIN, BEN, 1.0))
    await stream.stop()
