"""Who spoke, said anew by all that was heard; text never changes, and what people said stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from asr.wire import HeardVoice
from protocol.errors import Conflict, NotFound, Overloaded, StoreUnavailable
from protocol.events import SpeakerTurn, Transcribed
from protocol.states import TranscriptState
from protocol.words import Segment, Word
from server.bus import InProcessBus
from server.hub import Hub
from server.journal import Journal
from server.locks import Locks
from server.nodes.duties import Duties
from server.nodes.holding import Holding
from server.recognition import Recognition
from server.relabelling import ASKED_MAX, Relabelled, Relabelling, wanted_samples
from server.speakers import Speakers, Whole
from server.store.records import VoicesAsked
from server.store.store import Store
from server.track_prints import TrackPrints
from server.voices import Voices
from tests.fakes.settings import settings_of
from tests.fakes.waiting import until
from tests.server.spoken import put
from tests.server.spoken_prints import Speech, prints

NODE = "nod_1"


class Cut(Speakers):
    """One that is cut short before it tells anything, as by a crash."""

    cuts = 1

    async def tell(self, transcript_id: str, changed: Iterable[Whole], names: Mapping[str, str]) -> None:
        if self.cuts:
            self.cuts -= 1
            raise StoreUnavailable("gone")
        await super().tell(transcript_id, changed, names)


class Room:
    """A transcript that is over, with a track of three voices, and who says anew who spoke."""

    def __init__(self, store: Store, journal: Journal, *, speakers: type[Speakers] = Speakers) -> None:
        self.store = store
        self.journal = journal
        self.voices = Voices(store)
        self.sessions: dict[str, Any] = {}
        self.speakers = speakers(store, journal, self.voices)
        hub = cast(Hub, SimpleNamespace(voices=self.voices, sessions=self.sessions, lock_of=Locks().of))
        recognition = Recognition(settings_of(), store, self.speakers, self.voices)
        parts = store, journal, hub, self.speakers, recognition
        self.relabelling = Relabelling(settings_of(), *parts, Holding(store, NODE), Duties(store.nodes, lambda: NODE))
        self.id = ""

    async def speech(self, name: str, speaker: str) -> Speech:
        track = await self.store.create_track(
            self.id,
            source="stream",
            started_at=1000.0,
            track_id=name,
            speaker=speaker,
            voices=VoicesAsked(diarize=True),
            state="finished",
        )
        return Speech(self.store, self.id, track.id)

    async def call(self, track_id: str, voices: Mapping[int, str]) -> None:
        await self.store.voices.put_labels(self.id, {(track_id, number): label for number, label in voices.items()})

    async def end(self) -> None:
        for state in (TranscriptState.RECORDING, TranscriptState.PROCESSING, TranscriptState.ENDED):
            await self.store.set_state(self.id, state)

    async def shown(self) -> list[tuple[str, str | None]]:
        return [(each.segment.text, each.segment.speaker) for each in await self.store.segments_of(self.id)]

    async def turns(self) -> list[SpeakerTurn]:
        bodies = [event.body for event in await self.store.events_after(self.id, 0, 1000)]
        return [body for body in bodies if isinstance(body, SpeakerTurn)]

    async def restarted(self) -> Room:
        again = Room(self.store, self.journal)
        again.id = self.id
        return again


async def empty_room(store: Store, journal: Journal, *, speakers: type[Speakers] = Speakers) -> Room:
    await store.nodes.join(NODE, url="", keys_digest="k")
    room = Room(store, journal, speakers=speakers)
    room.id = (await store.create_transcript()).id
    return room


async def room_of(store: Store, journal: Journal, *, speakers: type[Speakers] = Speakers) -> Room:
    """``Speaker 2`` was told of two voices, one of which is the first one's."""
    room = await empty_room(store, journal, speakers=speakers)
    speech = await room.speech("trk_1", "Speaker 1")
    await room.call("trk_1", {1: "Speaker 2"})
    await speech.say("one two three four five six", 0, 0)
    await speech.say("seven eight nine ten eleven twelve", 1, 1)
    await speech.say("alpha bravo charlie delta echo foxtrot", 1, 0)
    await speech.say("golf hotel india juliett kilo lima", 1, 1)
    return room


