"""Sound that the scripted engine understands: known words at known times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from asr.engines.scripted import CELL_SAMPLES, tones_hz
from asr.engines.scripted_voices import HUMS_HZ
from protocol.blocks import SAMPLE_RATE_HZ, Block
from protocol.words import Word

WORD_S = 0.24  # a multiple of a cell
AMPLITUDE = 8000  # of each of the two tones, of 32767


def scripted_words(words: Sequence[tuple[str, float]], *, word_s: float = WORD_S) -> list[Word]:
    """What the engine will say: each word's start laid on the nearest cell."""
    return [
        Word(text=text, start_samples=_on_cell(start_s), end_samples=_on_cell(start_s) + _on_cell(word_s))
        for text, start_s in words
    ]


def scripted_sound(
    words: Sequence[tuple[str, float]],
    *,
    length_s: float | None = None,
    word_s: float = WORD_S,
    sample_rate: int = 16_000,
    voice: int | None = None,
) -> bytes:
    """Mono s16 little-endian PCM with ``(word, start_s)`` spoken in tones, silence elsewhere.

    Same words in a row need 60 ms between them. ``length_s`` defaults to one second after the last word. ``voice`` hums
    under them: who speaks, one of six.
    """
    spoken = scripted_words(words, word_s=word_s)
    if length_s is None:
        length_s = (spoken[-1].end_samples / SAMPLE_RATE_HZ if spoken else 0.0) + 1.0
    sound = np.zeros(round(length_s * sample_rate), np.int16)
    for word in spoken:
        start, end = (at * sample_rate // SAMPLE_RATE_HZ for at in (word.start_samples, word.end_samples))
        low_hz, high_hz = tones_hz(word.text)
        time_s = np.arange(start, end) / sample_rate
        chord = np.sin(2 * np.pi * low_hz * time_s) + np.sin(2 * np.pi * high_hz * time_s)
        if voice is not None:
            chord += 0.25 * np.sin(2 * np.pi * HUMS_HZ[voice] * time_s)
        sound[start:end] = np.round(AMPLITUDE * chord).astype(np.int16)[: max(0, len(sound) - start)]
    return sound.astype("<i2").tobytes()


def sentence(text: str, start_s: float = 0.5, *, gap_s: float = 0.1, word_s: float = WORD_S) -> list[tuple[str, float]]:
    """The words of ``text`` one after the other from ``start_s`` on."""
    return [(word, start_s + i * (word_s + gap_s)) for i, word in enumerate(text.split())]


def blocks_of(pcm: bytes, *, start_samples: int = 0, block_samples: int = 320) -> list[Block]:
    """16 kHz sound cut into blocks of a track."""
    return [
        Block(start_samples + at // 2, pcm[at : at + 2 * block_samples]) for at in range(0, len(pcm), 2 * block_samples)
    ]


def _on_cell(time_s: float) -> int:
    return round(time_s * SAMPLE_RATE_HZ / CELL_SAMPLES) * CELL_SAMPLES
