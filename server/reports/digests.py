"""Step one: what a report has to know of one conversation, in little room. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from server.summaries.extract import Sentence, extract, heaviest
from server.topics import shortened

TERMS_MAX = 12
QUOTES_MAX = 3
QUOTE_MAX_CHARS = 300
QUOTE_KEYS_MAX = 40
SUMMARY_MAX_CHARS = 900
TITLE_MAX_CHARS = 200


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence that was said, and the words by which it is compared with others."""

    text: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Term:
    """A word that marks the conversation out: as it is counted, as it is shown, and how often it was said."""

    key: str
    shown: str
    times: int


@dataclass(frozen=True, slots=True)
class Digest:
    """A few kilobytes at most. It names nobody: neither who spoke, nor their address. Times are epoch seconds."""

    title: str
    summary: str
    began_at: float
    duration_s: float
    words: int
    tags: tuple[str, ...]
    terms: tuple[Term, ...]
    quotes: tuple[Quote, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Digest:
        """What ``to_json`` made, through JSON and back."""
        terms = tuple(Term(**each) for each in kept["terms"])
        quotes = tuple(Quote(each["text"], tuple(each["keys"])) for each in kept["quotes"])
        return cls(**kept | {"tags": tuple(kept["tags"]), "terms": terms, "quotes": quotes})


def digest_of(
    said: Sequence[Sentence],
    *,
    title: str,
    summary: str,
    began_at: float,
    duration_s: float,
    words: int,
    tags: Sequence[str],
) -> Digest:
    """``title`` and ``summary``: those that the conversation has; where one is empty, it is made. Takes hours of speech
    seconds: never on the event loop."""
    found = extract(said)
    times: Counter[str] = Counter()
    shown: dict[str, str] = {}
    for sentence in said:
        for key, word in sentence.words:
            times[key] += 1
            shown.setdefault(key, word)
    return Digest(
        title=shortened(title or found.title, TITLE_MAX_CHARS),
        summary=shortened(summary or found.paragraph, SUMMARY_MAX_CHARS),
        began_at=began_at,
        duration_s=duration_s,
        words=words,
        tags=tuple(tags),
        terms=tuple(Term(key, shown[key], times[key]) for key in heaviest(times, TERMS_MAX)),
        quotes=tuple(
            Quote(shortened(each.text, QUOTE_MAX_CHARS), tuple(sorted(each.keys))[:QUOTE_KEYS_MAX])
            for each in found.points[:QUOTES_MAX]
        ),
    )