@pytest.fixture
async def journal(store: Store) -> AsyncIterator[Journal]:
    journal = Journal(store, InProcessBus(), commit_interval_s=0.0)
    journal.start()
    yield journal
    await journal.stop()


@pytest.fixture
async def room(store: Store, journal: Journal) -> Room:
    return await room_of(store, journal)


async def test_what_was_told_of_the_wrong_voice_is_told_anew_by_one_event(room: Room) -> None:
    before = await room.shown()
    assert await room.relabelling.relabel(room.id) == Relabelled(voices=2, segments=1)
    assert [speaker for _, speaker in await room.shown()] == ["Speaker 1", "Speaker 2", "Speaker 1", "Speaker 2"]
    assert [text for text, _ in await room.shown()] == [text for text, _ in before]
    [turn] = await room.turns()
    assert (turn.speaker, turn.voice, turn.segment_ids) == ("Speaker 1", 0, ("seg_trk_1_003",))
    found = (await room.store.segments_of(room.id))[2].segment
    assert (found.voice, found.speaker_confidence, found.speaker_set) == (0, turn.confidence, False)
    # The prints say so, too, and another pass finds nothing more.
    assert [voice for _, _, voice in (await room.store.voices.prints_of("trk_1"))[2].steps] == [0] * 6
    assert await room.relabelling.relabel(room.id) == Relabelled(voices=2)
    assert len(await room.turns()) == 1


async def test_a_segment_of_two_voices_is_cut_between_its_words(room: Room) -> None:
    speech = Speech(room.store, room.id, "trk_1", at_samples=10 * 16_000 * 2, count=9)
    await speech.say("one, two, three, four, alpha bravo charlie delta", 1, [0] * 4 + [1] * 4)
    words = (await room.store.get_transcript(room.id)).words
    done = await room.relabelling.relabel(room.id)
    assert (done.segments, done.split) == (2, 1)
    assert (await room.shown())[-2:] == [
        ("one, two, three, four,", "Speaker 1"),
        ("alpha bravo charlie delta", "Speaker 2"),
    ]
    first, second = [each.segment for each in (await room.store.segments_of(room.id))[-2:]]
    assert (first.segment_id, first.revision, second.revision) == ("seg_trk_1_010", 2, 1)
    assert (first.voice, second.voice) == (0, 1)
    assert (await room.store.get_transcript(room.id)).words == words


async def test_one_whose_words_are_not_known_goes_as_a_whole(room: Room) -> None:
    speech = Speech(room.store, room.id, "trk_1", at_samples=10 * 16_000 * 2, count=9)
    await speech.say("a b c d e f", 1, [0] * 4 + [1] * 2, with_words=False)
    await room.relabelling.relabel(room.id)
    assert (await room.shown())[-1] == ("a b c d e f", "Speaker 1")


async def test_a_voice_that_was_not_told_apart_gets_the_lowest_free_label(room: Room) -> None:
    other = await room.speech("trk_2", "Speaker 3")
    await other.say("on another microphone entirely", 0, 0, label="Speaker 3")
    speech = Speech(room.store, room.id, "trk_1", at_samples=10 * 16_000 * 2, count=9)
    await speech.say("somebody else " * 4, 1, 4)
    done = await room.relabelling.relabel(room.id)
    assert (done.voices, done.segments) == (4, 2)
    assert (await room.shown())[-1][1] == "Speaker 4"
    assert await room.store.voices.labels_of(room.id) == {("trk_1", 1): "Speaker 2", ("trk_1", 2): "Speaker 4"}


