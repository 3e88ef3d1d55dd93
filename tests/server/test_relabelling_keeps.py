"""What no pass changes: text, words, and what people said of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from protocol.events import Transcribed
from server.bus import InProcessBus
from server.journal import Journal
from server.relabelling import Relabelled
from server.store.store import Store
from tests.server.databases import lay_sqlite_file
from tests.server.spoken_prints import STEP_SAMPLES
from tests.server.test_relabelling import Room, empty_room


@asynccontextmanager
async def new_room(store: Store) -> AsyncIterator[Room]:
    journal = Journal(store, InProcessBus(), commit_interval_s=0.0)
    journal.start()
    try:
        yield await empty_room(store, journal)
    finally:
        await journal.stop()


@pytest.fixture
async def room(store: Store) -> AsyncIterator[Room]:
    async with new_room(store) as made:
        yield made


SAID = st.lists(
    st.tuples(
        st.lists(st.sampled_from(("yes", "no,", "23", "well", "Ann")), min_size=1, max_size=9),
        st.integers(0, 3),
        st.lists(st.integers(0, 3), min_size=9, max_size=9),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


@given(said=SAID, assigned=st.lists(st.tuples(st.integers(0, 20), st.integers(1, 4)), max_size=3))
@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_text_and_words_are_the_same_after_any_pass(
    tmp_path_factory: pytest.TempPathFactory,
    said: list[tuple[list[str], int, list[int], bool]],
    assigned: list[tuple[int, int]],
) -> None:
    asyncio.run(_keeps_text(tmp_path_factory.mktemp("kept"), said, assigned))


async def _keeps_text(
    folder: Path, said: list[tuple[list[str], int, list[int], bool]], assigned: list[tuple[int, int]]
) -> None:
    lay_sqlite_file(folder / "earshot.db")
    store = await Store.open(f"sqlite+aiosqlite:///{folder / 'earshot.db'}")
    async with new_room(store) as room:
        speech = await room.speech("trk_1", "Speaker 1")
        await room.call("trk_1", {1: "Speaker 2", 2: "Speaker 3", 3: "Speaker 4"})
        for words, told, heard, with_words in said:
            await speech.say(" ".join(words), told, heard[: len(words)], with_words=with_words)
        for at_s, speaker in assigned:
            await room.speakers.assign(room.id, speaker=f"Speaker {speaker}", from_s=at_s, to_s=at_s + 1.5)
        before = [each.segment for each in await store.segments_of(room.id)]
        set_before = {each.segment_id: each for each in before if each.speaker_set}
        await room.relabelling.relabel(room.id)
        after = [each.segment for each in await store.segments_of(room.id)]
        assert " ".join(each.text for each in after if each.text) == " ".join(each.text for each in before)
        assert [word for each in after for word in each.words] == [word for each in before for word in each.words]
        assert {each.segment_id: each for each in after if each.speaker_set} == set_before
        again = await room.relabelling.relabel(room.id)
        assert again.segments == 0
    await store.close()


async def test_voices_that_people_gave_different_names_stay_two(room: Room) -> None:
    speech = await room.speech("trk_1", "Speaker 1")
    await room.call("trk_1", {1: "Speaker 2"})
    for told in (0, 1, 0, 1):
        await speech.say("one two three four five six", told, 0)  # no encoder can tell them apart
    before = [speaker for _, speaker in await room.shown()]
    for name, speaker in (("Anna", "Speaker 1"), ("Ben", "Speaker 2")):
        await room.speakers.add(room.id, name=name, speaker=speaker)
    await room.relabelling.relabel(room.id)
    assert [speaker for _, speaker in await room.shown()] == ["Anna", "Ben", "Anna", "Ben"]
    for participant in await room.speakers.participants(room.id):
        await room.speakers.remove(room.id, participant.id)
    assert [speaker for _, speaker in await room.shown()] == before
    await room.relabelling.relabel(room.id)
    assert len({speaker for _, speaker in await room.shown()}) == 1  # nobody says any more that they are two


async def test_words_given_to_somebody_new_take_nobody_else_along(store: Store, room: Room) -> None:
    speech = await room.speech("trk_1", "Speaker 1")
    for _ in range(4):
        await speech.say("one two three four five six", 0, 0)  # no encoder can tell them apart
    end_s = 6 * STEP_SAMPLES / 16_000
    for label in ("Speaker 2", "Speaker 3"):  # also where they were given away again
        await room.speakers.assign(room.id, speaker=label, from_s=0.0, to_s=end_s)
    for _ in range(2):
        await room.relabelling.relabel(room.id)
        assert [speaker for _, speaker in await room.shown()] == ["Speaker 3", *["Speaker 1"] * 3]
    first = (await store.segments_of(room.id))[0].segment
    assert (first.taken_from, first.speaker_set) == (0, True)
    await room.speakers.add(room.id, name="Ben", speaker="Speaker 3")
    assert (await store.segments_of(room.id))[0].segment.taken_from == 0  # a name changes nothing of that
    await room.speakers.merge(room.id, "Speaker 1", "Speaker 3")
    assert await room.relabelling.relabel(room.id) == Relabelled(voices=1)
    assert {speaker for _, speaker in await room.shown()} == {"Ben"}


async def test_a_count_that_is_too_low_moves_no_name_and_a_right_one_gives_back_who_has_none(room: Room) -> None:
    speech = await room.speech("trk_1", "Speaker 1")
    await room.call("trk_1", {1: "Speaker 2", 2: "Speaker 3"})
    for voice in (0, 1, 2) * 3:
        await speech.say("one two three four five six", voice, voice)
    for name, speaker in (("Rob", "Speaker 2"), ("Alan", "Speaker 3")):
        await room.speakers.add(room.id, name=name, speaker=speaker)
    for count in ({"max_speakers": 2}, {"speakers_expected": 2}, {"speakers_expected": 1}):
        await room.relabelling.relabel(room.id, **count)
        assert (await room.relabelling.relabel(room.id, **count)).segments == 0
        said_by = [speaker for _, speaker in await room.shown()]
        assert (said_by[1::3], said_by[2::3]) == (["Rob"] * 3, ["Alan"] * 3)
        assert len({*said_by[::3]}) == 1
        assert {*said_by[::3]} < {"Rob", "Alan"}
    for count in ({"speakers_expected": 3}, {}):
        await room.relabelling.relabel(room.id, **count)
        assert [speaker for _, speaker in await room.shown()] == ["Speaker 1", "Rob", "Alan"] * 3


async def test_what_was_cut_for_a_wrong_count_is_one_again(store: Store, room: Room) -> None:
    speech = await room.speech("trk_1", "Speaker 1")
    text = "one two three four,  five six seven eight\nnine ten eleven twelve"
    id_ = await speech.say(text, 0, [0] * 4 + [1] * 4 + [0] * 4)
    before = (await store.segments_of(room.id))[0].segment
    words = (await store.get_transcript(room.id)).words
    for revision in (3, 5):  # as often as is said that they are two, and then one
        assert await room.relabelling.relabel(room.id, max_speakers=2) == Relabelled(2, segments=1, split=1)
        pieces = [each.segment for each in await store.segments_of(room.id) if each.segment.text]
        assert [each.label for each in pieces] == ["Speaker 1", "Speaker 2", "Speaker 1"]
        assert [each.cut_from for each in pieces] == [None, id_, id_]
        assert (await room.relabelling.relabel(room.id, max_speakers=2)).segments == 0
        assert await room.relabelling.relabel(room.id, max_speakers=1) == Relabelled(1, segments=3)
        (whole,) = [each.segment for each in await store.segments_of(room.id)]
        assert whole.model_copy(update={"revision": 1, "speaker_confidence": 0.6}) == before
        assert whole.revision == revision
        bodies = [event.body for event in await store.events_after(room.id, 0, 1000)]
        told = {body.segment.segment_id: body.segment for body in bodies if isinstance(body, Transcribed)}
        gone = [told[each.segment_id] for each in pieces[1:]]
        assert {(each.text, each.words, each.label, each.voice) for each in gone} == {("", (), None, None)}
        assert (await store.get_transcript(room.id)).words == words
        assert (await room.relabelling.relabel(room.id, max_speakers=1)).segments == 0
    await room.relabelling.relabel(room.id, max_speakers=2)
    seventh_s = 6 * STEP_SAMPLES / 16_000
    await room.speakers.assign(room.id, speaker="Speaker 1", from_s=seventh_s, to_s=seventh_s + 0.1)
    await room.relabelling.relabel(room.id, max_speakers=1)
    left = [text for text, _ in await room.shown() if text]
    assert left == ["one two three four,  five six", "seven", "eight\nnine ten eleven twelve"]


async def test_speakers_that_people_made_one_count_as_one(room: Room) -> None:
    speech = await room.speech("trk_1", "Speaker 1")
    await room.call("trk_1", {1: "Speaker 2", 2: "Speaker 3"})
    for voice in (0, 1, 2) * 3:
        await speech.say("one two three four five six", voice, voice)
    await room.speakers.merge(room.id, "Speaker 3", "Speaker 1")
    for name in (None, "Cora"):
        if name is not None:
            await room.speakers.add(room.id, name=name, speaker="Speaker 1")
        for count in (2, 3):
            assert await room.relabelling.relabel(room.id, speakers_expected=count) == Relabelled(voices=2)
    await room.speakers.unmerge(room.id)
    assert [speaker for _, speaker in await room.shown()] == ["Cora", "Speaker 2", "Speaker 3"] * 3
    assert (await room.relabelling.relabel(room.id, max_speakers=1)).voices == 1
