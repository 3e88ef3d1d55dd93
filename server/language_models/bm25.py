"""BM25: which of many short texts fit a question best. Pure.

S. Robertson and H. Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", Foundations and Trends in
Information Retrieval 3(4), 2009, section 3.4: a word counts by how few texts have it, and by how often this one does,
less and less, and less in a long text. The weight of a word is that with one added within the logarithm, so that one
which most texts have still counts for a little, and none against.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

K1 = 1.2  # how soon another occurrence counts for nothing more; what the authors found good, as is b
B = 0.75  # how much a text's length counts, from 0 to 1


def scores(texts: Sequence[Sequence[str]], question: Iterable[str]) -> list[float]:
    """Of each of the texts, which are their words; 0 for one that has no word of the question."""
    wanted = set(question)
    times = [Counter(word for word in text if word in wanted) for text in texts]
    having: Counter[str] = Counter(word for each in times for word in each)
    weights = {word: math.log(1 + (len(texts) - count + 0.5) / (count + 0.5)) for word, count in having.items()}
    average = sum(map(len, texts)) / len(texts) if texts else 0.0
    return [
        sum(
            weights[word] * count * (K1 + 1) / (count + K1 * (1 - B + B * len(text) / average))
            for word, count in each.items()
        )
        for text, each in zip(texts, times, strict=True)
    ]


def best(texts: Sequence[Sequence[str]], question: Iterable[str], count: int, *, least_share: float = 0.0) -> list[int]:
    """Places of the ``count`` that fit best, the best first; of two alike the earlier one. None that has no word of the
    question, or less than ``least_share`` of the best one's score."""
    found = scores(texts, question)
    least = least_share * max(found, default=0.0)
    fitting = [place for place, score in enumerate(found) if score > 0 and score >= least]
    return sorted(fitting, key=lambda place: (-found[place], place))[:count]