async def test_what_a_person_said_stays_and_tells_whose_voice_is_whose(room: Room) -> None:
    """Two voices that are one to the encoder: a person set one of their segments apart."""
    end_s = 6 * 6400 / 16_000
    await room.speakers.assign(room.id, speaker="Speaker 7", from_s=0.0, to_s=end_s)
    [segment] = [each.segment for each in await room.store.segments_of(room.id) if each.segment.speaker_set]
    assert (segment.speaker, segment.voice, segment.speaker_confidence) == ("Speaker 7", None, 1.0)
    await room.relabelling.relabel(room.id)
    # The same voice spoke the third segment, which nobody had set right.
    assert [speaker for _, speaker in await room.shown()] == ["Speaker 7", "Speaker 2", "Speaker 7", "Speaker 2"]
    assert (await room.store.segments_of(room.id))[0].segment == segment
    # And against what is heard, too.
    await room.speakers.assign(room.id, speaker="Speaker 2", from_s=0.0, to_s=end_s)
    await room.relabelling.relabel(room.id)
    assert (await room.shown())[0][1] == "Speaker 2"


async def test_what_a_person_confirmed_is_no_guess_any_more(room: Room) -> None:
    third = (await room.store.segments_of(room.id))[2].segment
    start_s, end_s = third.start_samples / 16_000, third.end_samples / 16_000
    done = await room.speakers.assign(room.id, speaker="Speaker 2", from_s=start_s, to_s=end_s)
    assert done.segments == 1
    await room.relabelling.relabel(room.id)
    found = (await room.store.segments_of(room.id))[2].segment
    assert (found.speaker, found.speaker_set) == ("Speaker 2", True)
    assert (await room.shown())[0][1] == "Speaker 2"  # whose voice is the same


async def test_what_a_person_gave_away_stays_however_little_of_a_step_it_is(room: Room) -> None:
    """Too short to tell the pass whose voice it is, and the step that it lies in is another's."""
    at = 20 * 16_000
    await room.store.voices.keep(room.id, prints("trk_1", at, [0], [0]))
    word = Word(text="yes", start_samples=at, end_samples=at + 1600)
    short = Segment(
        segment_id="seg_short",
        track="trk_1",
        text="yes",
        start_samples=at,
        end_samples=at + 1600,
        is_final=True,
        words=(word,),
        speaker="Speaker 2",
        speaker_set=True,
    )
    await put(room.store, room.id, Transcribed(segment=short, track_started_at=1000.0))
    assert (await room.relabelling.relabel(room.id)).segments == 1  # that of the third
    assert (await room.store.segments_of(room.id))[-1].segment == short


async def test_voices_that_a_person_made_one_stay_one(room: Room) -> None:
    await room.speakers.add(room.id, name="Ann", speaker="Speaker 1")
    await room.speakers.merge(room.id, "Speaker 2", "Speaker 1")
    assert await room.store.voices.labels_of(room.id) == {("trk_1", 1): "Speaker 1"}
    speech = Speech(room.store, room.id, "trk_1", at_samples=10 * 16_000 * 2, count=9)
    await speech.say("seven eight nine ten alpha bravo charlie delta", 1, [1] * 4 + [0] * 4, label="Speaker 1")
    await room.relabelling.relabel(room.id)
    assert {speaker for _, speaker in await room.shown()} == {"Ann"}
    assert len(await room.shown()) == 5  # nothing is cut between voices that are one


async def test_names_are_told_with_the_voices_they_belong_to(room: Room) -> None:
    await room.speakers.add(room.id, name="Ann", speaker="Speaker 1")
    before = [each.segment.speaker_confidence for each in await room.store.segments_of(room.id)]
    assert before == [0.6] * 4  # a name is nothing that is guessed
    await room.relabelling.relabel(room.id)
    assert [speaker for _, speaker in await room.shown()] == ["Ann", "Speaker 2", "Ann", "Speaker 2"]


