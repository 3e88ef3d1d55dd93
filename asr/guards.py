"""Guards against text that was never said: engines invent it in noise, and repeat themselves when they are stuck."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from protocol.blocks import MS_SAMPLES, SAMPLE_RATE_HZ
from protocol.words import Word

SLACK_SAMPLES = 200 * MS_SAMPLES  # word times of engines are that rough
_COMPRESSION_MAX = 2.4  # Whisper's own threshold for text that repeats itself
_COMPRESSIBLE_BYTES = 64  # below it zlib's ratio says nothing
_WORDS_PER_S_MAX = 10.0  # fast speech has 5 to 6


def fold(word: Word) -> str:
    """A word without case and punctuation; of a word that is nothing else, itself."""
    kept = "".join(c for c in word.text.casefold() if c.isalnum())
    return kept or word.text.strip()


def inside_voiced(words: Sequence[Word], spans: Sequence[tuple[int, int]]) -> tuple[Word, ...]:
    """The words that touch a span of voice, give or take 200 ms."""
    return tuple(
        word
        for word in words
        if any(
            word.start_samples < end + SLACK_SAMPLES and word.end_samples > start - SLACK_SAMPLES
            for start, end in spans
        )
    )


def without_loops(words: Sequence[Word]) -> tuple[Word, ...]:
    """The words, with what an engine repeats when it is stuck said once.

    A phrase of up to eight words said four times in a row counts as stuck; single words only from the sixth on, since
    people do say "no no no no".
    """
    kept = list(words)
    folded = [fold(word) for word in kept]
    at = 0
    while at < len(kept):
        for length in range(1, 9):
            times = 1
            while folded[at + times * length : at + (times + 1) * length] == folded[at : at + length]:
                times += 1
            if times >= (6 if length == 1 else 4):
                del kept[at + length : at + times * length], folded[at + length : at + times * length]
                break
        at += 1
    return tuple(kept)


def believable(words: Sequence[Word], length_samples: int) -> bool:
    """Whether so many words, as varied, fit in so much sound."""
    if len(words) > 3 + _WORDS_PER_S_MAX * length_samples / SAMPLE_RATE_HZ:
        return False
    text = " ".join(word.text for word in words).encode()
    return len(text) < _COMPRESSIBLE_BYTES or len(text) / len(zlib.compress(text)) <= _COMPRESSION_MAX
