"""Short ways to say events in tests."""

from __future__ import annotations

from protocol.events import EventBody, Interim, StatusChanged, Transcribed
from protocol.states import TranscriptState
from protocol.words import Segment, Word
from server.store.records import NewEvent
from server.store.store import Store


def segment(
    segment_id: str = "seg_1",
    text: str = "hello there",
    *,
    start_samples: int = 0,
    revision: int = 1,
    final: bool = True,
) -> Segment:
    words = tuple(
        Word(text=word, start_samples=start_samples + i * 1000, end_samples=start_samples + (i + 1) * 1000)
        for i, word in enumerate(text.split())
    )
    return Segment(
        segment_id=segment_id,
        track="trk_1",
        text=text,
        start_samples=start_samples,
        end_samples=start_samples + 16000,
        is_final=final,
        revision=revision,
        words=words,
    )


def final(
    segment_id: str = "seg_1", text: str = "hello there", *, start_samples: int = 0, revision: int = 1
) -> Transcribed:
    spoken = segment(segment_id, text, start_samples=start_samples, revision=revision)
    return Transcribed(segment=spoken, track_started_at=1000.0)


def interim(transcript_id: str, segment_id: str = "seg_1", text: str = "hel") -> Interim:
    return Interim(transcript_id=transcript_id, segment=segment(segment_id, text, final=False), track_started_at=1000.0)


def status(message: str = "") -> StatusChanged:
    return StatusChanged(state=TranscriptState.RECORDING, message=message)


async def put(store: Store, transcript_id: str, *bodies: EventBody) -> None:
    await store.append_events([NewEvent.of(transcript_id, body) for body in bodies])