async def test_a_pass_that_was_cut_short_is_made_up_for_at_the_next_start(store: Store, journal: Journal) -> None:
    room = await room_of(store, journal, speakers=Cut)
    await room.relabelling.before_end(room.id)  # raises nothing
    assert [speaker for _, speaker in await room.shown()] == ["Speaker 1", *["Speaker 2"] * 3]
    await room.end()
    assert await store.voices.due(limit=9, node_id=NODE) == [room.id]
    again = await room.restarted()
    await again.relabelling.make_due()
    assert [speaker for _, speaker in await room.shown()] == ["Speaker 1", "Speaker 2", "Speaker 1", "Speaker 2"]
    assert await store.voices.due(limit=9, node_id=NODE) == []
    assert len(await room.turns()) == 1


async def test_a_store_that_was_away_is_asked_again(store: Store, journal: Journal) -> None:
    room = await room_of(store, journal, speakers=Cut)
    await room.end()
    await room.relabelling.make_due()  # which finds it, fails, and tries once more
    assert [speaker for _, speaker in await room.shown()] == ["Speaker 1", "Speaker 2", "Speaker 1", "Speaker 2"]


async def test_one_that_would_fail_again_keeps_nobody_waiting(room: Room) -> None:
    bad = Speech(room.store, room.id, "trk_1", at_samples=10 * 16_000 * 2, count=9)
    await bad.say("one two", 0, 0)
    kept = (await room.store.voices.prints_of("trk_1"))[-1]
    spoilt = type(kept)(kept.track_id, "unheard of", kept.dim, kept.steps, kept.embeddings)
    await room.store.voices.keep(room.id, spoilt)
    await room.end()
    await room.relabelling.make_due()
    await room.relabelling.make_due()
    assert await room.store.voices.due(limit=9, node_id=NODE) == [room.id]
    assert [speaker for _, speaker in await room.shown()][:4] == ["Speaker 1", *["Speaker 2"] * 3]


async def test_what_is_locked_or_has_no_prints_or_is_not_there(room: Room) -> None:
    await room.store.update_transcript(room.id, locked=True)
    with pytest.raises(Conflict, match="locked"):
        await room.relabelling.relabel(room.id)
    await room.relabelling.before_end(room.id)
    await room.end()
    await room.relabelling.make_due()
    assert await room.turns() == []
    await room.store.update_transcript(room.id, locked=False)
    await room.store.remove_audio(room.id)
    assert await room.store.voices.prints_of("trk_1") == []
    with pytest.raises(Conflict, match="no voices were told apart"):
        await room.relabelling.relabel(room.id)
    await (await room.restarted()).relabelling.make_due()
    assert await room.store.voices.due(limit=9, node_id=NODE) == []
    with pytest.raises(NotFound):
        await room.relabelling.relabel("no-such-transcript")


async def test_how_many_speak_is_remembered_for_later_passes(room: Room) -> None:
    done = await room.relabelling.relabel(room.id, max_speakers=1)
    assert (done.voices, len({speaker for _, speaker in await room.shown()})) == (1, 1)
    assert (await room.store.get_track("trk_1")).max_speakers == 1
    speech = Speech(room.store, room.id, "trk_1", at_samples=10 * 16_000 * 2, count=9)
    await speech.say("one two three four", 1, 3)
    await room.end()
    await (await room.restarted()).relabelling.make_due()
    assert len({speaker for _, speaker in await room.shown()}) == 1
    await room.relabelling.relabel(room.id)
    assert len({speaker for _, speaker in await room.shown()}) == 3


def test_passes_come_soon_at_first_and_later_after_the_interval_and_a_share_of_all() -> None:
    passes, grouped_s = [], 0
    for heard_s in range(0, 20_000, 10):
        if (heard_s - grouped_s) * 16_000 >= wanted_samples(heard_s * 16_000, 180.0):
            passes.append(heard_s)
            grouped_s = heard_s
    assert passes[:6] == [30, 60, 120, 240, 420, 600]
    assert passes[-1] - passes[-2] > 900
    assert wanted_samples(0, 10.0) == 160_000


