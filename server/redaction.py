"""Personal data taken out of what was said, a placeholder in its place. Pure; linear in the text.

What is found, and what is not, is told in docs/redaction.md. The first call for a language loads numbering plans from
disk, some milliseconds; a segment takes about one. Neither belongs on an event loop that has others to serve.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from protocol.words import Segment, Word
from server.personal_data.emails import emails
from server.personal_data.found import Found, Kind, kept
from server.personal_data.identities import identities
from server.personal_data.numbers import windows
from server.personal_data.payments import payments
from server.personal_data.phones import phones
from server.personal_data.regions import language_of, regions_of
from server.personal_data.tokens import plain, tokens

# What is taken out may leave something else that was not seen beside it: an amount without its currency.
_PASSES_MAX = 4

_Place = tuple[int, int]


@dataclass(frozen=True)
class Redaction:
    """``counts``: how many stretches of each kind were replaced; kinds without any are not in it."""

    text: str
    counts: Mapping[Kind, int]


def redact(text: str, language: str | None) -> Redaction:
    """``text`` without personal data. ``language`` is a tag (RFC 5646); its region, or else the regions where the
    language is spoken, say whose numbers are looked for. None, ``auto`` and what is no language: those of several.
    """
    counts: Counter[Kind] = Counter()
    for _ in range(_PASSES_MAX):
        found = _personal_data(text, language)
        if not found:
            break
        counts.update(one.kind for one in found)
        text = _without(text, found)
    return Redaction(text, dict(counts))


def redact_segment(segment: Segment, language: str | None) -> Segment:
    """The segment without personal data in its text and words, or the same object when there is none.

    Words that hold a part of a replaced stretch become one, from the first one's start to the last one's end and as
    sure as they were on average; it keeps the signs that they had around it. Words that spelled the text still do. When
    they did not, text and words are redacted each by itself.
    """
    text, words = segment.text, segment.words
    if _places(text, words) is not None:
        text, words = _redacted(text, words, language)
    else:
        text = redact(text, language).text
        _, words = _redacted(" ".join(word.text for word in words), words, language)
    if (text, words) == (segment.text, segment.words):
        return segment
    return segment.model_copy(update={"text": text, "words": words})


def _personal_data(text: str, language: str | None) -> list[Found]:
    said = plain(text)
    words = tokens(said)
    regions = regions_of(language)
    found = list(emails(words, language))
    for window in windows(said, words, language_of(language)):
        found += payments(window)
        found += identities(window, regions)
        found += phones(window, regions)
    return kept(found)


def _without(text: str, found: Sequence[Found], offset: int = 0) -> str:
    """``text``, which begins at ``offset``, with placeholders."""
    pieces, at = [], 0
    for one in found:
        pieces += [text[at : one.start - offset], one.kind.placeholder]
        at = one.end - offset
    return "".join([*pieces, text[at:]])


def _redacted(text: str, words: tuple[Word, ...], language: str | None) -> tuple[str, tuple[Word, ...]]:
    """Both, of words that spell the text."""
    for _ in range(_PASSES_MAX):
        found = _personal_data(text, language)
        places = _places(text, words)
        if not found or places is None:
            break
        words = _words_without(text, words, places, found)
        text = _without(text, found)
    return text, words


def _places(text: str, words: Sequence[Word]) -> list[_Place] | None:
    """Where each word stands in the text; None when the words do not spell it, with nothing but signs between them."""
    places: list[_Place] = []
    at = 0
    for word in words:
        said = word.text.strip()
        found = text.find(said, at)
        if found < 0 or not said or _has_letters(text[at:found]):
            return None
        at = found + len(said)
        places.append((found, at))
    return None if _has_letters(text[at:]) else places


def _has_letters(text: str) -> bool:
    return any(char.isalnum() for char in text)


def _words_without(
    text: str, words: Sequence[Word], places: Sequence[_Place], found: Sequence[Found]
) -> tuple[Word, ...]:
    """The words, one in place of those that the found stretches touch."""
    starts, ends = [start for start, _ in places], [end for _, end in places]
    told: list[Word] = []
    at = 0  # the first word that is not told yet
    waiting = deque(found)
    while waiting:
        first = bisect_right(ends, waiting[0].start)
        last = first
        here: list[Found] = []
        # Of one word there may be several.
        while waiting and (not here or waiting[0].start < ends[last - 1]):
            here.append(waiting.popleft())
            last = bisect_left(starts, here[-1].end)
        told += words[at:first]
        begin, end = min(starts[first], here[0].start), max(ends[last - 1], here[-1].end)
        told.append(_one_of(words[first:last], _without(text[begin:end], here, begin)))
        at = last
    return (*told, *words[at:])


def _one_of(words: Sequence[Word], text: str) -> Word:
    return Word(
        text=text,
        start_samples=words[0].start_samples,
        end_samples=max(word.end_samples for word in words),
        confidence=sum(word.confidence for word in words) / len(words),
    )
