"""Speakers named, merged and assigned, told to readers as it happens; text never changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from protocol.errors import Conflict, NotFound, ValidationFailed
from protocol.events import Event, SpeakerTurn, Transcribed
from server.bus import InProcessBus
from server.journal import Journal
from server.live import SourceOptions
from server.recorders import new_track
from server.speaker_labels import label_of, number_of
from server.speakers import Speakers
from server.store.store import Store
from server.voices import Voices
from tests.server.spoken import put, segment


class Room:
    """A transcript of two voices on one track, three seconds apart, and who changes whose they are."""

    def __init__(self, store: Store, journal: Journal) -> None:
        self.store = store
        self.journal = journal
        self.voices = Voices(store)
        self.speakers = Speakers(store, journal, self.voices)
        self.id = ""

    async def said(self, segment_id: str, text: str, start_s: float, speaker: str, track: str = "trk_1") -> None:
        spoken = segment(segment_id, text, start_samples=round(start_s * 16000))
        spoken = spoken.model_copy(update={"speaker": speaker, "track": track})
        await put(self.store, self.id, Transcribed(segment=spoken, track_started_at=1000.0))

    async def shown(self) -> list[tuple[str, str | None]]:
        return [(each.segment.text, each.segment.speaker) for each in await self.store.segments_of(self.id)]

    async def labels(self) -> list[str | None]:
        return [each.segment.label for each in await self.store.segments_of(self.id)]

    async def events(self) -> list[Event]:
        return await self.store.events_after(self.id, 0, 1000)


@pytest.fixture
async def room(store: Store) -> AsyncIterator[Room]:
    journal = Journal(store, InProcessBus(), commit_interval_s=0.0)
    journal.start()
    room = Room(store, journal)
    room.id = (await store.create_transcript()).id
    await store.create_track(room.id, source="stream", started_at=1000.0, track_id="trk_1", speaker="Speaker 1")
    await room.said("seg_a", "hello there you", 0.0, "Speaker 1")
    await room.said("seg_b", "good morning", 3.0, "Speaker 2")
    await room.said("seg_c", "how are you", 6.0, "Speaker 1")
    yield room
    await journal.stop()


async def test_a_name_is_shown_for_its_speaker_and_taken_back(room: Room) -> None:
    ann = await room.speakers.add(room.id, name="Ann", speaker="Speaker 1")
    assert [speaker for _, speaker in await room.shown()] == ["Ann", "Speaker 2", "Ann"]
    assert await room.labels() == ["Speaker 1", "Speaker 2", "Speaker 1"]
    turn = (await room.events())[-1].body
    assert isinstance(turn, SpeakerTurn)
    assert (turn.speaker, turn.speaker_label, turn.segment_ids) == ("Ann", "Speaker 1", ("seg_a", "seg_c"))
    await room.speakers.change(room.id, ann.id, name="Anna")
    assert [speaker for _, speaker in await room.shown()] == ["Anna", "Speaker 2", "Anna"]
    await room.speakers.change(room.id, ann.id, speaker="Speaker 2")
    assert [speaker for _, speaker in await room.shown()] == ["Speaker 1", "Anna", "Speaker 1"]
    before = len(await room.events())
    await room.speakers.change(room.id, ann.id, email="ann@example.org")
    assert len(await room.events()) == before
    await room.speakers.remove(room.id, ann.id)
    assert [speaker for _, speaker in await room.shown()] == ["Speaker 1", "Speaker 2", "Speaker 1"]
    assert [text for text, _ in await room.shown()] == ["hello there you", "good morning", "how are you"]


async def test_a_speaker_has_one_name_and_nobody_without_a_speaker_stands_in_the_way(room: Room) -> None:
    first = await room.speakers.add(room.id, name="Ann", speaker="Speaker 1")
    nobody = await room.speakers.add(room.id, name="Bob")
    await room.speakers.add(room.id, name="Cyd")
    await room.speakers.change(room.id, nobody.id, name="Bobby")
    with pytest.raises(Conflict, match="Speaker already assigned"):
        await room.speakers.add(room.id, name="Dan", speaker="Speaker 1")
    with pytest.raises(Conflict, match="Speaker already assigned"):
        await room.speakers.change(room.id, nobody.id, speaker="Speaker 1")
    assert await room.speakers.change(room.id, first.id, speaker="Speaker 1") == first
    assert [each.name for each in await room.speakers.participants(room.id)] == ["Ann", "Bobby", "Cyd"]
    for call in (
        room.speakers.change(room.id, "par_none", name="x"),
        room.speakers.remove(room.id, "par_none"),
        room.speakers.participant(room.id, "par_none"),
    ):
        with pytest.raises(NotFound, match="Participant not found"):
            await call


async def test_all_participants_at_once_may_exchange_their_speakers(room: Room) -> None:
    ann = await room.speakers.add(room.id, name="Ann", speaker="Speaker 1")
    bob = await room.speakers.add(room.id, name="Bob", speaker="Speaker 2")
    await room.speakers.add(room.id, name="Cyd")
    wanted = [
        {"id": ann.id, "name": "Ann", "speaker": "Speaker 2"},
        {"id": bob.id, "name": "Bob", "speaker": "Speaker 1"},
        {"name": "Dan"},
    ]
    async with room.speakers.renaming(room.id):
        await room.store.update_transcript(room.id, people=wanted)
    assert [each.name for each in await room.speakers.participants(room.id)] == ["Ann", "Bob", "Dan"]
    assert [speaker for _, speaker in await room.shown()] == ["Bob", "Ann", "Bob"]


async def test_merging_takes_the_name_along_and_what_still_comes(room: Room) -> None:
    ann = await room.speakers.add(room.id, name="Ann", speaker="Speaker 1")
    done = await room.speakers.merge(room.id, "Speaker 1", "Speaker 2")
    assert (done.segments, done.participant) == (3, await room.speakers.participant(room.id, ann.id))
    assert [speaker for _, speaker in await room.shown()] == ["Ann"] * 3
    assert await room.labels() == ["Speaker 2"] * 3
    assert (await room.store.get_track("trk_1")).speaker == "Speaker 2"
    with pytest.raises(NotFound, match="Speaker not found"):
        await room.speakers.merge(room.id, "Speaker 1", "Speaker 2")


async def test_two_that_are_both_named_are_not_merged(room: Room) -> None:
    await room.speakers.add(room.id, name="Ann", speaker="Speaker 1")
    with pytest.raises(NotFound, match="Participant not found"):
        await room.speakers.merge(room.id, "Speaker 1", "Speaker 2", participant_id="par_none")
    await room.speakers.add(room.id, name="Bob", speaker="Speaker 2")
    before = await room.shown()
    with pytest.raises(NotFound, match="Participant not found"):
        await room.speakers.merge(room.id, "Speaker 1", "Speaker 2", participant_id="par_none")
    with pytest.raises(Conflict, match="Both speakers are assigned to participants"):
        await room.speakers.merge(room.id, "Speaker 1", "Speaker 2")
    with pytest.raises(ValidationFailed):
        await room.speakers.merge(room.id, "Speaker 1", "Speaker 1")
    assert await room.shown() == before


async def test_two_that_are_both_named_are_one_when_it_is_said_who_stays(room: Room) -> None:
    ann = await room.speakers.add(room.id, name="Ann", speaker="Speaker 1")
    two = await room.speakers.add(room.id, name="Ann 2", speaker="Speaker 2", user_id="ann")
    cyd = await room.speakers.add(room.id, name="Cyd", speaker="Speaker 3")
    with pytest.raises(Conflict, match="Both speakers are assigned to participants"):
        await room.speakers.merge(room.id, "Speaker 1", "Speaker 2", participant_id=cyd.id)
    done = await room.speakers.merge(room.id, "Speaker 2", "Speaker 1", participant_id=ann.id)
    assert (done.speaker, done.participant) == ("Speaker 1", await room.speakers.participant(room.id, ann.id))
    assert done.participant is not None
    assert (done.participant.name, done.participant.user_id) == ("Ann", "ann")
    assert [speaker for _, speaker in await room.shown()] == ["Ann"] * 3
    with pytest.raises(NotFound):
        await room.speakers.participant(room.id, two.id)
    await room.speakers.merge(room.id, "Speaker 1", "Speaker 3", participant_id=ann.id)  # either name may stay
    assert [(each.name, each.speaker) for each in await room.speakers.participants(room.id)] == [("Ann", "Speaker 3")]
    assert await room.labels() == ["Speaker 3"] * 3


async def test_a_stretch_is_assigned_and_cuts_the_segments_at_its_edges(room: Room) -> None:
    # Words last 62.5 ms each from the beginning of their segment.
    done = await room.speakers.assign(room.id, speaker="Speaker 3", from_s=0.062, to_s=6.0)
    assert (done.speaker, done.segments, done.split, done.rounded) == ("Speaker 3", 3, 2, 0)
    assert await room.shown() == [
        ("hello", "Speaker 1"),
        ("there you", "Speaker 3"),
        ("good morning", "Speaker 3"),
        ("how", "Speaker 3"),
        ("are you", "Speaker 1"),
    ]
    again = await room.speakers.assign(room.id, speaker="Speaker 3", from_s=0.062, to_s=6.0)
    assert (again.segments, again.split) == (0, 0)
    kept = await room.store.get_transcript(room.id)
    assert (kept.segments, kept.words) == (5, 8)
    pieces = [e.body.segment for e in await room.events() if isinstance(e.body, Transcribed) and e.seq > 3]
    assert [(each.segment_id, each.revision) for each in pieces if each.segment_id in ("seg_a", "seg_c")] == [
        ("seg_a", 2),
        ("seg_c", 2),
    ]


async def test_a_participant_without_a_voice_gets_the_lowest_free_one(room: Room) -> None:
    await room.speakers.add(room.id, name="Bob", speaker="Speaker 3")
    ann = await room.speakers.add(room.id, name="Ann")
    done = await room.speakers.assign(room.id, participant_id=ann.id, from_s=3.0, to_s=3.1)
    assert (done.speaker, done.segments) == ("Speaker 4", 1)
    assert await room.shown() == [
        ("hello there you", "Speaker 1"),
        ("good morning", "Ann"),
        ("how are you", "Speaker 1"),
    ]
    again = await room.speakers.assign(room.id, participant_id=ann.id, from_s=6.0, to_s=9.0)
    assert (again.speaker, again.participant and again.participant.name) == ("Speaker 4", "Ann")
    with pytest.raises(ValidationFailed):
        await room.speakers.assign(room.id, from_s=0.0, to_s=1.0)
    with pytest.raises(ValidationFailed):
        await room.speakers.assign(room.id, speaker="Speaker 1", participant_id=ann.id, from_s=0.0, to_s=1.0)
    with pytest.raises(NotFound):
        await room.speakers.assign(room.id, participant_id="par_none", from_s=0.0, to_s=1.0)


async def test_what_cannot_be_cut_goes_to_whom_half_of_it_belongs(room: Room) -> None:
    for segment_id, start_s in (("seg_x", 10.0), ("seg_y", 12.0)):
        blank = segment(segment_id, "no times", start_samples=round(start_s * 16000))
        blank = blank.model_copy(update={"words": (), "speaker": "Speaker 1"})  # each a second long
        await put(room.store, room.id, Transcribed(segment=blank, track_started_at=1000.0))
    done = await room.speakers.assign(room.id, speaker="Speaker 2", from_s=10.5, to_s=12.4)
    assert (done.segments, done.split, done.rounded) == (1, 0, 2)
    assert [speaker for _, speaker in (await room.shown())[3:]] == ["Speaker 2", "Speaker 1"]


async def test_times_are_those_of_the_transcript_and_a_track_may_be_named(room: Room) -> None:
    await room.store.create_track(room.id, source="stream", started_at=1002.0, track_id="trk_2", name="b")
    spoken = segment("seg_t", "late", start_samples=16000).model_copy(update={"track": "trk_2", "speaker": "Speaker 5"})
    await put(room.store, room.id, Transcribed(segment=spoken, track_started_at=1002.0))
    done = await room.speakers.assign(room.id, speaker="Speaker 6", from_s=3.0, to_s=4.0, track="b")
    assert done.segments == 1
    assert ("late", "Speaker 6") in await room.shown()
    assert ("good morning", "Speaker 2") in await room.shown()
    with pytest.raises(NotFound):
        await room.speakers.assign(room.id, speaker="Speaker 6", from_s=0.0, to_s=1.0, track="none")


async def test_changes_at_once_come_one_after_the_other(room: Room) -> None:
    await asyncio.gather(
        room.speakers.assign(room.id, speaker="Speaker 2", from_s=0.0, to_s=0.07),
        room.speakers.assign(room.id, speaker="Speaker 3", from_s=0.07, to_s=0.2),
        room.speakers.add(room.id, name="Ann", speaker="Speaker 2"),
        room.speakers.merge(room.id, "Speaker 1", "Speaker 2"),
    )
    assert " ".join(text for text, _ in await room.shown()) == "hello there you good morning how are you"
    labels = [each.segment.label for each in await room.store.segments_of(room.id)]
    names = [speaker for _, speaker in await room.shown()]
    assert names == ["Ann" if label == "Speaker 2" else label for label in labels]
    assert "Speaker 1" not in labels


async def test_a_locked_transcript_keeps_its_speakers(room: Room) -> None:
    async with room.store._write() as conn:
        await conn.exec_driver_sql("UPDATE transcripts SET locked = TRUE")
    ann = room.speakers.add(room.id, name="Ann", speaker="Speaker 1")
    for call in (
        ann,
        room.speakers.merge(room.id, "Speaker 1", "Speaker 2"),
        room.speakers.assign(room.id, speaker="Speaker 2", from_s=0.0, to_s=1.0),
    ):
        with pytest.raises(Conflict, match="locked"):
            await call
    assert [speaker for _, speaker in await room.shown()] == ["Speaker 1", "Speaker 2", "Speaker 1"]


async def test_those_who_still_speak_are_told_under_their_new_name_at_once(room: Room) -> None:
    track = await room.store.get_track("trk_1")
    await room.voices.learn(room.id)
    assert room.voices.begins(track)
    await room.speakers.add(room.id, name="Ann", speaker="Speaker 1")
    assert (room.voices.of(track).label, room.voices.of(track).name) == ("Speaker 1", "Ann")
    assert not room.voices.begins(track)
    await room.speakers.merge(room.id, "Speaker 1", "Speaker 2")
    assert (room.voices.of(track).label, room.voices.of(track).name) == ("Speaker 2", "Ann")
    room.voices.forget(room.id)
    assert room.voices.of(track).name == "Speaker 1"


async def test_a_new_source_is_nobody_who_was_told_apart_and_may_be_who_was_only_named(room: Room) -> None:
    await room.speakers.add(room.id, name="Cyd", speaker="Speaker 3")
    track = await new_track(room.store, room.id, SourceOptions())  # on the first one "Speaker 2" was heard, too
    assert (track.name, track.speaker) == ("track-3", "Speaker 3")
    await room.voices.learn(room.id)
    assert room.voices.of(track).name == "Cyd"
    assert (await new_track(room.store, room.id, SourceOptions(speaker="Ann"))).speaker == "Ann"


async def test_a_final_that_waits_for_the_store_is_relabelled_too(room: Room) -> None:
    waiting = segment("seg_w", "on its way", start_samples=160_000).model_copy(update={"speaker": "Speaker 1"})
    told = asyncio.create_task(room.journal.append(room.id, Transcribed(segment=waiting, track_started_at=1000.0)))
    await asyncio.sleep(0)
    await room.speakers.add(room.id, name="Ann", speaker="Speaker 1")
    await told
    assert ("on its way", "Ann") in await room.shown()


async def test_many_segments_are_relabelled_by_few_events(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.speakers.TURN_SEGMENTS_MAX", 90)
    monkeypatch.setattr("server.segment_pages.PIECE_SEGMENTS", 50)
    for i in range(100):
        await room.said(f"seg_{i:03}", "word", 20.0 + i, "Speaker 9")
    before = len(await room.events())
    await room.speakers.add(room.id, name="Ann", speaker="Speaker 9")
    assert [len(e.body.segment_ids) for e in (await room.events())[before:] if isinstance(e.body, SpeakerTurn)] == [
        90,
        10,
    ]
    assert [speaker for _, speaker in (await room.shown())[3:]] == ["Ann"] * 100


def test_labels_and_numbers() -> None:
    assert label_of(3) == "Speaker 3"
    assert [number_of(label) for label in ("Speaker 3", "Speaker 03", "Speaker x", "Ann", "Speaker ²", None)] == [
        3,
        *[None] * 5,
    ]
