"""Labels after a pass: without gaps, unless people know them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from server.journal import Journal
from server.store.store import Store
from tests.server.spoken_prints import Speech
from tests.server.test_relabelling import Room, empty_room, journal, room

__all__ = ["journal", "room"]


async def test_once_nobody_is_heard_any_more_numbers_have_no_gaps(store: Store, journal: Journal) -> None:
    """``Speaker 2`` and ``Speaker 4`` were mixtures, of which nothing is left."""
    room = await empty_room(store, journal)
    speech = await room.speech("trk_1", "Speaker 1")
    await room.call("trk_1", {number: f"Speaker {number + 1}" for number in (1, 2, 3, 4)})
    for number, heard in ((0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (0, 0), (2, 1), (2, 1), (4, 2)):
        await speech.say("one two three four five six", number, heard)
    room.sessions["ses_1"] = SimpleNamespace(transcript_id=room.id, track=SimpleNamespace(id="another"), pipeline=None)
    await room.relabelling.relabel(room.id)
    assert {speaker for _, speaker in await room.shown()} == {"Speaker 1", "Speaker 3", "Speaker 5"}
    room.sessions.clear()
    await room.speakers.add(room.id, name="Eve", speaker="Speaker 5")
    assert (await room.relabelling.relabel(room.id)).segments == 4
    assert [speaker for _, speaker in await room.shown()] == [
        *("Speaker 1", "Speaker 1", "Speaker 2", "Speaker 2", "Eve", "Speaker 1", "Speaker 2", "Speaker 2", "Eve")
    ]
    assert await store.voices.labels_of(room.id) == {("trk_1", 2): "Speaker 2", ("trk_1", 4): "Speaker 5"}
    assert (await room.relabelling.relabel(room.id)).segments == 0


@pytest.mark.parametrize("known", [False, True])
async def test_the_first_label_is_somebodys_where_whoever_had_it_was_nobody(
    store: Store, journal: Journal, known: bool
) -> None:
    """What was told as the track's own voice was said by ``Speaker 2``, whom nobody named."""
    room = await empty_room(store, journal)
    speech = await room.speech("trk_1", "Speaker 1")
    await room.call("trk_1", {1: "Speaker 2", 2: "Speaker 3"})
    for number, heard in ((0, 1), (1, 1), (2, 2), (1, 1), (2, 2)):
        await speech.say("one two three four five six", number, heard)
    if known:
        other = await room.speech("trk_2", "Speaker 1")
        await other.say("made one by people", 0, 0)
    await room.relabelling.relabel(room.id)
    said = [each.segment for each in await store.segments_of(room.id) if each.segment.track == "trk_1"]
    first = 2 if known else 1
    assert [each.label for each in said] == [f"Speaker {first + more}" for more in (0, 0, 1, 0, 1)]
    labels = {("trk_1", 1): "Speaker 2", ("trk_1", 2): "Speaker 3"} if known else {("trk_1", 2): "Speaker 2"}
    assert await store.voices.labels_of(room.id) == labels
    assert (await room.relabelling.relabel(room.id)).segments == 0


async def test_a_label_that_people_made_of_two_moves_into_no_gap(room: Room) -> None:
    speech = Speech(room.store, room.id, "trk_1", at_samples=10 * 16_000 * 2, count=9)
    await room.call("trk_1", {2: "Speaker 3", 3: "Speaker 4", 4: "Speaker 5"})
    for number in (3, 4):
        await speech.say("one two three four five six", number, number)
    await room.speakers.merge(room.id, "Speaker 5", "Speaker 4")
    await room.relabelling.relabel(room.id)
    assert [speaker for _, speaker in await room.shown()][-2:] == ["Speaker 4", "Speaker 4"]
    assert 2 not in {number for _, number in await room.store.voices.labels_of(room.id)}
