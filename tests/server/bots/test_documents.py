"""The documents of a meeting hold to their contract, and their times are those of what was said and done."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, get_args

import jsonschema_rs
import pytest

from media import picture_file
from media.picture_file import PictureFormat, PictureRecord
from protocol.ids import new_meeting_part_id
from protocol.participants import MeetingParticipant, ParticipantAction
from protocol.wire.bot_items import Picture, ProviderData, Told, ToldWord
from server.bots.documents import OF_PARTS, Document, MeetingRecord
from server.bots.part_ends import PartEnds
from server.bots.video_parts import pictures_path
from server.store.meeting_part_store import MeetingPart
from tests.fakes.pictures import still
from tests.server.bots import contract
from tests.server.bots.meetings import ADA, BEGAN_AT, BEN, Meeting, acted, moment, say

EXACT_S = 0.05


async def record_of(meeting: Meeting, *documents: Document) -> MeetingRecord:
    """With what these need; without any, all."""
    assert meeting.began_at is not None
    services = meeting.services
    wanted = documents or get_args(Document)
    ends = PartEnds(services.store, services.hub)
    parts = [] if OF_PARTS.isdisjoint(wanted) else await ends.parts_of(meeting.id, meeting.began_at)
    return await MeetingRecord.read(services.store, meeting.id, meeting.began_at, parts, wanted)


def address(part: MeetingPart) -> str:
    return f"http://here/{part.id}"


def hold(record: MeetingRecord) -> dict[str, Any]:
    """Every document, once it was found as it should be."""
    documents = {
        "participants": (contract.PARTICIPANTS, record.participants_document()),
        "participant_events": (contract.PARTICIPANT_EVENTS, record.participant_events_document()),
        "speaker_timeline": (contract.SPEAKER_TIMELINE, record.speaker_timeline_document()),
        "transcript": (contract.TRANSCRIPT, record.transcript_document()),
        "provider_data": (contract.PROVIDER_DATA, record.provider_data_document()),
        "audio_separate": (contract.AUDIO_SEPARATE, record.audio_separate_document(address)),
        "video_separate": (contract.VIDEO_SEPARATE, record.video_separate_document(address)),
    }
    for schema, document in documents.values():
        jsonschema_rs.validate(schema, document)
    return {name: document for name, (_, document) in documents.items()}


async def documents_of(meeting: Meeting) -> dict[str, Any]:
    """Every document, which is the same when no more is read than it needs."""
    found = hold(await record_of(meeting))
    for name in get_args(Document):
        record = await record_of(meeting, name)
        assert hold(record)[name] == found[name]
    return found


async def test_a_meeting(meeting: Meeting) -> None:
    stream = meeting.connect()
    host = ADA.model_copy(update={"is_host": True, "platform": "zoom", "extra_data": {"zoom": {"id": 1}}})
    await stream.take(acted(ParticipantAction.JOIN, host, 0.25))
    await say(stream, ADA, 1.0, "one", "two")
    await stream.take(acted(ParticipantAction.CHAT_MESSAGE, BEN, 4.5, text="hello", to="Ada"))
    await stream.take(acted(ParticipantAction.JOIN, BEN, 4.0))  # out of its order
    await stream.take(acted(ParticipantAction.SPEECH_ON, BEN, 5.0))
    await say(stream, BEN, 5.2, "three")
    await stream.take(acted(ParticipantAction.SPEECH_OFF, BEN, 6.0))
    await say(stream, ADA, 8.0, "four")
    await stream.stop()
    found = await documents_of(meeting)

    ada = {"id": 1, "name": "Ada", "is_host": True, "platform": "zoom", "extra_data": {"zoom": {"id": 1}}}
    ben = {"id": 2, "name": "Ben", "is_host": None, "platform": None, "extra_data": None}
    assert found["participants"] == [ada, ben]
    events = found["participant_events"]
    assert [(each["action"], each["timestamp"]["relative"]) for each in events] == [
        ("join", 0.25),
        ("join", 4.0),
        ("chat_message", 4.5),
        ("speech_on", 5.0),
        ("speech_off", 6.0),
    ]
    assert events[0]["timestamp"]["absolute"] == "2026-01-01T00:00:00.250Z"
    assert events[2]["data"] == {"text": "hello", "to": "only_bot"}
    assert len({each["id"] for each in events}) == len(events)

    timeline = [
        (each["participant"]["name"], each["start_timestamp"]["relative"]) for each in found["speaker_timeline"]
    ]
    assert [name for name, _ in timeline] == ["Ada", "Ben", "Ada"]
    assert timeline[1] == ("Ben", 5.0)
    words = [
        (each["participant"], word["text"], word["start_timestamp"]["relative"])
        for each in found["transcript"]
        for word in each["words"]
    ]
    assert [(who["name"], text) for who, text, _ in words] == [
        ("Ada", "one"),
        ("Ada", "two"),
        ("Ben", "three"),
        ("Ada", "four"),
    ]
    assert [at_s for *_, at_s in words] == pytest.approx([1.0, 1.4, 5.2, 8.0], abs=EXACT_S)


async def test_what_recognisers_sent(meeting: Meeting) -> None:
    stream = meeting.connect()
    await say(stream, ADA, 1.0, "one", "two")
    await say(stream, None, 2.0, "three")  # not heard beside Ada's own
    await stream.take(ProviderData({"type": "Results", "half": "\ud800", "nul": "\0"}))
    told = Told(BEN, (ToldWord("hello", 5.0, 5.4),), is_partial=False, payload={"words": ["hello"]})
    await stream.take(told)
    await stream.stop()
    parts = (await documents_of(meeting))["provider_data"]["parts"]
    ours = next(each for each in parts if each["data"]["event"] == "transcription")
    assert ours["source_audio"]["participant"]["name"] == "Ada"
    assert ours["data"]["url"] == "earshot:scripted"
    words = ours["data"]["payload"]["words"]
    assert [word["text"] for word in words] == ["one", "two"]
    assert ours["source_audio"]["offset"] + words[0]["start"] == pytest.approx(1.0, abs=EXACT_S)
    sent = {each["data"]["event"]: each for each in parts if each is not ours}
    assert sent["transcript.provider_data"]["data"]["payload"]["half"] == "\ud800"
    assert sent["transcript.data"]["data"]["payload"] == {"words": ["hello"]}
    assert sent["transcript.data"]["source_audio"]["offset"] == 5.0
    assert sent["transcript.data"]["source_audio"]["participant"]["name"] == "Ben"


async def test_when_our_recogniser_said_it_stays_though_a_speaker_is_renamed(meeting: Meeting) -> None:
    stream = meeting.connect()
    await say(stream, ADA, 1.0, "one")
    await stream.stop()
    [before] = (await documents_of(meeting))["provider_data"]["parts"]
    [named] = await meeting.services.speakers.participants(meeting.id)
    await meeting.services.speakers.change(meeting.id, named.id, name="The host")
    [after] = (await documents_of(meeting))["provider_data"]["parts"]
    assert after["source_audio"]["participant"]["name"] == "The host"
    assert after["created_at"] == before["created_at"] > "2026-01-01T00:00:01"  # not when the recording began


async def test_the_sound_of_a_whole_room(meeting: Meeting) -> None:
    stream = meeting.connect()
    await say(stream, None, 1.0, "one")
    await stream.take(acted(ParticipantAction.SPEECH_ON, BEN, 4.8))
    await say(stream, None, 5.0, "two")
    await stream.take(acted(ParticipantAction.SPEECH_OFF, BEN, 5.8))
    await stream.stop()
    found = await documents_of(meeting)
    said = [(each["participant"]["id"], [word["text"] for word in each["words"]]) for each in found["transcript"]]
    assert said == [(0, ["one"]), (BEN.id, ["two"])]
    assert [each["id"] for each in found["participants"]] == [BEN.id, 0]


async def test_who_is_only_heard_is_known_by_their_name(meeting: Meeting) -> None:
    stream = meeting.connect()
    await say(stream, MeetingParticipant(id=9, name="Zoë"), 1.0, "one")
    await say(stream, MeetingParticipant(id=8), 2.0, "two")
    await stream.stop()
    found = await documents_of(meeting)
    assert {each["id"]: each["name"] for each in found["participants"]} == {9: "Zoë", 8: None}


async def test_who_only_speaks_and_shows_is_known_by_what_is_told_with_that(meeting: Meeting) -> None:
    host = ADA.model_copy(update={"is_host": True, "platform": "zoom", "extra_data": {"zoom": {"id": 1}}})
    camera = MeetingParticipant(id=3, name="Cleo", is_host=False, platform="teams")
    stream = meeting.connect()
    await say(stream, host, 1.0, "one")
    await stream.take(Picture(camera, "webcam", "png", still(1), moment(1.0)))
    await stream.lost("away")
    again = meeting.connect()
    await again.take(acted(ParticipantAction.JOIN, BEN, 3.0))
    await say(again, BEN.model_copy(update={"is_host": False}), 4.0, "two")
    await again.stop()
    found = hold(await record_of(meeting))
    views = {
        1: {"id": 1, "name": "Ada", "is_host": True, "platform": "zoom", "extra_data": {"zoom": {"id": 1}}},
        2: {"id": 2, "name": "Ben", "is_host": False, "platform": None, "extra_data": None},
        3: {"id": 3, "name": "Cleo", "is_host": False, "platform": "teams", "extra_data": None},
    }
    assert found["participants"] == [views[2], views[1], views[3]]
    for name in ("audio_separate", "video_separate", "speaker_timeline"):
        assert all(each["participant"] == views[each["participant"]["id"]] for each in found[name]), name


async def test_who_speaks_on_does_so_until_the_recording_ends(meeting: Meeting) -> None:
    stream = meeting.connect()
    await stream.take(acted(ParticipantAction.SPEECH_ON, ADA, 1.0))
    await say(stream, ADA, 1.5, "one")
    await stream.take(acted(ParticipantAction.CHAT_MESSAGE, BEN, 30.0, text="still there", to="everyone"))
    await stream.stop()
    [spoken] = hold(await record_of(meeting))["speaker_timeline"]
    assert (spoken["start_timestamp"]["relative"], spoken["end_timestamp"]["relative"]) == (1.0, 30.0)


async def test_nothing_yet(meeting: Meeting) -> None:
    record = await MeetingRecord.read(meeting.services.store, meeting.id, BEGAN_AT)
    assert all(made in ([], {"parts": []}) for made in hold(record).values())


async def test_parts_of_sound_and_pictures(meeting: Meeting) -> None:
    stream = meeting.connect()
    await say(stream, ADA, 1.0, "one", "two")  # pieces of 0.1 s, from 0.5 to 2.3
    await say(stream, ADA, 3.0, "three")  # from 2.5: a moment is no pause
    await say(stream, ADA, 9.0, "four")
    await say(stream, BEN, 5.0, "five")
    await stream.lost("away")
    shown = MeetingPart(new_meeting_part_id(), meeting.id, "screenshare", 7, 2.0)  # nobody said when it ended
    later = replace(shown, id=new_meeting_part_id(), start_s=6.0, end_s=8.0)
    await meeting.services.store.meeting_parts.put([shown, later])
    record = PictureRecord(5500, PictureFormat.PNG, still(1))
    await asyncio.to_thread(pictures_path(meeting.services.settings, shown).parent.mkdir, exist_ok=True)
    await asyncio.to_thread(picture_file.append, pictures_path(meeting.services.settings, shown), record)
    again = meeting.connect()
    await say(again, ADA, 12.0, "six")
    await again.stop()
    found = await documents_of(meeting)
    audio = [
        (each["participant"]["name"], each["start_timestamp"]["relative"], each["duration"])
        for each in found["audio_separate"]
    ]
    expected = [("Ada", 0.5, 3.4), ("Ben", 4.5, 1.4), ("Ada", 8.5, 1.4), ("Ada", 11.5, 1.4)]
    assert [name for name, *_ in audio] == [name for name, *_ in expected]
    assert [times for _, *times in audio] == [pytest.approx(times, abs=EXACT_S) for _, *times in expected]
    assert [
        (each["participant"]["id"], each["type"], each["start_timestamp"]["relative"], each["duration"])
        for each in found["video_separate"]
    ] == [(7, "screenshare", 2.0, 4.0), (7, "screenshare", 6.0, 2.0)]
    assert found["audio_separate"][0]["download_url"].startswith("http://here/")
