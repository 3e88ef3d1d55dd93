"""Voices for tests: what hums at 200 Hz under its words is one voice, at 250 Hz another, and what does not hum a third.

The hums are below all tones of words (``asr.engines.scripted``) and, like these, multiples of 50 Hz; a quarter as loud
as one of a word's tones is right. Sound is looked at in cells of 20 ms, of which those that are silent do not count, so
that how loud it is does not matter either. A window with two voices lies between them.

A model's name makes faults: ``scripted-voices-missing`` has no encoder, ``scripted-voices-broken`` one that does not
load, ``-raise``, ``-nan`` and ``-oom`` one that fails at every window of whoever hums at 450 Hz, ``-crash`` and
``-hang`` one that ends or stops the process there. ``scripted-voices-changes-crash`` has an encoder, and beside it a
segmentation that ends the process whenever it hears anything, ``-changes-unloadable`` one that does when it is loaded.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

import numpy as np

from asr.contract import Samples
from asr.engines.scripted import CELL_SAMPLES, CRASH_STATUS
from asr.speakers.contract import Embeddings, EncoderInfo
from asr.speakers.segmentation import FIRST_SAMPLES, POWERSET, SHIFT_SAMPLES, VOICES, Scores
from protocol.blocks import MS_SAMPLES, SAMPLE_RATE_HZ
from protocol.errors import EngineFailed, ModelDamaged

HUMS_HZ = (200, 250, 300, 350, 400, 450)  # the voices 0 to 5
FAULTY_VOICE = 5
PREFIX = "scripted-voices-"
_LEAST = 0.003  # of a cell's energy, to be a hum: a quarter of a tone has 0.03
_LEAST_RMS = 50.0

INFO = EncoderInfo(
    name="scripted",
    dim=len(HUMS_HZ) + 1,
    window_samples=1200 * MS_SAMPLES,
    step_samples=400 * MS_SAMPLES,
    cut=0.5,
    own=0.6,
    new_speaker=0.6,
    known=0.6,
)


def missing(model: str) -> str:
    """Why there is no encoder; empty when there is one."""
    return "the scripted engine was asked not to have one" if _without_number(model) == f"{PREFIX}missing" else ""


def _without_number(model: str) -> str:
    """Of processes, behind the name."""
    return model.rstrip("0123456789").rstrip("-")


class ScriptedEncoder:
    """``model``: the name of the scripted engine that it goes with."""

    info = INFO

    def __init__(self, model: str = "scripted") -> None:
        if _without_number(model) == f"{PREFIX}broken":
            raise ModelDamaged("the scripted encoder was asked not to load")
        self._fault = _without_number(model).removeprefix(PREFIX) if model.startswith(PREFIX) else ""

    def embed(self, windows: Sequence[Samples]) -> Embeddings:
        rows = np.array([_hums(window) for window in windows], np.float32).reshape(-1, INFO.dim)
        for row in rows:
            if row.argmax() == FAULTY_VOICE:
                self._fail(row)
        return rows

    def _fail(self, row: Embeddings) -> None:
        match self._fault:
            case "crash":
                os._exit(CRASH_STATUS)
            case "hang":
                while True:
                    time.sleep(1.0)
            case "raise":
                raise EngineFailed("the scripted encoder was asked not to hear this")
            case "oom":
                raise MemoryError
            case "nan":
                row[:] = np.nan


class ScriptedSegmentation:
    """Who hums speaks: the first three voices that there are, two of them where both hum."""

    def __init__(self, model: str = "scripted") -> None:
        self._crashes = _without_number(model) == f"{PREFIX}changes-crash"
        if _without_number(model) == f"{PREFIX}changes-unloadable":
            os._exit(CRASH_STATUS)

    def hear(self, sound: Samples) -> Scores:
        if self._crashes:
            os._exit(CRASH_STATUS)
        frames = max(1, len(sound) // SHIFT_SAMPLES)
        active = np.zeros((frames, len(HUMS_HZ)), bool)
        for frame in range(frames):
            middle = frame * SHIFT_SAMPLES + FIRST_SAMPLES
            cell = sound[max(0, middle - CELL_SAMPLES // 2) :][:CELL_SAMPLES].astype(np.float64)
            if len(cell) == CELL_SAMPLES and np.sqrt(np.mean(cell**2)) >= _LEAST_RMS:
                power = np.abs(np.fft.rfft(cell)) ** 2
                hums = power[[hz // (SAMPLE_RATE_HZ // CELL_SAMPLES) for hz in HUMS_HZ]]
                active[frame] = hums >= _LEAST * power[1:].sum()
        there = np.flatnonzero(active.any(axis=0))[:VOICES].tolist()
        scores = np.full((frames, len(POWERSET)), -10.0, np.float32)
        for frame in range(frames):
            speaking = tuple(place for place, voice in enumerate(there) if active[frame, voice])[:2]
            scores[frame, POWERSET.index(speaking)] = 0.0
        return scores


def _hums(window: Samples) -> Embeddings:
    """How much of the window hums as each voice, and as none, at unit length."""
    count = len(window) // CELL_SAMPLES
    cells = window[: count * CELL_SAMPLES].reshape(count, CELL_SAMPLES).astype(np.float64)
    cells = cells[np.sqrt(np.mean(cells**2, axis=1)) >= _LEAST_RMS] if count else cells
    row = np.full(INFO.dim, 1e-6, np.float32)
    if len(cells):
        power = np.abs(np.fft.rfft(cells, axis=1)) ** 2
        power[:, 0] = 0.0
        hums = power[:, [hz // (SAMPLE_RATE_HZ // CELL_SAMPLES) for hz in HUMS_HZ]]
        is_hum = hums.max(axis=1) >= _LEAST * power.sum(axis=1)
        whose = np.where(is_hum, hums.argmax(axis=1), len(HUMS_HZ))
        row += np.bincount(whose, minlength=INFO.dim).astype(np.float32)
    else:
        row[-1] = 1.0
    unit: Embeddings = row / np.linalg.norm(row)
    return unit
