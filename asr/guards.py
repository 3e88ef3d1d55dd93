"""Guards against text that was never said: engines invent it in noise, and repeat themselves when they are stuck."""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Sequence
from typing import NamedTuple

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


class Repeat(NamedTuple):
    """A stretch of a sequence: ``length`` elements from ``start`` on that stand there ``times`` times in a row."""

    start: int
    length: int
    times: int


def repeats(
    sequence: Sequence[Hashable], *, times_min: int = 4, length_max: int = 32, covers_min: int = 0
) -> Repeat | None:
    """The first phrase that stands in the sequence at least so many times in a row; of several, the shortest phrase.

    Elements are words, tokens or anything that can be compared. ``length_max`` is the longest phrase looked for;
    ``covers_min`` is how many elements all its times together must have. Takes len(sequence) * length_max steps.
    """
    found: Repeat | None = None
    for length in range(1, min(length_max, len(sequence) // times_min) + 1):
        same = 0  # elements up to here that equal the one a phrase before
        for at in range(length, len(sequence) + 1):
            if at < len(sequence) and sequence[at] == sequence[at - length]:
                same += 1
                continue
            times = same // length + 1
            if times >= times_min and times * length >= covers_min:
                repeat = Repeat(at - same - length, length, times)
                if found is None or repeat.start < found.start:
                    found = repeat
                break
            same = 0
    return found


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
