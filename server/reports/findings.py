"""Step two: the report out of the digests, which come one after the other and are not kept. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from server.reports.digests import Digest, Quote
from server.summaries.textrank import best

TOPICS_MAX = 20
QUOTES_MAX = 12
LISTED_MAX = 200  # conversations that are told one by one; the others are counted
TAGS_MAX = 50
TERMS_HELD_MAX = 20_000  # of which the rare ones are let go, so that memory stays flat
QUOTES_HELD_MAX = 2000


@dataclass(frozen=True, slots=True)
class Topic:
    word: str
    conversations: int
    times: int


@dataclass(frozen=True, slots=True)
class TagCount:
    tag: str
    conversations: int
    minutes: int


@dataclass(frozen=True, slots=True)
class Listed:
    """One conversation of the report; ``began_at`` in epoch seconds."""

    title: str
    summary: str
    began_at: float
    duration_s: float
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """What a report says. ``from_at`` and ``to_at``: epoch seconds of the first and the last conversation."""

    name: str
    language: str
    made_at: float
    conversations: int
    minutes: int
    words: int
    from_at: float | None
    to_at: float | None
    topics: tuple[Topic, ...]
    quotes: tuple[str, ...]
    tags: tuple[TagCount, ...]
    listed: tuple[Listed, ...]

    @property
    def unlisted(self) -> int:
        return self.conversations - len(self.listed)


class Gathering:
    """Takes digests in the order of the report, and gives the findings. Its memory is bounded, however many come."""

    def __init__(self) -> None:
        self._conversations = self._words = 0
        self._seconds = 0.0
        self._from: float | None = None
        self._to: float | None = None
        self._terms: Counter[str] = Counter()  # in how many conversations
        self._times: Counter[str] = Counter()
        self._shown: dict[str, str] = {}
        self._tags: Counter[str] = Counter()
        self._tag_seconds: Counter[str] = Counter()
        self._quotes: list[Quote] = []
        self._listed: list[Listed] = []

    def add(self, digest: Digest) -> None:
        """Takes a thread's time now and then, when it thins out what it holds."""
        self._conversations += 1
        self._words += digest.words
        self._seconds += digest.duration_s
        self._from = digest.began_at if self._from is None else min(self._from, digest.began_at)
        self._to = digest.began_at if self._to is None else max(self._to, digest.began_at)
        for term in digest.terms:
            self._terms[term.key] += 1
            self._times[term.key] += term.times
            self._shown.setdefault(term.key, term.shown)
        for tag in digest.tags:
            self._tags[tag] += 1
            self._tag_seconds[tag] += math.ceil(digest.duration_s)
        if len(self._listed) < LISTED_MAX:
            told = Listed(digest.title, digest.summary, digest.began_at, digest.duration_s, digest.tags)
            self._listed.append(told)
        self._quotes += digest.quotes
        if len(self._quotes) > QUOTES_HELD_MAX:
            self._quotes = _thinned(self._quotes)
        if len(self._terms) > TERMS_HELD_MAX:
            self._let_rare_terms_go()

    def findings(self, *, name: str, language: str, made_at: float) -> Findings:
        """Takes a second at most: in a thread."""
        keys = [frozenset(quote.keys) for quote in self._quotes]
        weights = {key: count * math.log2(1 + self._times[key]) for key, count in self._terms.items()}
        topics = sorted(weights, key=lambda key: (-weights[key] * min(len(key), 8), key))[:TOPICS_MAX]
        return Findings(
            name=name,
            language=language,
            made_at=made_at,
            conversations=self._conversations,
            minutes=round(self._seconds / 60),
            words=self._words,
            from_at=self._from,
            to_at=self._to,
            topics=tuple(Topic(self._shown[key], self._terms[key], self._times[key]) for key in topics),
            quotes=tuple(dict.fromkeys(self._quotes[place].text for place in best(keys, QUOTES_MAX))),
            tags=tuple(
                TagCount(tag, count, round(self._tag_seconds[tag] / 60))
                for tag, count in sorted(self._tags.items(), key=lambda each: (-each[1], each[0]))[:TAGS_MAX]
            ),
            listed=tuple(self._listed),
        )

    def _let_rare_terms_go(self) -> None:
        kept = sorted(self._terms, key=lambda key: (-self._terms[key], -self._times[key], key))[: TERMS_HELD_MAX // 2]
        self._terms = Counter({key: self._terms[key] for key in kept})
        self._times = Counter({key: self._times[key] for key in kept})
        self._shown = {key: self._shown[key] for key in kept}


def _thinned(quotes: Sequence[Quote]) -> list[Quote]:
    """The better half, in their order."""
    kept = best([frozenset(quote.keys) for quote in quotes], QUOTES_HELD_MAX // 2)
    return [quotes[place] for place in sorted(kept)]