async def test_while_it_grows_a_pass_comes_after_so_much_new_speech(room: Room) -> None:
    track = await room.store.get_track("trk_1")
    prints = TrackPrints(room.store, track)
    prints.heard_samples, prints.ungrouped_samples = 9000 * 16_000, 200 * 16_000
    told: list[tuple[list[int | None], frozenset[int], str]] = []

    def found_voices(voices: Sequence[HeardVoice], gone: frozenset[int], encoder: str) -> None:
        told.append(([voice.number for voice in voices], gone, encoder))

    pipeline = SimpleNamespace(prints=prints, found_voices=found_voices)
    session = SimpleNamespace(transcript_id=room.id, track=track, pipeline=pipeline)
    room.sessions["ses_1"] = session
    speech = Speech(room.store, room.id, "trk_1", at_samples=10 * 16_000 * 2, count=9)
    await speech.say("somebody new " * 4, 1, 5)
    await room.relabelling.make_due()
    assert await room.turns() == []  # less than a twentieth of all
    prints.heard_samples = 1000 * 16_000
    await room.relabelling.make_due()
    assert [speaker for _, speaker in await room.shown()][-1] == "Speaker 3"
    # The recogniser goes on counting: its next number is not ours.
    [number] = [number for _, number in await room.store.voices.labels_of(room.id) if number != 1]
    assert number > 50
    # And goes on with the voices that were found.
    assert told == [([0, 1, number], frozenset(), "scripted")]


async def test_voices_without_words_get_no_label(room: Room) -> None:
    await room.store.voices.keep(room.id, prints("trk_1", 20 * 16_000, [5] * 6, [5] * 6))
    assert (await room.relabelling.relabel(room.id)).voices == 2
    assert await room.store.voices.labels_of(room.id) == {("trk_1", 1): "Speaker 2"}


async def test_one_that_waited_goes_by_what_was_asked_meanwhile(room: Room) -> None:
    turn = room.relabelling._turn
    async with turn:
        asked = asyncio.create_task(room.relabelling.relabel(room.id, max_speakers=1))
        last = asyncio.create_task(room.relabelling.before_end(room.id))
        await until(lambda: len(turn._waiters or ()) >= 2)
    assert (await asked).voices == 1
    await last
    assert len({speaker for _, speaker in await room.shown()}) == 1


async def test_only_so_many_wait_for_a_pass_they_asked_for(room: Room) -> None:
    turn = room.relabelling._turn
    async with turn:
        asked = [asyncio.create_task(room.relabelling.relabel(room.id)) for _ in range(ASKED_MAX)]
        await until(lambda: len(turn._waiters or ()) >= ASKED_MAX)
        with pytest.raises(Overloaded):
            await room.relabelling.relabel(room.id)
    assert {done.voices for done in await asyncio.gather(*asked)} == {2}
    assert (await room.relabelling.relabel(room.id)).voices == 2


async def test_the_end_waits_no_longer_than_it_may(room: Room) -> None:
    settings = settings_of(relabel_deadline_s=0.0)
    hub = cast(Hub, SimpleNamespace(voices=room.voices, sessions={}, lock_of=Locks().of))
    recognition = Recognition(settings, room.store, room.speakers, room.voices)
    parts = room.store, room.journal, hub, room.speakers, recognition
    relabelling = Relabelling(settings, *parts, Holding(room.store, NODE), Duties(room.store.nodes, lambda: NODE))
    async with room.journal.subscribe(room.id, after=None, types=frozenset({"diarization"})) as reader:
        async with room.speakers.alone(room.id):
            await relabelling.before_end(room.id)
            assert await room.turns() == []
        async with asyncio.timeout(10):
            await anext(reader)  # it went on
    await relabelling.stop()
