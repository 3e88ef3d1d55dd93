"""The numbers of the encoder whose weights come in a wheel (``asr.speakers.resemblyzer``). No run time."""

from __future__ import annotations

from asr.speakers.contract import EncoderInfo
from protocol.blocks import MS_SAMPLES

WIDTH = 256

EMBEDDED = EncoderInfo(
    name="resemblyzer",
    dim=WIDTH,
    window_samples=1200 * MS_SAMPLES,
    step_samples=400 * MS_SAMPLES,
    cut=0.61,
    own=0.86,
    new_speaker=0.72,
    known=0.80,
)
