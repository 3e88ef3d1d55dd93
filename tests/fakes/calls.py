"""Telephone calls as those who carry them document the messages of their streams."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from media import g711

Message = dict[str, Any]
FRAME_MS = 20


def mulaw(pcm: bytes) -> bytes:
    """16-bit samples as G.711: of each the code whose value is nearest."""
    order = np.argsort(g711.MULAW, kind="stable")
    values = g711.MULAW[order]
    wanted = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
    right = np.clip(np.searchsorted(values, wanted), 1, 255)
    nearest = np.where(wanted - values[right - 1] < values[right] - wanted, right - 1, right)
    return order[nearest].astype(np.uint8).tobytes()


def twilio_call(
    parties: Mapping[str, bytes], parameters: Mapping[str, str], *, is_stopped: bool = True
) -> Iterator[Message]:
    """``parties``: the mu-law sound of each track at 8 kHz."""
    yield {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    yield {
        "event": "start",
        "sequenceNumber": "1",
        "start": {
            "accountSid": "AC0",
            "streamSid": "MZ0",
            "callSid": "CA0",
            "tracks": list(parties),
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": dict(parameters),
        },
        "streamSid": "MZ0",
    }
    number = 1
    for chunk, track, payload in _frames(parties, 8 * FRAME_MS):
        number += 1
        media = {"track": track, "chunk": str(chunk), "timestamp": str((chunk - 1) * FRAME_MS), "payload": payload}
        yield {"event": "media", "sequenceNumber": str(number), "media": media, "streamSid": "MZ0"}
        if chunk == 3:
            yield {"event": "mark", "sequenceNumber": "4", "streamSid": "MZ0", "mark": {"name": "m"}}
            yield {"event": "dtmf", "streamSid": "MZ0", "dtmf": {"track": "inbound_track", "digit": "1"}}
    if is_stopped:
        yield {
            "event": "stop",
            "sequenceNumber": "9",
            "stop": {"accountSid": "AC0", "callSid": "CA0"},
            "streamSid": "MZ0",
        }


def telnyx_call(
    parties: Mapping[str, bytes], parameters: Mapping[str, str], *, encoding: str = "PCMU", frame_bytes: int = 160
) -> Iterator[Message]:
    """As they come: two neighbours of each ten in the wrong order."""
    yield {"event": "connected", "version": "1.0.0"}
    yield {
        "event": "start",
        "sequence_number": "1",
        "stream_id": "32DE",
        "start": {
            "call_control_id": "v2:T02",
            "client_state": "aGF2ZQ==",
            "custom_parameters": dict(parameters),
            "media_format": {"encoding": encoding, "sample_rate": 8000, "channels": 1},
        },
    }
    frames = list(_frames(parties, frame_bytes))
    for at in range(4, len(frames) - 1, 10):
        frames[at], frames[at + 1] = frames[at + 1], frames[at]
    for chunk, track, payload in frames:
        media = {"track": track, "chunk": str(chunk), "timestamp": str((chunk - 1) * FRAME_MS), "payload": payload}
        yield {"event": "media", "sequence_number": str(chunk + 1), "media": media, "stream_id": "32DE"}
    yield {"event": "stop", "sequence_number": "9", "stop": {"call_control_id": "v2:T02"}, "stream_id": "32DE"}


def _frames(parties: Mapping[str, bytes], frame_bytes: int) -> Iterator[tuple[int, str, str]]:
    length = max(map(len, parties.values()))
    for chunk, at in enumerate(range(0, length, frame_bytes), start=1):
        for track, sound in parties.items():
            if piece := sound[at : at + frame_bytes]:
                yield chunk, track, base64.b64encode(piece).decode()
