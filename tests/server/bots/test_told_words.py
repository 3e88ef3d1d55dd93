"""Words of other recognisers are the transcript's where nobody's sound comes, and are not beside it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from protocol.blocks import SAMPLE_RATE_HZ
from protocol.errors import TooLarge
from protocol.events import Event, Interim, Transcribed
from protocol.participants import MeetingParticipant, ParticipantAction
from protocol.states import TranscriptState
from protocol.wire.bot_items import ProviderData, Sound, Told, ToldWord
from protocol.wire.v1 import STATUS_OF_STATE
from server.bots import provider_log, told_words
from server.bots.documents import MeetingRecord
from server.bots.told_words import words_of
from tests.fakes.node import DEADLINE_S, finals_of
from tests.server.bots.meetings import ADA, BEN, Meeting, acted, moment, say


def told(who: MeetingParticipant | None, at_s: float, text: str, *, partial: bool = False) -> Told:
    words = tuple(ToldWord(word, at_s + 0.4 * number, None) for number, word in enumerate(text.split()))
    return Told(who, words, partial, "en", {"text": text})


async def spoken(meeting: Meeting) -> list[tuple[str | None, str, float]]:
    assert meeting.began_at is not None
    record = await MeetingRecord.read(meeting.services.store, meeting.id, meeting.began_at)
    return [
        (entry["participant"]["name"], word["text"], word["start_timestamp"]["relative"])
        for entry in record.transcript_document()
        for word in entry["words"]
    ]


async def test_they_are_the_transcript_of_whoever_is_not_heard(meeting: Meeting) -> None:
    stream = meeting.connect()
    await stream.take(told(BEN, 5.0, "good morning"))
    await stream.take(told(ADA, 1.0, "hello"))  # later, of before
    await stream.take(told(ADA, 1.0, "hello"))
    await stream.lost("away")
    again = meeting.connect()
    await again.take(told(ADA, 1.0, "hello"))
    await again.take(told(ADA, 7.0, "bye"))
    await again.stop()
    assert await spoken(meeting) == [
        ("Ada", "hello", 1.0),
        ("Ben", "good", 5.0),
        ("Ben", "morning", 5.4),
        ("Ada", "bye", 7.0),
    ]
    assert (await meeting.services.store.get_transcript(meeting.id)).state is TranscriptState.ENDED
    finals = await finals_of(meeting.services, meeting.id)
    assert {segment.language for segment in finals} == {"en"}


async def test_voices_that_nobody_knows_keep_their_names_whoever_is_said_to_speak(meeting: Meeting) -> None:
    voices = [MeetingParticipant(id=900 + number, name=name) for number, name in enumerate(("9-A", "9-B"))]
    stream = meeting.connect()
    await stream.take(acted(ParticipantAction.SPEECH_ON, BEN, 0.0))
    for number, voice in enumerate(voices):
        await stream.take(replace(told(voice, 1.0 + 2 * number, "hello"), is_voice=True))
    await say(stream, ADA, 7.0, "one")
    await stream.take(replace(told(voices[0], 9.0, "again"), is_voice=True))  # who may be in what is heard now
    await stream.stop()
    assert await spoken(meeting) == [
        ("9-A", "hello", 1.0),
        ("9-B", "hello", 3.0),
        ("Ada", "one", pytest.approx(7.0, abs=0.05)),
    ]


async def test_who_is_heard_is_not_told_as_well(meeting: Meeting) -> None:
    stream = meeting.connect()
    await stream.take(told(ADA, 1.0, "before"))
    await say(stream, ADA, 4.0, "one")
    await stream.take(told(ADA, 4.0, "won"))
    await stream.take(told(BEN, 6.0, "hello"))
    await stream.take(told(None, 4.0, "won"))
    await stream.lost("away")
    again = meeting.connect()
    await again.take(told(ADA, 4.5, "too"))
    await again.stop()
    assert [(name, text) for name, text, _ in await spoken(meeting)] == [
        ("Ada", "before"),
        ("Ada", "one"),
        ("Ben", "hello"),
    ]


async def test_beside_the_sound_of_the_room_none_is_told(meeting: Meeting) -> None:
    stream = meeting.connect()
    await say(stream, None, 1.0, "one")
    await stream.take(told(ADA, 1.0, "won"))
    await stream.stop()
    assert [text for _, text, _ in await spoken(meeting)] == ["one"]


async def test_once_participants_come_by_themselves_the_room_is_not_heard_any_more(meeting: Meeting) -> None:
    stream = meeting.connect()
    await say(stream, None, 1.0, "one")
    await stream.take(told(BEN, 1.0, "won"))
    await say(stream, ADA, 4.0, "two")
    await stream.take(told(BEN, 6.0, "hello"))  # whose own sound never comes
    await stream.stop()
    assert [text for _, text, _ in await spoken(meeting)] == ["one", "two", "hello"]


async def test_who_was_heard_before_a_connection_was_lost_is_heard(meeting: Meeting) -> None:
    stream = meeting.connect()
    await stream.take(Sound(ADA, bytes(3200), SAMPLE_RATE_HZ, moment(1.0)))  # of which nothing is final as yet
    await stream.lost("away")
    again = meeting.connect()
    await again.take(told(ADA, 1.0, "hello"))
    await again.stop()
    assert await spoken(meeting) == []


async def test_what_is_not_final_gives_way_to_sound(meeting: Meeting) -> None:
    stream = meeting.connect()
    await stream.take(told(ADA, 1.0, "hell", partial=True))
    assert [each.segment.text for each in meeting.services.journal.interims(meeting.id)] == ["hell"]
    await stream.take(Sound(ADA, bytes(3200), SAMPLE_RATE_HZ, moment(1.0)))
    await stream.take(told(ADA, 1.0, "hello", partial=True))
    assert meeting.services.journal.interims(meeting.id) == ()
    await stream.stop()


async def test_what_comes_after_its_final_is_not_shown_again(meeting: Meeting) -> None:
    stream = meeting.connect()
    await stream.take(told(ADA, 1.0, "hello there"))
    await stream.take(told(ADA, 1.0, "hello their", partial=True))
    assert meeting.services.journal.interims(meeting.id) == ()
    await stream.take(told(ADA, 2.0, "you", partial=True))
    assert [each.segment.text for each in meeting.services.journal.interims(meeting.id)] == ["you"]
    await stream.stop()


async def test_while_readers_paused_the_transcript_nothing_is_taken(meeting: Meeting) -> None:
    meeting.services.hub.kept_open[meeting.id] = lambda error: None  # as a connection does
    stream = meeting.connect()
    await stream.take(told(ADA, 1.0, "one"))
    await meeting.services.hub.pause(meeting.id)
    await stream.take(told(ADA, 2.0, "two"))
    await stream.take(ProviderData({"text": "two"}))
    await meeting.services.hub.unpause(meeting.id)
    await stream.take(told(ADA, 3.0, "three"))
    meeting.services.hub.kept_open.pop(meeting.id)
    await stream.stop()
    assert [text for _, text, _ in await spoken(meeting)] == ["one", "three"]
    kept = await meeting.services.store.provider_parts.of_transcript(meeting.id)
    assert sorted(json.loads(part.payload)["text"] for part in kept) == ["one", "three"]


async def test_words_are_taken_though_no_more_data_is_kept(meeting: Meeting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_log, "PARTS_MAX", 0)
    stream = meeting.connect()
    with pytest.raises(TooLarge):
        await stream.take(told(ADA, 1.0, "hello"))
    await stream.stop()
    assert await spoken(meeting) == [("Ada", "hello", 1.0)]


async def test_words_of_nobody_are_of_who_is_said_to_speak(meeting: Meeting) -> None:
    stream = meeting.connect()
    await stream.take(acted(ParticipantAction.SPEECH_ON, BEN, 0.5))
    await stream.take(told(None, 1.0, "hello"))
    await stream.take(acted(ParticipantAction.SPEECH_OFF, BEN, 2.0))
    await stream.stop()
    assert await spoken(meeting) == [("Ben", "hello", 1.0)]


async def test_what_may_change_is_shown_until_it_is_final(meeting: Meeting) -> None:
    stream = meeting.connect()
    shown: list[tuple[str, str, bool]] = []
    async with (
        asyncio.timeout(DEADLINE_S),
        meeting.services.journal.subscribe(meeting.id, after=None, types=frozenset({"transcription"})) as events,
    ):
        for item in (
            told(ADA, 1.0, "hell", partial=True),
            told(ADA, 1.0, "hello there"),
            told(ADA, 3.0, "by", partial=True),
        ):
            await stream.take(item)
            event = await anext(events)
            if isinstance(event, Event):
                assert isinstance(event.body, Transcribed)
                segment = event.body.segment
            else:
                segment = event.segment
            shown.append((segment.segment_id, segment.text, segment.is_final))
        await stream.stop()
        last = await anext(events)
    assert [(text, final) for _, text, final in shown] == [("hell", False), ("hello there", True), ("by", False)]
    assert shown[0][0] == shown[1][0] != shown[2][0]
    assert isinstance(last, Interim)
    assert (last.segment.segment_id, last.segment.text) == (shown[2][0], "")


async def test_the_transcript_is_recorded_while_they_come(meeting: Meeting) -> None:
    meeting.services.hub.kept_open[meeting.id] = lambda error: None  # as a connection does
    stream = meeting.connect()
    await stream.take(told(ADA, 1.0, "hello"))
    state = (await meeting.services.store.get_transcript(meeting.id)).state
    assert STATUS_OF_STATE[state] == "processing"
    assert state is TranscriptState.RECORDING
    meeting.services.hub.kept_open.pop(meeting.id)
    await stream.stop()


async def test_there_is_an_end_to_them(meeting: Meeting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told_words, "SEGMENTS_MAX", 1)
    monkeypatch.setattr(told_words, "TRACKS_MAX", 1)
    stream = meeting.connect()
    await stream.take(told(ADA, 1.0, "hello"))
    for item in (
        told(ADA, 2.0, "there"),
        told(BEN, 3.0, "you", partial=True),
        told(ADA, 4.0, "a" * (told_words.SEGMENT_MAX_CHARS + 1), partial=True),
    ):
        with pytest.raises(TooLarge):
            await stream.take(item)
    await stream.stop()
    assert [text for _, text, _ in await spoken(meeting)] == ["hello"]
    assert len(await meeting.services.store.tracks_of(meeting.id)) == 1


def test_ends_that_nobody_tells() -> None:
    words = words_of(
        [ToldWord("b", 1.2, None), ToldWord("a", 1.0, None), ToldWord(" ", 1.1, 9.0), ToldWord("c", 5, 7.0)]
    )
    assert [(word.text, word.start_samples / 16_000, word.end_samples / 16_000) for word in words] == [
        ("a", 1.0, 1.2),
        ("b", 1.2, 1.7),
        ("c", 5.0, 7.0),
    ]
    assert words_of([]) == ()
