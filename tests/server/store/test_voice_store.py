"""What voices of tracks are called and known by, as it is kept, and how it goes."""

from __future__ import annotations

import pytest

from protocol.errors import Conflict
from server.store.records import Track, VoicesAsked
from server.store.store import Store
from tests.server.spoken_prints import STEP_SAMPLES, prints


async def mixed_track(store: Store, transcript_id: str, track_id: str = "trk_1") -> Track:
    asked = VoicesAsked(diarize=True, speakers_expected=3, max_speakers=5)
    return await store.create_track(
        transcript_id, source="stream", started_at=1.0, track_id=track_id, voices=asked, state="finished"
    )


@pytest.fixture
async def transcript_id(store: Store) -> str:
    return (await store.create_transcript()).id


async def test_a_track_keeps_what_was_asked(store: Store, transcript_id: str) -> None:
    await mixed_track(store, transcript_id)
    track = await store.get_track("trk_1")
    assert (track.diarize, track.speakers_expected, track.max_speakers) == (True, 3, 5)
    await store.voices.ask("trk_1", speakers_expected=None, max_speakers=2)
    track = await store.get_track("trk_1")
    assert (track.speakers_expected, track.max_speakers) == (None, 2)
    plain = await store.create_track(transcript_id, source="stream", started_at=1.0)
    assert (plain.diarize, plain.speakers_expected) == (False, None)


async def test_a_voice_is_called_once(store: Store, transcript_id: str) -> None:
    await mixed_track(store, transcript_id)
    await store.voices.put_labels(transcript_id, {("trk_1", 1): "Speaker 2", ("trk_gone", 1): "Speaker 3"})
    await store.voices.put_labels(transcript_id, {("trk_1", 1): "Speaker 9", ("trk_1", 2): "Speaker 3"})
    assert await store.voices.labels_of(transcript_id) == {("trk_1", 1): "Speaker 2", ("trk_1", 2): "Speaker 3"}
    async with store.changing_participants(transcript_id) as changes:
        await changes.move_tracks("Speaker 3", "Speaker 2")
    assert set((await store.voices.labels_of(transcript_id)).values()) == {"Speaker 2"}


async def test_prints_are_kept_in_order_and_what_was_never_told_gives_way(store: Store, transcript_id: str) -> None:
    track = await mixed_track(store, transcript_id)
    first, second = prints("trk_1", 0, [0, 1], [0, 1]), prints("trk_1", 2 * STEP_SAMPLES, [1, 1, 1], [1, 1, 1])
    for each in (first, second):
        assert await store.voices.keep(transcript_id, each)
    assert await store.voices.prints_of("trk_1") == [first, second]
    # After a crash the same sound is heard again, as one utterance that began a little earlier.
    again = prints("trk_1", 2 * STEP_SAMPLES - 100, [2, 2], [1, 1])
    await store.voices.keep(transcript_id, again)
    assert [each.start_samples for each in await store.voices.prints_of("trk_1")] == [again.start_samples]
    await store.voices.regroup(track, {again.start_samples: ((1, 2, 7), (2, 3, 8))})
    assert (await store.voices.prints_of("trk_1"))[0].steps == ((1, 2, 7), (2, 3, 8))
    assert (await store.get_track("trk_1")).printed_samples == again.end_samples


@pytest.mark.parametrize("way", ["audio", "track", "destroyed", "erased"])
async def test_prints_go_with_the_sound(store: Store, transcript_id: str, way: str) -> None:
    await mixed_track(store, transcript_id)
    kept = prints("trk_1", 0, [0], [0])
    await store.voices.keep(transcript_id, kept)
    await store.voices.put_labels(transcript_id, {("trk_1", 1): "Speaker 2"})
    match way:
        case "audio":
            await store.remove_audio(transcript_id)
        case "track":
            await store.delete_track("trk_1")
        case "destroyed":
            await store.destroy_transcript(transcript_id)
        case "erased":
            from server.store.erasure import erase_track

            async with store._write() as conn:
                await erase_track(conn, transcript_id, "trk_1", now=1.0)
    assert await store.voices.prints_of("trk_1") == []
    assert await store.voices.keep(transcript_id, kept) is False, "none come after it"
    assert await store.voices.prints_of("trk_1") == []
    labels = await store.voices.labels_of(transcript_id)
    assert labels == ({("trk_1", 1): "Speaker 2"} if way == "audio" else {}), "what was said is still theirs"


async def test_what_is_locked_is_not_grouped_anew(store: Store, transcript_id: str) -> None:
    track = await mixed_track(store, transcript_id)
    await store.voices.keep(transcript_id, prints("trk_1", 0, [0], [0]))
    await store.update_transcript(transcript_id, locked=True)
    with pytest.raises(Conflict, match="locked"):
        await store.voices.regroup(track, {0: ((0, 1, 1),)})
