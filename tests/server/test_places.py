"""Everybody in a bot's meeting is heard: live, or late."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.errors import Overloaded
from protocol.participants import ParticipantAction
from server import live
from server.live import SourceOptions
from tests.fakes.node import running_services
from tests.server.bots.meetings import ADA, BEN, Meeting, acted, say


async def test_everybody_is_heard_though_there_is_not_a_place_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_services(tmp_path, sessions_max=1) as services:
        meeting = Meeting(services, (await services.store.create_transcript()).id)
        stream = meeting.connect()
        await say(stream, ADA, 1.0, "one")
        await say(stream, BEN, 1.0, "two")
        with pytest.raises(Overloaded):  # who is no bot's, whose place is taken
            await services.hub.attach((await services.store.create_transcript()).id, SourceOptions())
        assert lanes(meeting) == {"participant-1": "live", "participant-2": "file"}
        stream.tick()
        await stream.take(acted(ParticipantAction.SPEECH_OFF, BEN, 2.0))
        assert {text for text, *_ in await meeting.heard(1)} <= {"one", "two"}

        monkeypatch.setattr(live, "RESTED_AFTER_S", -1.0)  # who is silent takes no place
        await say(stream, BEN, 4.0, "three")
        await stream.take(acted(ParticipantAction.SPEECH_OFF, BEN, 5.0))
        assert lanes(meeting)["participant-2"] == "live"
        monkeypatch.setattr(live, "RESTED_AFTER_S", 1000.0)
        session = next(each for each in services.hub.sessions_of(meeting.id) if each.track.name == "participant-1")
        await services.hub.places.ask_again(session)
        assert lanes(meeting)["participant-1"] == "file"
        await say(stream, ADA, 7.0, "four")
        await stream.stop()
        words = await meeting.words()
        assert sorted((text, who) for text, who, _ in words) == [
            ("four", "Ada"),
            ("one", "Ada"),
            ("three", "Ben"),
            ("two", "Ben"),
        ]


def lanes(meeting: Meeting) -> dict[str, str]:
    sessions = meeting.services.hub.sessions_of(meeting.id)
    return {session.track.name: session.pipeline.options.lane for session in sessions}
