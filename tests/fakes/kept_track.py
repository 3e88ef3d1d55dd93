"""A finished track with its recording, as if somebody had spoken it."""

from __future__ import annotations

from media.records import encode
from protocol.blocks import BYTES_PER_SAMPLE
from server.services import Services
from server.store.records import Track


async def kept_track(
    services: Services, transcript_id: str, speaker: str, pcm: bytes, *, started_at: float, track_id: str | None = None
) -> Track:
    store, length_samples = services.store, len(pcm) // BYTES_PER_SAMPLE
    made = await store.create_track(
        transcript_id, source="webrtc", started_at=started_at, speaker=speaker, track_id=track_id
    )
    path = services.hub.recording_path(made)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(encode(0, pcm))
    return await store.update_track(
        made.id, length_samples=length_samples, transcribed_samples=length_samples, state="finished"
    )
