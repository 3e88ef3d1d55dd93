"""TextRank: which sentences are most like the others, and so stand for them. Pure.

R. Mihalcea and P. Tarau, "TextRank: Bringing Order into Texts", EMNLP 2004: sentences are nodes, joined by how many
words they share over the logarithms of their lengths, and ranked as PageRank ranks pages.
"""

from __future__ import annotations

import math
from collections.abc import Sequence, Set

import numpy as np
import numpy.typing as npt

AT_ONCE_MAX = 400  # sentences that are compared each with each: 2 ms to 20 ms, and 2 MB
DAMPING = 0.85
STEPS_MAX = 50
ENOUGH = 1e-6


def ranks(sentences: Sequence[Set[str]]) -> list[float]:
    """How much each stands for the others, 1.0 on average; each is the set of its words that mean something.

    Takes memory by the square of their number: not more than ``AT_ONCE_MAX`` should be given.
    """
    count = len(sentences)
    if not count:
        return []
    alike = _alike(sentences)
    out = alike.sum(axis=0)
    shares = np.divide(alike, out, out=np.zeros_like(alike), where=out > 0)
    found = np.ones(count)
    for _ in range(STEPS_MAX):
        following = (1 - DAMPING) + DAMPING * (shares @ found)
        is_enough = float(np.abs(following - found).max()) < ENOUGH
        found = following
        if is_enough:
            break
    return [float(rank) for rank in found]


def best(words: Sequence[Set[str]], count: int) -> list[int]:
    """Places of the ``count`` best of the sentences that have ``words``, the best first; of two alike the earlier one.

    More than can be compared at once are first thinned out, neighbours among themselves, so that the time it takes
    grows with their number alone.
    """
    places = [place for place, each in enumerate(words) if each]
    while len(places) > max(AT_ONCE_MAX, 2 * count):
        places = [place for at in range(0, len(places), AT_ONCE_MAX) for place in _better(places, words, at)]
    found = ranks([words[place] for place in places])
    order = sorted(range(len(places)), key=lambda at: (-found[at], places[at]))
    return [places[at] for at in order[:count]]


def _better(places: Sequence[int], words: Sequence[Set[str]], at: int) -> list[int]:
    """The better half of a stretch, in order."""
    stretch = places[at : at + AT_ONCE_MAX]
    found = ranks([words[place] for place in stretch])
    kept = sorted(range(len(stretch)), key=lambda each: (-found[each], each))[: (len(stretch) + 1) // 2]
    return [stretch[each] for each in sorted(kept)]


def _alike(sentences: Sequence[Set[str]]) -> npt.NDArray[np.float64]:
    numbers: dict[str, int] = {}
    # Words that only one sentence has join none: they are left out of the table.
    times: dict[str, int] = {}
    for words in sentences:
        for word in words:
            times[word] = times.get(word, 0) + 1
    for word in (word for word, count in times.items() if count > 1):
        numbers[word] = len(numbers)
    has = np.zeros((len(sentences), max(len(numbers), 1)), dtype=np.float32)
    for row, words in enumerate(sentences):
        for word in words:
            if word in numbers:
                has[row, numbers[word]] = 1.0
    shared = (has @ has.T).astype(np.float64)
    np.fill_diagonal(shared, 0.0)
    # One more each, so that a sentence of one word has a length, too.
    lengths = np.array([math.log(1 + len(words)) for words in sentences])
    weight = lengths[:, None] + lengths[None, :]
    found: npt.NDArray[np.float64] = np.divide(shared, weight, out=np.zeros_like(shared), where=weight > 0)
    return found
