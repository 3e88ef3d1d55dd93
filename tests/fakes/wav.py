"""WAV bytes around 16 kHz mono sound."""

from __future__ import annotations

import io
import wave


def wav_of(pcm: bytes, *, sample_rate: int = 16_000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(sample_rate)
        writer.writeframes(pcm)
    return file.getvalue()
