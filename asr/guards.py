"""Guards against text that was never said: engines invent it in noise, and repeat themselves when they are stuck."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

from protocol.blocks import MS_SAMPLES, SAMPLE_RATE_HZ
from protocol.words import Word

SLACK_SAMPLES = 200 * MS_SAMPLES  # word times of engines are that rough
_STUCK_TIMES = 4  # that a phrase is said in a row
_STUCK_TIMES_OF_A_WORD = 6
_PHRASE_WORDS_MAX = 16
# The fastest languages are spoken at 8 syllables a second on average (Pellegrino et al. 2011), some people far faster.
_SYLLABLES_PER_S_MAX = 12.0
_SYLLABLES_SLACK = 3
# Syllables said over and over as fast as one can: 6.6 a second, standard deviation 0.8, by healthy young adults (oral
# diadochokinesis). This is three of these deviations more.
_REPEATED_SYLLABLES_PER_S_MAX = 9.0
_LETTERS_PER_SYLLABLE_MAX = 8  # of any alphabet, more or less: "strengths"
_UNSPACED = ("THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN", "JAVANESE", "BALINESE")
_NO_SYLLABLES = "ーんンっッゃゅょャュョぁぃぅぇぉァィゥェォ"  # of Japanese, on their own
_SYLLABIC = ("CJK", "HANGUL", "HIRAGANA", "KATAKANA", "YI", "ETHIOPIC")


def fold(word: Word) -> str:
    """A word without case and punctuation; of a word that is nothing else, itself.

    Letters, digits, signs and the marks that belong to letters stay (a vowel of Hindi or Thai is such a mark), in the
    form of Unicode's NFKC: full-width and composed letters are like plain ones.
    """
    text = unicodedata.normalize("NFKC", word.text).casefold().replace("i\u0307", "i")  # a capital I of Turkish
    kept = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c)[0] in "LMNS")
    return unicodedata.normalize("NFKC", kept) or word.text.strip()


def syllables_least(word: Word) -> float:
    """How many syllables a word has at the least, judged by its letters: rather too few than too many.

    In scripts without spaces engines cut words anywhere, so a word may be a part of one there.
    """
    letters = [c for c in unicodedata.normalize("NFKC", word.text) if c.isalnum()]
    if not letters:
        return 0.0
    script = unicodedata.name(letters[0], "").split(" ")[0].split("-")[0]
    if script in _SYLLABIC:
        return sum(0.0 if c in _NO_SYLLABLES else 1.0 for c in letters)
    if script in _UNSPACED:
        return len(letters) / _LETTERS_PER_SYLLABLE_MAX
    return max(1.0, len(letters) / _LETTERS_PER_SYLLABLE_MAX)


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
    return next(_repeats(sequence, times_min, length_max, covers_min), None)


def _repeats(sequence: Sequence[Hashable], times_min: int, length_max: int, covers_min: int) -> Iterator[Repeat]:
    """From the first to the last; one begins where the one before ends, or later."""
    lengths = range(1, min(length_max, len(sequence) // times_min) + 1)
    same_from = [_same_from(sequence, length) for length in lengths]
    at = 0
    while at < len(sequence):
        for length, same in zip(lengths, same_from, strict=True):
            times = same[at] // length + 1
            if times >= times_min and times * length >= covers_min:
                yield Repeat(at, length, times)
                at += length * times
                break
        else:
            at += 1


def _same_from(sequence: Sequence[Hashable], distance: int) -> list[int]:
    """For each place, how many elements from there on equal the one at that distance behind them."""
    same = [0] * len(sequence)
    for at in range(len(sequence) - distance - 1, -1, -1):
        same[at] = same[at + 1] + 1 if sequence[at] == sequence[at + distance] else 0
    return same


def inside_voiced(words: Sequence[Word], spans: Sequence[tuple[int, int]]) -> tuple[Word, ...]:
    """The words that touch a span of voice, give or take 200 ms. The spans are in order and apart."""
    ends = [end for _, end in spans]

    def touches(word: Word) -> bool:
        nearest = bisect_right(ends, word.start_samples - SLACK_SAMPLES)  # the first that does not end before it
        return nearest < len(spans) and spans[nearest][0] < word.end_samples + SLACK_SAMPLES

    return tuple(word for word in words if touches(word))


def without_loops(words: Sequence[Word]) -> tuple[Word, ...]:
    """The words, without what an engine repeats when it is stuck; its first time stays.

    A phrase said four times in a row, or a single word six times, counts as stuck when nobody can say it so fast: then
    those of its times go that are too short for it. What people can say stays, however often they say it. Words
    without times (none takes any) count as too fast.
    """
    folded = [fold(word) for word in words]
    dropped: set[int] = set()
    for start, length, times in _repeats(folded, _STUCK_TIMES, _PHRASE_WORDS_MAX, _STUCK_TIMES_OF_A_WORD):
        end = start + length * times
        if _can_repeat(words[start:end], SLACK_SAMPLES):
            continue
        for again in range(start + length, end, length):
            if not _can_repeat(words[again : again + length], 0):
                dropped.update(range(again, again + length))
    return tuple(word for at, word in enumerate(words) if at not in dropped)


def _can_repeat(words: Sequence[Word], slack_samples: int) -> bool:
    """Whether somebody who repeats himself can say these in the time that they take, with so much slack."""
    took_samples = max(word.end_samples for word in words) - words[0].start_samples + slack_samples
    return sum(map(syllables_least, words)) <= _REPEATED_SYLLABLES_PER_S_MAX * took_samples / SAMPLE_RATE_HZ


def believable(words: Sequence[Word], length_samples: int) -> bool:
    """Whether so many words fit in so much sound.

    How often they say the same does not count: Whisper's compression ratio, 2.4, is a reason to hear the sound in
    another way, and people do count, sing and insist.
    """
    syllables = sum(map(syllables_least, words))
    return syllables <= _SYLLABLES_SLACK + _SYLLABLES_PER_S_MAX * length_samples / SAMPLE_RATE_HZ
