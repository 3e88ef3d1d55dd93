"""A bot's connection becomes tracks and events: each word under its participant's name and at its time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from protocol.blocks import SAMPLE_RATE_HZ, Block
from protocol.errors import AudioFormatError, NotFound, Overloaded, Replaced, StoreUnavailable, TooLarge
from protocol.participants import ParticipantAction
from protocol.states import TranscriptState
from protocol.wire.bot_items import Head, Moment, Sound
from server.bots import bot_stream
from server.bots.bot_stream import PARTICIPANTS_MAX
from server.bots.meeting_tracks import MIXED
from server.endings import BOT_SESSION_MAX_S
from server.live import LiveSession, SourceOptions
from tests.fakes.node import new_client, wait_for_state
from tests.fakes.waiting import until
from tests.server.bots.meetings import ADA, BEGAN_AT, BEN, HOUR_S, PIECE_S, Meeting, acted, moment, say


async def test_each_has_a_track_a_name_and_their_own_time(meeting: Meeting) -> None:
    stream = meeting.connect()
    await say(stream, ADA, 1.0, "one", "two")
    await say(stream, BEN, 2.0, "three")
    await say(stream, ADA, 610.0, "four")  # muted for ten minutes
    await stream.stop()
    words = await meeting.words()
    assert [(text, who) for text, who, _ in words] == [
        ("one", "Ada"),
        ("two", "Ada"),
        ("three", "Ben"),
        ("four", "Ada"),
    ]
    assert [at_s for *_, at_s in words] == pytest.approx([1.0, 1.4, 2.0, 610.0], abs=0.05)
    tracks = await meeting.services.store.tracks_of(meeting.id)
    assert sorted(track.name for track in tracks) == ["participant-1", "participant-2"]
    assert {track.started_at for track in tracks} == {meeting.began_at} == {BEGAN_AT}
    await wait_for_state(meeting.services, meeting.id, TranscriptState.ENDED)


@pytest.mark.parametrize("action", [ParticipantAction.SPEECH_OFF, ParticipantAction.LEAVE, None])
async def test_words_come_though_nothing_follows_them(
    meeting: Meeting, action: ParticipantAction | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = meeting.connect()
    await say(stream, ADA, 1.0, "one")
    stream.tick()  # too soon
    if action is None:
        monkeypatch.setattr(bot_stream, "IDLE_S", 0.0)
        stream.tick()
    else:
        await stream.take(acted(action, ADA, 2.0))
    assert [text for text, *_ in await meeting.heard(1)] == ["one"]
    await stream.stop()


async def test_a_bot_that_comes_back_goes_on_with_the_same_tracks(meeting: Meeting) -> None:
    first = meeting.connect()
    await say(first, ADA, 1.0, "one")
    await say(first, BEN, 1.0, "two")
    await first.lost("of the test")
    second = meeting.connect()
    await say(second, ADA, 1.0, "one")  # what it is not sure that we had
    await say(second, ADA, 5.0, "three")
    await second.lost("of the test")
    for session in meeting.services.hub.sessions_of(meeting.id):
        await session.stop()  # and the time to come back is over
    third = meeting.connect()
    await say(third, BEN, 9.0, "four")
    await third.stop()
    words = await meeting.words()
    assert [(text, who) for text, who, _ in words] in (
        [("one", "Ada"), ("two", "Ben"), ("three", "Ada"), ("four", "Ben")],
        [("two", "Ben"), ("one", "Ada"), ("three", "Ada"), ("four", "Ben")],
    )
    assert len(await meeting.services.store.tracks_of(meeting.id)) == 2
    assert meeting.ended == []


async def test_a_second_connection_takes_over(meeting: Meeting) -> None:
    first = meeting.connect()
    await say(first, ADA, 1.0, "one")
    second = meeting.connect()
    await say(second, ADA, 4.0, "two")
    [error] = meeting.ended
    assert isinstance(error, Replaced)
    await first.lost("of the test")
    await second.stop()
    assert [text for text, *_ in await meeting.words()] == ["one", "two"]


async def test_the_whole_room_is_heard_until_participants_come_by_themselves(meeting: Meeting) -> None:
    stream = meeting.connect()
    await say(stream, None, 1.0, "one")
    await say(stream, ADA, 3.0, "two")
    await say(stream, None, 3.0, "two")
    await stream.stop()
    assert [text for text, *_ in await meeting.words()] == ["one", "two"]
    names = {track.name for track in await meeting.services.store.tracks_of(meeting.id)}
    assert names == {MIXED, "participant-1"}


async def test_the_whole_room_is_not_heard_beside_participants_of_a_connection_before(meeting: Meeting) -> None:
    first = meeting.connect()
    await say(first, None, 1.0, "one")
    await say(first, ADA, 3.0, "two")
    await first.lost("of the test")
    second = meeting.connect()
    await say(second, None, 5.0, "three")
    await say(second, ADA, 5.0, "three")
    await second.stop()
    assert [text for text, *_ in await meeting.words()] == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("told", "rate_hz", "offset_s"),
    [(lambda at_s: Moment(at=BEGAN_AT + 0.5 + at_s), 8_000, 0.5), (lambda at_s: Moment(at_s), 16_000, 0.0)],
    ids=["wall clock", "relative alone"],
)
async def test_bots_that_tell_less_of_the_time(
    meeting: Meeting, told: Callable[[float], Moment], rate_hz: int, offset_s: float
) -> None:
    stream = meeting.connect()
    await say(stream, ADA, 1.0, "one", told=told, rate_hz=rate_hz)
    await say(stream, ADA, 20.0, "two", told=told, rate_hz=rate_hz)
    await stream.stop()
    words = await meeting.words()
    assert [text for text, *_ in words] == ["one", "two"]
    assert words[1][2] - words[0][2] == pytest.approx(19.0, abs=0.05)
    assert meeting.began_at == pytest.approx(BEGAN_AT + 1.0 if offset_s else BEGAN_AT + HOUR_S - 0.5)


async def test_a_clock_ahead_of_ours_still_tells_pauses(meeting: Meeting) -> None:
    stream = meeting.connect()
    ahead_s = 3 * HOUR_S
    for at_s, word in ((1.0, "one"), (700.0, "two")):
        meeting.now = BEGAN_AT + at_s
        await say(stream, ADA, at_s, word, told=lambda at_s: Moment(at_s, BEGAN_AT + ahead_s + at_s))
    await stream.stop()
    words = await meeting.words()
    assert [at_s for *_, at_s in words] == pytest.approx([1.0, 700.0], abs=0.05)
    assert meeting.began_at == BEGAN_AT + ahead_s


async def test_bots_that_tell_no_time_at_all(meeting: Meeting) -> None:
    stream = meeting.connect()
    await stream.take(Head(is_separate=True, offset_s=7.0))
    await say(stream, ADA, 1.0, "one", "two", told=lambda _: Moment())
    await stream.stop()
    words = await meeting.words()
    assert [text for text, *_ in words] == ["one", "two"]
    assert words[0][2] == pytest.approx(7.5, abs=0.05)


async def test_more_participants_than_are_taken(meeting: Meeting, monkeypatch: pytest.MonkeyPatch) -> None:
    assert PARTICIPANTS_MAX == 100
    monkeypatch.setattr(bot_stream, "PARTICIPANTS_MAX", 1)
    stream = meeting.connect()
    await say(stream, ADA, 1.0, "one")
    with pytest.raises(TooLarge):
        await say(stream, BEN, 1.0, "two")
    await say(stream, ADA, 2.4, "three")
    await stream.stop()
    assert [text for text, *_ in await meeting.words()] == ["one", "three"]


async def test_sound_at_another_rate_than_was_told_costs_nobody_else_theirs(meeting: Meeting) -> None:
    stream = meeting.connect()
    piece = bytes(SAMPLE_RATE_HZ * 2)
    refused = 0
    for number in range(20):
        try:
            await stream.take(Sound(BEN, piece, SAMPLE_RATE_HZ, moment(number * PIECE_S)))
        except AudioFormatError:
            refused += 1
    assert refused > 10
    await say(stream, ADA, 1.0, "one")
    await stream.stop()
    assert [text for text, *_ in await meeting.words()] == ["one"]


async def test_a_meeting_that_is_deleted_ends_its_bots(meeting: Meeting) -> None:
    stream = meeting.connect()
    await say(stream, ADA, 1.0, "one")
    await meeting.services.removal.delete(meeting.id)
    [error] = meeting.ended
    assert isinstance(error, NotFound)
    await stream.lost("of the test")


async def test_where_there_is_no_room_for_one_more_the_others_go_on(
    meeting: Meeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    attach = meeting.services.hub.attach

    async def attach_one(transcript_id: str, options: SourceOptions, *, resume_token: str | None) -> LiveSession:
        nonlocal asked
        if options.track != "participant-1":
            asked += 1
            raise Overloaded("of the test")
        return await attach(transcript_id, options, resume_token=resume_token)

    monkeypatch.setattr(meeting.services.hub, "attach", attach_one)
    stream = meeting.connect()
    await say(stream, ADA, 1.0, "one")
    for number in range(3):
        with pytest.raises(Overloaded):
            await stream.take(Sound(BEN, bytes(3200), SAMPLE_RATE_HZ, moment(1.0 + number)))
    assert asked == 1  # not at every piece
    await say(stream, ADA, 4.0, "two")
    await stream.stop()
    assert [text for text, *_ in await meeting.words()] == ["one", "two"]


async def test_a_meeting_is_longer_than_other_sessions(meeting: Meeting) -> None:
    services = meeting.services
    stream = meeting.connect()
    await say(stream, ADA, 1.0, "one")
    client = await new_client(services)
    speaking = await client.begin()
    [session] = services.hub.sessions_of(meeting.id)
    for each in services.hub.sessions.values():  # the bot's is looked at first
        each.opened_at_s -= services.settings.session_max_s + 1
    [other] = services.hub.sessions_of(client.transcript_id)
    await until(lambda: other.finishing is not None)
    assert isinstance(other.ended_by, TooLarge)
    assert meeting.ended == []
    speaking.lost("of the test")
    session.opened_at_s -= BOT_SESSION_MAX_S
    await until(lambda: bool(meeting.ended))
    assert isinstance(meeting.ended[0], TooLarge)
    await stream.lost("of the test")


async def test_a_clock_that_is_wrong_after_a_connection_was_lost_is_not_believed(meeting: Meeting) -> None:
    first = meeting.connect()
    meeting.now = BEGAN_AT + 2.0
    await say(first, ADA, 1.0, "one")
    await first.lost("of the test")
    second = meeting.connect()
    meeting.now = BEGAN_AT + 10.0
    await second.take(Sound(ADA, bytes(3200), SAMPLE_RATE_HZ, moment(80_000.0)))
    await say(second, ADA, 11.0, "two")
    await second.stop()
    assert [at_s for *_, at_s in await meeting.words()] == pytest.approx([1.0, 11.0], abs=0.2)


async def test_a_rate_that_changes_is_heard_as_what_it_is(meeting: Meeting) -> None:
    stream = meeting.connect()
    await say(stream, ADA, 1.0, "one")
    await say(stream, ADA, 4.0, "two", rate_hz=8_000)
    await stream.stop()
    words = await meeting.words()
    assert [text for text, *_ in words] == ["one", "two"]
    assert [at_s for *_, at_s in words] == pytest.approx([1.0, 4.0], abs=0.05)


async def test_a_disk_that_takes_no_sound_ends_the_connection(
    meeting: Meeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = meeting.connect()
    await say(stream, ADA, 1.0, "one")
    [session] = meeting.services.hub.sessions_of(meeting.id)
    full = StoreUnavailable("of the test")

    def refuse(block: Block) -> None:
        raise full

    with monkeypatch.context() as patched:
        patched.setattr(session.pipeline.recorder, "append", refuse)
        await say(stream, ADA, 3.0, "two")
        assert meeting.ended == [full]
        await stream.lost("of the test")
    again = meeting.connect()
    await say(again, ADA, 5.0, "three")
    await again.stop()
    assert [text for text, *_ in await meeting.words()] == ["one", "three"]


async def test_a_meeting_in_which_nobody_spoke_is_done(meeting: Meeting) -> None:
    stream = meeting.connect()
    await stream.take(acted(ParticipantAction.JOIN, ADA, 0.5))
    await stream.stop()
    await wait_for_state(meeting.services, meeting.id, TranscriptState.ENDED)


async def test_a_bot_that_is_ahead_of_time_is_held_back_until_it_leaves(
    meeting: Meeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot_stream, "AHEAD_S", 5.0)
    meeting.now = BEGAN_AT
    stream = meeting.connect()
    await say(stream, ADA, 20.0, "one")
    [voice] = stream._voices.values()
    assert stream._early_s(voice) == 0.0
    meeting.now -= 30.0
    assert stream._early_s(voice) > 10.0
    stream.end()
    assert stream._early_s(voice) == 0.0
    assert meeting.ended == [None]
    await stream.stop()
