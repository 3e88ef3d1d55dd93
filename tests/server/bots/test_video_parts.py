"""Cameras and screens of participants: from when to when they were shown, and what is kept of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from media import picture_file
from protocol.errors import AudioFormatError, BadInput, InvalidMessage, NotFound, Overloaded, TooLarge
from protocol.participants import ParticipantAction
from protocol.wire.bot_items import Picture, PictureFormat, Surface
from server.bots import video_parts
from server.bots.films import film_of
from server.bots.video_parts import pictures_path
from server.store.meeting_part_store import MeetingPart
from tests.fakes.pictures import h264, length_s, shown, still
from tests.server.bots.meetings import ADA, BEN, Meeting, acted, moment, say


def picture(
    at_s: float, data: bytes = b"", *, form: PictureFormat = "png", surface: Surface = "webcam", who: Any = ADA
) -> Picture:
    return Picture(who, surface, form, data or still(round(at_s * 10) % 256), moment(at_s))


async def parts_of(meeting: Meeting) -> list[tuple[str, int, float, float | None]]:
    found = await meeting.services.store.meeting_parts.of_transcript(meeting.id)
    return [(part.kind, part.participant_id, part.start_s, part.end_s) for part in found if part.kind != "audio"]


async def the_part(meeting: Meeting) -> MeetingPart:
    [part] = await meeting.services.store.meeting_parts.of_transcript(meeting.id)
    return part


def kept(meeting: Meeting, part: MeetingPart) -> Path:
    return pictures_path(meeting.services.settings, part)


async def test_cameras_and_screens_have_their_parts(meeting: Meeting) -> None:
    stream = meeting.connect()
    await stream.take(picture(1.0))
    await stream.take(picture(1.2, surface="screenshare"))
    await stream.take(picture(1.5, who=BEN))
    await stream.take(picture(2.0))
    await stream.take(acted(ParticipantAction.WEBCAM_OFF, ADA, 3.25))
    await stream.take(acted(ParticipantAction.SCREENSHARE_OFF, ADA, 4.0))
    await stream.take(picture(5.0))  # on again
    await stream.take(acted(ParticipantAction.LEAVE, ADA, 5.5))
    await stream.stop()
    assert await parts_of(meeting) == [
        ("webcam", 1, 1.0, 3.25),
        ("screenshare", 1, 1.2, 4.0),
        ("webcam", 2, 1.5, 2.5),  # a second after its only picture
        ("webcam", 1, 5.0, 5.5),
    ]


async def test_a_part_is_a_film_of_its_length(meeting: Meeting) -> None:
    stream = meeting.connect()
    for number in range(4):
        await stream.take(picture(7.0 + number / 2, still(40 * number)))
    await stream.take(acted(ParticipantAction.WEBCAM_OFF, ADA, 9.75))
    await stream.stop()
    part = await the_part(meeting)
    file = await film_of(meeting.services, part)
    film = kept(meeting, part).with_suffix(".mp4")
    assert (file.media_type, file.length_bytes) == ("video/mp4", film.stat().st_size)
    assert [at_s for at_s, _ in shown(str(film))] == [0.0, 0.5, 1.0, 1.5]
    assert part.end_s is not None
    assert length_s(str(film)) == pytest.approx(part.end_s - part.start_s, abs=0.001)
    made_at = film.stat().st_mtime_ns
    await film_of(meeting.services, part)
    assert film.stat().st_mtime_ns == made_at  # once


async def test_what_another_node_removed_for_privacy_is_shown_no_more(meeting: Meeting) -> None:
    stream = meeting.connect()
    await stream.take(picture(1.0))
    await stream.stop()
    part = await the_part(meeting)
    await film_of(meeting.services, part)
    await meeting.services.store.remove_audio(meeting.id)
    assert kept(meeting, part).exists()  # until this node looks what may not be kept
    with pytest.raises(NotFound, match="privacy"):
        await film_of(meeting.services, part)


async def test_a_stream_of_video_begins_with_a_key_frame(meeting: Meeting) -> None:
    stream = meeting.connect()
    before, after = h264([10, 20]), h264([40, 120, 200])
    for number, piece in enumerate([*before[1:], *after]):
        await stream.take(picture(1.0 + number * 0.04, piece, form="h264"))
    await stream.take(picture(1.02, after[0], form="h264"))  # too late
    await stream.stop()
    part = await the_part(meeting)
    assert (part.start_s, part.end_s) == (1.04, 2.12)
    await film_of(meeting.services, part)
    film = kept(meeting, part).with_suffix(".mp4")
    assert [at_s for at_s, _ in shown(str(film))] == [pytest.approx(at_s, abs=0.001) for at_s in (0, 0.04, 0.08)]


async def test_where_a_part_ends_by_itself(meeting: Meeting) -> None:
    stream = meeting.connect()
    await stream.take(picture(1.0))
    await stream.take(picture(1.0, still(1)))  # of the same time
    await stream.take(picture(0.5, still(2)))  # late
    await stream.take(picture(11.5))  # after a while
    await stream.take(picture(12.0, still(9, width=32)))  # of another size
    await stream.take(picture(13.0, h264([1])[0], form="h264"))  # of another kind
    await stream.stop()
    found = await parts_of(meeting)
    assert [(start_s, end_s) for _, _, start_s, end_s in found] == [(1.0, 11.0), (11.5, 12.0), (12.0, 13.0), (13.0, 14)]
    stored = await meeting.services.store.meeting_parts.of_transcript(meeting.id)
    assert [len(list(picture_file.read(kept(meeting, part)))) for part in stored] == [1, 1, 1, 1]


async def test_what_is_shown_goes_on_by_another_connection(meeting: Meeting) -> None:
    stream = meeting.connect()
    await stream.take(picture(1.0))
    await stream.take(picture(1.0, who=BEN))
    await stream.take(picture(1.0, surface="screenshare"))
    await stream.lost("away")
    again = meeting.connect()
    await again.take(picture(1.0))  # told again
    await again.take(acted(ParticipantAction.WEBCAM_OFF, BEN, 1.2))
    await again.take(picture(1.5))
    await again.take(acted(ParticipantAction.WEBCAM_OFF, ADA, 2.0))
    await again.take(picture(20.0, surface="screenshare"))  # which nobody saw for long
    await again.stop()
    assert {*await parts_of(meeting)} == {
        ("webcam", 1, 1.0, 2.0),
        ("webcam", 2, 1.0, 1.2),
        ("screenshare", 1, 1.0, 2.0),
        ("screenshare", 1, 20.0, 21.0),
    }
    stored = await meeting.services.store.meeting_parts.of_transcript(meeting.id)
    [webcam] = [part for part in stored if (part.kind, part.participant_id) == ("webcam", 1)]
    assert [record.at_ms for record in picture_file.read(kept(meeting, webcam))] == [1000, 1500]


async def test_a_stream_of_video_goes_on_with_a_key_frame(meeting: Meeting) -> None:
    stream = meeting.connect()
    pieces, later = h264([10, 20, 30]), h264([40, 50])
    await stream.take(picture(1.0, pieces[0], form="h264"))
    await stream.lost("away")
    again = meeting.connect()
    for number, piece in enumerate([*pieces[1:], *later]):
        await again.take(picture(1.1 + number / 10, piece, form="h264"))
    await again.take(acted(ParticipantAction.WEBCAM_OFF, ADA, 1.6))
    await again.stop()
    part = await the_part(meeting)
    assert (part.start_s, part.end_s) == (1.0, 1.6)
    await film_of(meeting.services, part)
    film = kept(meeting, part).with_suffix(".mp4")
    assert [at_s for at_s, _ in shown(str(film))] == [pytest.approx(at_s, abs=0.001) for at_s in (0, 0.3, 0.4)]


async def test_behind_what_was_cut_another_part_begins(meeting: Meeting) -> None:
    stream = meeting.connect()
    await stream.take(picture(1.0))
    await stream.take(picture(1.5))
    path = kept(meeting, await the_part_open(stream))
    await stream.lost("away")
    path.write_bytes(path.read_bytes()[:-1])  # as a power cut leaves it
    again = meeting.connect()
    await again.take(picture(2.0))
    await again.stop()
    assert [(start_s, end_s) for _, _, start_s, end_s in await parts_of(meeting)] == [(1.0, 2.0), (2.0, 3.0)]


async def test_a_part_is_stored_when_it_begins(meeting: Meeting) -> None:
    stream = meeting.connect()
    await stream.take(picture(1.0))
    async with asyncio.timeout(30):
        while not (found := await parts_of(meeting)):  # noqa: ASYNC110 - it comes by itself
            await asyncio.sleep(0.01)
    assert found == [("webcam", 1, 1.0, None)]  # as a crash would leave it
    await stream.lost("away")


async def test_in_a_pause_nothing_is_kept(meeting: Meeting) -> None:
    stream = meeting.connect()
    await stream.take(picture(1.0))
    stream.pause(paused=True)
    await stream.take(picture(1.5))
    stream.pause(paused=False)
    await stream.take(picture(2.0))
    await stream.stop()
    assert [(start_s, end_s) for _, _, start_s, end_s in await parts_of(meeting)] == [(1.0, 2.0), (2.0, 3.0)]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (picture(2.0, b"no picture"), AudioFormatError),
        (picture(2.0, b"no stream", form="h264"), InvalidMessage),
        (picture(2.0, bytes(picture_file.PICTURE_MAX_BYTES + 1), form="h264"), TooLarge),
    ],
)
async def test_what_is_wrong_costs_itself(meeting: Meeting, wrong: Picture, error: type[BadInput]) -> None:
    stream = meeting.connect()
    await stream.take(picture(1.0))
    with pytest.raises(error):
        await stream.take(wrong)
    await stream.take(picture(2.5))
    await stream.stop()
    assert [(start_s, end_s) for _, _, start_s, end_s in await parts_of(meeting)] == [(1.0, 3.5)]


async def test_there_is_an_end_to_pictures(meeting: Meeting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_parts, "RECORDING_MAX_BYTES", 200)
    stream = meeting.connect()
    await stream.take(picture(1.0))
    with pytest.raises(TooLarge):
        await stream.take(picture(1.5, still(1, width=640, height=640)))
    await stream.lost("away")
    again = meeting.connect()
    with pytest.raises(TooLarge):  # what came before counts
        await again.take(picture(2.0))
    await again.stop()
    monkeypatch.setattr(video_parts, "OPEN_MAX", 0)
    another = meeting.connect()
    with pytest.raises(TooLarge):
        await another.take(picture(3.0))
    await another.lost("away")


async def test_where_the_disk_takes_none_the_sound_goes_on(meeting: Meeting, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = meeting.connect()
    await stream.take(picture(0.5))
    path = kept(meeting, (await the_part_open(stream)))
    path.unlink()
    path.mkdir()
    with pytest.raises(Overloaded):
        await stream.take(picture(1.0))
    await say(stream, ADA, 1.0, "one")
    await stream.stop()
    assert [text for text, _, _ in await meeting.words()] == ["one"]


async def the_part_open(stream: Any) -> MeetingPart:
    [opened] = stream._video._open.values()
    part: MeetingPart = opened.part
    return part


async def test_what_was_shown_goes_with_the_recording(meeting: Meeting) -> None:
    stream = meeting.connect()
    await stream.take(picture(1.0))
    await stream.stop()
    part = await the_part(meeting)
    await film_of(meeting.services, part)
    assert kept(meeting, part).exists()
    await meeting.services.removal.delete_sound(meeting.id)
    assert not kept(meeting, part).parent.exists()
