"""While the store is away whoever has a track is recorded, and what needs the store waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from protocol.blocks import SAMPLE_RATE_HZ
from protocol.errors import StoreUnavailable
from protocol.events import ParticipantActed
from protocol.participants import MeetingParticipant, ParticipantAction
from protocol.wire.bot_items import Head, Moment, Sound
from server.bots import outage, write_behind
from tests.fakes.node import events_of
from tests.server.bots.meetings import ADA, BEGAN_AT, BEN, Meeting, acted, moment, say
from tests.server.bots.test_told_words import spoken, told
from tests.server.bots.test_video_parts import parts_of, picture


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "RETRIED_EVERY_S", 0.0)


@contextmanager
def store_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No transaction of this process begins meanwhile."""

    def refuse(engine: AsyncEngine) -> Any:
        raise ConnectionRefusedError("of the test")

    with monkeypatch.context() as patched:
        patched.setattr(AsyncEngine, "begin", refuse)
        yield


async def test_who_is_there_is_recorded_and_who_comes_is_heard_later(
    meeting: Meeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = meeting.connect()
    await say(stream, ADA, 1.0, "one")
    with store_away(monkeypatch):
        await stream.take(acted(ParticipantAction.JOIN, BEN, 2.0))
        await stream.take(acted(ParticipantAction.CHAT_MESSAGE, BEN, 2.1, text="hello", to="everyone"))
        await stream.take(told(MeetingParticipant(id=3, name="Cy"), 2.5, "three"))
        await say(stream, BEN, 3.0, "two")
        await say(stream, ADA, 5.0, "four")
        [session] = meeting.services.hub.sessions_of(meeting.id)
        assert session.pipeline.length_samples / SAMPLE_RATE_HZ == pytest.approx(5.9, abs=0.1)
    await say(stream, BEN, 7.0, "five")
    await stream.stop()
    assert await spoken(meeting) == [
        ("Ada", "one", pytest.approx(1.0, abs=0.05)),
        ("Cy", "three", 2.5),
        ("Ben", "two", pytest.approx(3.0, abs=0.05)),
        ("Ada", "four", pytest.approx(5.0, abs=0.05)),
        ("Ben", "five", pytest.approx(7.0, abs=0.05)),
    ]
    told_of = [each.body for each in await events_of(meeting.services, meeting.id)]
    found = [(each.action, each.relative_s) for each in told_of if isinstance(each, ParticipantActed)]
    assert found == [("join", 2.0), ("chat_message", 2.1)]
    assert meeting.ended == []


async def test_a_meeting_that_begins_meanwhile_begins_when_it_did(
    meeting: Meeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = meeting.connect()
    with store_away(monkeypatch):
        await stream.take(acted(ParticipantAction.JOIN, ADA, 0.5))
        await say(stream, ADA, 1.0, "one")
    await say(stream, ADA, 3.0, "two")
    await stream.stop()
    assert [text for text, *_ in await meeting.words()] == ["one", "two"]
    assert meeting.began_at == BEGAN_AT


async def test_what_tells_no_time_keeps_that_at_which_it_came(
    meeting: Meeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting.now = BEGAN_AT
    stream = meeting.connect()
    await stream.take(Head(is_separate=True, offset_s=0.0))
    await say(stream, ADA, 1.0, "one", told=lambda _: Moment())
    with store_away(monkeypatch):
        meeting.now = BEGAN_AT + 10.0
        await say(stream, BEN, 1.0, "two", told=lambda _: Moment())
    meeting.now = BEGAN_AT + 70.0
    await say(stream, ADA, 1.0, "three", told=lambda _: Moment())
    await stream.stop()
    at_s = {text: at_s for text, _, at_s in await meeting.words()}
    assert at_s["two"] == pytest.approx(10.0, abs=1.5)
    assert at_s["three"] == pytest.approx(70.0, abs=1.5)


async def test_what_is_known_of_a_connection_that_ended_meanwhile_is_stored_later(
    meeting: Meeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_behind, "LATE_EVERY_S", 0.0)
    stream = meeting.connect()
    await stream.take(picture(1.0))
    with store_away(monkeypatch):
        await stream.take(picture(1.5, surface="screenshare"))
        await stream.lost("of the test")
    await stream.finish()
    assert [kind for kind, *_ in await parts_of(meeting)] == ["webcam", "screenshare"]


async def test_only_so_much_waits(meeting: Meeting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "WAITING_MAX_BYTES", 6400)
    stream = meeting.connect()
    with store_away(monkeypatch):
        for number in range(2):
            await stream.take(Sound(ADA, bytes(3200), SAMPLE_RATE_HZ, moment(number / 10)))
        with pytest.raises(StoreUnavailable):
            await stream.take(Sound(ADA, bytes(3200), SAMPLE_RATE_HZ, moment(0.2)))
    await stream.lost("of the test")
    [session] = meeting.services.hub.sessions_of(meeting.id)
    assert session.pipeline.length_samples / SAMPLE_RATE_HZ == pytest.approx(0.2, abs=0.01)
    await session.stop()


async def test_what_is_refused_late_costs_nothing_else(meeting: Meeting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.bots.participant_acts.ACTED_MAX", 1)
    stream = meeting.connect()
    with store_away(monkeypatch):
        for text in ("hello", "there"):
            await stream.take(acted(ParticipantAction.CHAT_MESSAGE, ADA, 2.0, text=text, to="everyone"))
    await say(stream, ADA, 3.0, "one")
    await stream.stop()
    assert [text for text, *_ in await meeting.words()] == ["one"]
