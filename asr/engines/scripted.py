"""An engine for tests: sound made of known tones has known words at known times.

Each word is a chord of two tones, a low and a high one. Sound is looked at in cells of 20 ms, aligned to the track's
sample 0; all tones are multiples of 50 Hz, so that they do not leak into each other in a cell. A word is a run of at
least three cells with its chord, and its times are exact when it was laid on cells.

Some words are faults: heard, they make the process crash, hang, think slowly, or leak. Each happens once per models
folder, where it leaves a note, so that a test can watch the recovery. A model's name makes a fault lasting:
``scripted-crash`` and ``scripted-hang`` fail at every such word, ``scripted-refuse`` raises at every fault word,
``scripted-slow`` thinks as long as the sound lasts, and ``scripted-broken`` does not load. With ``scripted-oom`` and
``scripted-cuda-oom`` the word ``leak`` is too much, once: for the process, or for a GPU. A number at the end of a name
(``scripted-2``, ``scripted-crash-2``) is how many processes the engine is good for.

Voices are told apart by a hum under the words (``asr.engines.scripted_voices``).
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.contract import EngineInfo, Samples, SessionOptions, Step
from protocol.blocks import SAMPLE_RATE_HZ
from protocol.errors import EngineFailed
from protocol.words import Hypothesis, Word

CELL_SAMPLES = 320  # 20 ms; one FFT bin is 50 Hz
LEAST_CELLS = 3
LOW_HZ = (500, 600, 700, 800, 900, 1000, 1100, 1200)
HIGH_HZ = (1500, 1700, 1900, 2100, 2300, 2500, 2700, 2900)  # all within a telephone's band
FAULTS = ("crash", "hang", "slow", "leak")
VOCABULARY = (  # noqa: SIM905 - words read better as a text
    "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa quebec romeo "
    "sierra tango uniform victor whiskey xray yankee zulu zero one two three four five six seven eight nine good "
    "morning river stone bridge garden winter summer yellow silver ocean forest window table paper candle "
    "yes no maybe never always again"
).split()
WORDS = (*VOCABULARY[: len(LOW_HZ) * len(HIGH_HZ) - len(FAULTS)], *FAULTS)
_LEAST_RMS = 100.0
_LEAST_PURITY = 0.6  # of a cell's energy in its two tones
_SLOW_S = 2.0
_LEAK_BYTES = 64 << 20
CRASH_STATUS = 42


def tones_hz(word: str) -> tuple[int, int]:
    """The chord of a word. Raises ``ValueError`` for a word that is not in ``WORDS``."""
    index = WORDS.index(word)
    return LOW_HZ[index // len(HIGH_HZ)], HIGH_HZ[index % len(HIGH_HZ)]


def hear(samples: Samples, start_samples: int) -> list[Word]:
    """The words in s16 sound whose first sample has the index ``start_samples`` in its track."""
    skipped = -start_samples % CELL_SAMPLES
    count = max(0, len(samples) - skipped) // CELL_SAMPLES
    if not count:
        return []
    cells = samples[skipped : skipped + count * CELL_SAMPLES].reshape(count, CELL_SAMPLES).astype(np.float64)
    chords = _chords(cells)
    words: list[Word] = []
    first = 0
    for cell in range(1, count + 1):
        if cell < count and chords[cell] == chords[first]:
            continue
        if chords[first] >= 0 and cell - first >= LEAST_CELLS:
            origin = start_samples + skipped
            start, end = (origin + at * CELL_SAMPLES for at in (first, cell))
            words.append(Word(text=WORDS[chords[first]], start_samples=start, end_samples=end))
        first = cell
    return words


def _chords(cells: npt.NDArray[np.float64]) -> list[int]:
    """Per cell the index of the word whose chord it holds, or -1."""
    power = np.abs(np.fft.rfft(cells, axis=1)) ** 2
    power[:, 0] = 0.0
    hz_per_bin = SAMPLE_RATE_HZ // CELL_SAMPLES
    low = power[:, [hz // hz_per_bin for hz in LOW_HZ]]
    high = power[:, [hz // hz_per_bin for hz in HIGH_HZ]]
    loud = np.sqrt(np.mean(cells**2, axis=1)) >= _LEAST_RMS
    pure = low.max(axis=1) + high.max(axis=1) >= _LEAST_PURITY * np.maximum(power.sum(axis=1), 1e-9)
    both = np.minimum(low.max(axis=1), high.max(axis=1)) >= 0.1 * np.maximum(low.max(axis=1), high.max(axis=1))
    index = low.argmax(axis=1) * len(HIGH_HZ) + high.argmax(axis=1)
    return [int(i) for i in np.where(loud & pure & both, index, -1)]


@dataclass(slots=True)
class _Stream:
    start_samples: int = -1
    sound: list[Samples] = field(default_factory=list)


class ScriptedEngine:
    """Hears tones. ``notes_dir``: where a fault that happened leaves its note."""

    def __init__(self, model: str, notes_dir: Path) -> None:
        if model == "scripted-broken":
            raise EngineFailed("the scripted engine was asked not to load")
        name, _, number = model.rpartition("-")
        self._workers_max = int(number) if number.isdigit() else 1
        self._model = name if number.isdigit() else model
        self._notes_dir = notes_dir
        self._leaked: list[bytearray] = []
        self.batch_max = 8
        self.guard_hits: Mapping[str, int] = {}

    @property
    def info(self) -> EngineInfo:
        note = "hears tones, for tests"
        return EngineInfo(name="scripted", model=self._model, languages=(), note=note, workers_max=self._workers_max)

    def open(self, options: SessionOptions) -> _Stream:
        return _Stream()

    def close(self, stream: _Stream) -> None:
        stream.sound.clear()

    def step(self, steps: Sequence[Step]) -> list[Hypothesis]:
        return [self._step(step) for step in steps]

    def _step(self, step: Step) -> Hypothesis:
        stream: _Stream = step.stream
        if stream.start_samples < 0:
            stream.start_samples = step.start_samples
        stream.sound.append(step.samples)
        if self._model == "scripted-slow":
            time.sleep(len(step.samples) / SAMPLE_RATE_HZ)
        sound = np.concatenate(stream.sound)
        words = hear(sound, stream.start_samples)
        for word in words:
            if word.text in FAULTS:
                self._fail(word.text)
        # A word that touches the end may still grow.
        end_samples = stream.start_samples + len(sound) - CELL_SAMPLES
        done = len(words) if step.flush else sum(word.end_samples <= end_samples for word in words)
        return Hypothesis(committed=tuple(words[:done]), tentative=tuple(words[done:]))

    def _fail(self, fault: str) -> None:
        if self._model == "scripted-refuse":
            raise EngineFailed("the scripted engine was asked not to hear this")
        if self._model != f"scripted-{fault}":
            note = self._notes_dir / f"scripted-{fault}-happened"
            if note.exists():
                return
            self._notes_dir.mkdir(parents=True, exist_ok=True)
            note.touch()
        if fault == "crash":
            os._exit(CRASH_STATUS)
        elif fault == "hang":
            while True:
                time.sleep(1.0)
        elif self._model == "scripted-oom":
            raise MemoryError
        elif self._model == "scripted-cuda-oom":
            raise RuntimeError("CUDA failed with error out of memory")
        elif fault == "slow":
            time.sleep(_SLOW_S)
        else:
            self._leaked.append(bytearray(b"\1" * _LEAK_BYTES))
