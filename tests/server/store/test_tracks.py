from __future__ import annotations

from protocol.events import Transcribed
from protocol.words import Segment, Word
from server.store.records import NewEvent
from server.store.store import Store


def final(track: str, start_samples: int, end_samples: int, *, revision: int = 1) -> Transcribed:
    word = Word(text="alpha", start_samples=start_samples, end_samples=end_samples + 100)
    segment = Segment(
        segment_id=f"seg_{start_samples}",
        track=track,
        text="alpha",
        start_samples=start_samples,
        end_samples=end_samples,
        is_final=True,
        revision=revision,
        words=(word,),
    )
    return Transcribed(segment=segment, track_started_at=0.0)


async def test_a_track_is_transcribed_up_to_its_furthest_final_and_never_less(store: Store) -> None:
    transcript = await store.create_transcript()
    first, second = [
        await store.create_track(transcript.id, source="stream", started_at=0.0, name=name) for name in ("a", "b")
    ]
    for body in (final(first.id, 0, 1000), final(first.id, 2000, 3000), final(first.id, 0, 1000, revision=2)):
        await store.append_events([NewEvent.of(transcript.id, body)])
    assert (await store.get_track(first.id)).transcribed_samples == 3100
    assert (await store.get_track(second.id)).transcribed_samples == 0


async def test_tracks_that_began_as_one_stand_in_the_order_of_their_speakers(store: Store) -> None:
    transcript = await store.create_transcript()
    speakers = [f"Speaker {number}" for number in (10, 2, 1, 11, 3)]
    for speaker in speakers:
        await store.create_track(transcript.id, source="bot", started_at=5.0, speaker=speaker)
    await store.create_track(transcript.id, source="bot", started_at=4.0, speaker="Speaker 12")
    found = [track.speaker for track in await store.tracks_of(transcript.id)]
    assert found == [f"Speaker {number}" for number in (12, 1, 2, 3, 10, 11)]
