"""Made-up voices: embeddings around a centre each, as an encoder would give them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from asr.speakers.contract import Embeddings, EncoderInfo, SpeechWindow

STEP = 6400
INFO = EncoderInfo(
    name="made-up", dim=32, window_samples=19_200, step_samples=STEP, cut=0.6, own=0.8, new_speaker=0.6, known=0.7
)


def voice(number: int) -> Embeddings:
    """A centre; two of them have a cosine of 0.3."""
    centre = np.zeros(INFO.dim, np.float32)
    centre[number], centre[INFO.dim - 1] = np.sqrt(0.7), np.sqrt(0.3)
    return centre


def said_by(speakers: Sequence[int], seed: int = 0, spread: float = 0.06) -> Embeddings:
    """A row per step; the cosine of two of one voice is about 0.9."""
    random = np.random.default_rng(seed)
    rows = np.array([voice(number) for number in speakers]).reshape(-1, INFO.dim)
    rows = rows + spread * random.standard_normal(rows.shape)
    unit: Embeddings = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def alike(count: int) -> Embeddings:
    """So many steps each of two voices that are taken for one (the mean cosine is about 0.7)."""
    rows = said_by([0] * 2 * count)
    rows[count:] += 0.8 * voice(1)
    unit: Embeddings = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def windows(count: int, pauses: Sequence[int] = ()) -> list[SpeechWindow]:
    """Steps in a row, with a second of silence before those in ``pauses``."""
    told = []
    for i in range(count):
        start = i * STEP + 16_000 * sum(pause <= i for pause in pauses)
        told.append(SpeechWindow(start, start + STEP, max(0, start - STEP), start + 2 * STEP))
    return told
