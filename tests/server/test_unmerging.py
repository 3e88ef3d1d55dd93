"""Two speakers that people made one are two again, each with what was theirs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from protocol.errors import Conflict, NotFound
from server.bus import InProcessBus
from server.journal import Journal
from server.speakers import Speakers
from server.store import merges
from server.store.store import Store
from tests.server.test_relabelling import Room, empty_room


@pytest.fixture
async def room(store: Store) -> AsyncIterator[Room]:
    """Of two voices on one track; words of each were given to the other, and to a third."""
    journal = Journal(store, InProcessBus(), commit_interval_s=0.0)
    journal.start()
    room = await empty_room(store, journal)
    speech = await room.speech("trk_1", "Speaker 1")
    await room.call("trk_1", {1: "Speaker 2"})
    for text, voice in (("a b c d", 0), ("e f g h", 1), ("i j k l", 0), ("m n o p", 1), ("q r s t", 0)):
        await speech.say(text, voice, voice)
    for number, label in ((2, "Speaker 2"), (3, "Speaker 1"), (4, "Speaker 3")):
        await room.speakers.assign(room.id, speaker=label, from_s=number * 2.0, to_s=number * 2.0 + 1.5)
    yield room
    await journal.stop()


async def shown(room: Room) -> list[str]:
    return [(speaker or "").removeprefix("Speaker ") for _, speaker in await room.shown()]


async def test_each_has_again_what_was_theirs_whether_told_apart_or_given(room: Room) -> None:
    assert await shown(room) == ["1", "2", "2", "1", "3"]
    before = [each.segment for each in await room.store.segments_of(room.id)]
    labels = await room.store.voices.labels_of(room.id)
    first = await room.speakers.merge(room.id, "Speaker 1", "Speaker 2")
    second = await room.speakers.merge(room.id, "Speaker 2", "Speaker 3")
    assert await shown(room) == ["3"] * 5
    with pytest.raises(Conflict, match="another merge comes first"):
        await room.speakers.unmerge(room.id, first.merge_id)
    done = await room.speakers.unmerge(room.id, second.merge_id)
    assert (done.speaker, done.segments) == ("Speaker 2", 4)
    assert await shown(room) == ["2", "2", "2", "2", "3"]
    await room.speakers.unmerge(room.id)
    assert [each.segment for each in await room.store.segments_of(room.id)] == before
    assert await room.store.voices.labels_of(room.id) == labels
    assert (await room.store.get_track("trk_1")).speaker == "Speaker 1"
    with pytest.raises(NotFound, match="undone already"):
        await room.speakers.unmerge(room.id, second.merge_id)


async def test_words_that_came_since_are_whose_voice_it_is(room: Room) -> None:
    await room.speakers.merge(room.id, "Speaker 2", "Speaker 1")
    track = (await room.store.tracks_of(room.id))[0]
    await room.voices.learn(room.id)
    assert room.voices.of(track, 1).label == "Speaker 1"
    speech = await room.speech("trk_2", "Speaker 2")  # somebody else, who has the label that was free
    await speech.say("u v w x", 0, 0, label="Speaker 2")
    await room.speakers.assign(room.id, speaker="Speaker 1", from_s=2.0, to_s=2.4)  # it is no guess any more
    assert (await room.speakers.unmerge(room.id)).speaker == "Speaker 4"
    assert room.voices.of(track, 1).label == "Speaker 4"
    assert ("u v w x", "Speaker 2") in await room.shown()


@pytest.mark.parametrize("stays", [0, 1])
async def test_both_are_who_they_were(room: Room, stays: int) -> None:
    ann = await room.speakers.add(room.id, name="Ann", speaker="Speaker 1", email="ann@example.org")
    bob = await room.speakers.add(room.id, name="Bob", speaker="Speaker 2", user_id="bob")
    before = await shown(room)
    done = await room.speakers.merge(room.id, "Speaker 1", "Speaker 2", participant_id=(ann, bob)[stays].id)
    assert done.participant is not None
    assert (done.participant.email, done.participant.user_id) == ("ann@example.org", "bob")
    again = await room.speakers.unmerge(room.id)
    assert (again.speaker, again.participant) == ("Speaker 1", ann)
    assert await room.speakers.participants(room.id) == [ann, bob]
    assert await shown(room) == before


async def test_what_people_changed_of_them_since_stays(room: Room) -> None:
    ann = await room.speakers.add(room.id, name="Ann", speaker="Speaker 1", email="ann@example.org")
    bob = await room.speakers.add(room.id, name="Bob", speaker="Speaker 2")
    await room.speakers.merge(room.id, "Speaker 1", "Speaker 2", participant_id=bob.id)
    await room.speakers.change(room.id, bob.id, name="Bert", email="bert@example.org")
    await room.speakers.unmerge(room.id)
    told = [(each.id, each.name, each.speaker, each.email) for each in await room.speakers.participants(room.id)]
    assert told == [
        (ann.id, "Ann", "Speaker 1", "ann@example.org"),
        (bob.id, "Bert", "Speaker 2", "bert@example.org"),
    ]


async def test_one_that_was_cut_short_is_completed_by_asking_again(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    before = await shown(room)
    await room.speakers.merge(room.id, "Speaker 1", "Speaker 2")

    async def gone(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as cut:
        cut.setattr(Speakers, "tell", gone)
        with pytest.raises(ConnectionError):
            await room.speakers.unmerge(room.id)
    assert await shown(room) == ["2", "2", "2", "2", "3"]
    assert (await room.speakers.unmerge(room.id)).speaker == "Speaker 1"
    assert await shown(room) == before


async def test_so_many_can_be_undone_and_none_of_too_much(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merges, "MERGES_MAX", 1)
    for speaker_from, speaker_to in (("Speaker 1", "Speaker 2"), ("Speaker 2", "Speaker 3")):
        await room.speakers.merge(room.id, speaker_from, speaker_to)
    await room.speakers.unmerge(room.id)
    with pytest.raises(NotFound):
        await room.speakers.unmerge(room.id)
    await room.speakers.merge(room.id, "Speaker 2", "Speaker 3")
    monkeypatch.setattr(merges, "PARTS_MAX", 0)
    await room.speakers.assign(room.id, speaker="Speaker 4", from_s=0.0, to_s=0.4)
    assert (await room.speakers.merge(room.id, "Speaker 4", "Speaker 3")).merge_id is None
    with pytest.raises(NotFound):  # what was before it, neither
        await room.speakers.unmerge(room.id)


async def test_nothing_is_undone_in_what_is_locked(room: Room) -> None:
    await room.speakers.merge(room.id, "Speaker 1", "Speaker 2")
    await room.store.update_transcript(room.id, locked=True)
    with pytest.raises(Conflict):
        await room.speakers.unmerge(room.id)
    assert await shown(room) == ["2", "2", "2", "2", "3"]
