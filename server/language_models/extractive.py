"""What there is without a language model: the sentences that stand for a text, and the passages that fit a question.

Nothing is put in other words, so it says nothing that was not said; it also understands nothing. Pure, and slow for
long texts: never on the event loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from server.language_models.bm25 import best
from server.language_models.lines import Line
from server.language_models.prompt import Answer, Usage
from server.language_models.tokens import estimated, within
from server.language_models.word_counts import count_words, within_words
from server.store.search_words import tokens
from server.summaries.extract import (
    SENTENCE_MAX_CHARS,
    SENTENCES_MAX,
    Sentence,
    SummaryForm,
    extract,
    joined,
    sentences_of,
    topics_of,
)
from server.topics import COMMON, shortened

EXTRACTIVE = "extractive"
"""Name of the model that is none."""

SHARE = 3  # one sentence of so many at most stands for a text
POINTS_MAX = 10
PARAGRAPH_SENTENCES_MAX = 5
PASSAGES_MAX = 5
LEAST_SHARE = 0.3  # of the score of the passage that fits best

ONLY_QUOTES = "This answer only quotes: these are the passages of the transcript that fit the question best."
NOTHING_FITS = "No passage of the transcript has a word of the question, and this model can only quote passages."


@dataclass(frozen=True, slots=True)
class Summary:
    """A summary, of whatever making. ``model``: that made it."""

    text: str
    topics: tuple[str, ...]
    model: str

    @property
    def length(self) -> int:
        """In words."""
        return count_words(self.text)


def said_in(lines: Sequence[Line]) -> list[Sentence]:
    """Its sentences, in order, ``SENTENCES_MAX`` at most."""
    said = (sentence for line in lines for sentence in sentences_of([line.segment()], {}))
    return list(islice(said, SENTENCES_MAX))


def summary_of(lines: Sequence[Line], form: SummaryForm, words_max: int) -> Summary:
    """Made of whole sentences, ``words_max`` words at most; of a text in which nothing is said it is empty.

    Points are in the order they were said; key points have the weightiest first.
    """
    said = said_in(lines)
    points_max = PARAGRAPH_SENTENCES_MAX if form == "paragraph" else POINTS_MAX
    found = extract(said, points_max=max(1, min(points_max, len(said) // SHARE)))
    places = {id(sentence): place for place, sentence in enumerate(said)}
    chosen: list[Sentence] = []
    left = words_max
    for point in found.points:
        left -= count_words(_short(point))
        if left < 0:
            break
        chosen.append(point)
    if not chosen and found.points:
        return Summary(_laid_out([within_words(_short(found.points[0]), words_max)], form), found.topics, EXTRACTIVE)
    if form != "key_points":
        chosen.sort(key=lambda sentence: places[id(sentence)])
    return Summary(_laid_out([_short(each) for each in chosen], form), found.topics, EXTRACTIVE)


def topics_in(lines: Sequence[Line]) -> tuple[str, ...]:
    """The words that mark the text out, the best first."""
    return tuple(topics_of(said_in(lines)))


def passages_for(lines: Sequence[Line], question: str, count: int) -> list[Line]:
    """Those that fit the question best, the best first; none that fits far worse than the first."""
    texts = [[token.word for token in tokens(line.said)] for line in lines]
    asked = [token.word for token in tokens(question)]
    # Words that stand in every question say nothing of this one, unless there are no others.
    telling = [word for word in asked if word not in COMMON] or asked
    return [lines[place] for place in best(texts, telling, count, least_share=LEAST_SHARE)]


def answer_pieces(lines: Sequence[Line], question: str, answer_tokens: int) -> Iterator[str | Answer]:
    """What it says of the question, piece by piece, and then as a whole: passages in the order they were said."""
    found = sorted(passages_for(lines, question, PASSAGES_MAX), key=lambda line: line.number)
    told = ""
    for piece in (ONLY_QUOTES if found else NOTHING_FITS, *(f"\n\n{line.timed}" for line in found)):
        fits = within(piece, answer_tokens - estimated(told) - 1) if told else within(piece, answer_tokens)
        if not fits.strip():
            break
        told += fits
        yield fits
    usage = Usage(sum(line.tokens for line in lines) + estimated(question), estimated(told), is_estimated=True)
    yield Answer(told, usage)


def _short(sentence: Sentence) -> str:
    return shortened(sentence.text, SENTENCE_MAX_CHARS)


def _laid_out(points: Sequence[str], form: SummaryForm) -> str:
    return joined(points) if form == "paragraph" else "\n".join(f"- {point}" for point in points)
