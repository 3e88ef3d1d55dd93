"""An extractive summary: the sentences of a text that stand for it, and the words that mark it out. Pure.

No model is asked and nothing is put in other words, so it says nothing that was not said; it also understands nothing.
The same text always gives the same summary. Takes long texts a few seconds: never on the event loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from protocol.events import Summarised
from protocol.words import Segment
from server.exports import SENTENCE_END, in_order
from server.personal_data.found import tells
from server.summaries.action_items import action_items
from server.summaries.textrank import best
from server.topics import keyed, sentences, shortened

SENTENCES_MAX = 20_000  # some twenty hours; what is said after them is not looked at
POINTS_MAX = 5
PARAGRAPH_SENTENCES = 3
SENTENCE_MAX_CHARS = 300
TOPICS_MAX = 8
ACTION_ITEMS_MAX = 10
TITLE_WORDS = 4
TITLE_MAX_CHARS = 100
FEW_WORDS = 3  # a sentence of fewer words that mean something stands for nothing, where there are others

SummaryForm = Literal["paragraph", "bullet_points", "key_points"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """``words``: those that mean something, in their order, as they are compared and as they are shown."""

    segment_id: str
    speaker: str
    text: str
    start_samples: int
    words: tuple[tuple[str, str], ...]

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(key for key, _ in self.words)


@dataclass(frozen=True, slots=True)
class Extract:
    """``points``: the sentences that stand for the text, the best first. ``topics``: words that mark it out.
    ``tasks``: sentences that sound as if somebody is to do something.

    All is empty where nothing was said.
    """

    title: str
    points: tuple[Sentence, ...]
    topics: tuple[str, ...]
    tasks: tuple[Sentence, ...] = ()

    @property
    def paragraph(self) -> str:
        """The best few, in the order they were said."""
        told = sorted(self.points[:PARAGRAPH_SENTENCES], key=lambda each: each.start_samples)
        return joined(shortened(each.text, SENTENCE_MAX_CHARS) for each in told)

    @property
    def key_points(self) -> tuple[str, ...]:
        """The best first."""
        return tuple(shortened(each.text, SENTENCE_MAX_CHARS) for each in self.points)

    def text(self, form: SummaryForm) -> str:
        """In one of the forms that are asked for; points are lines that begin with ``- ``."""
        if form == "paragraph":
            return self.paragraph
        points = self.key_points
        if form == "bullet_points":
            points = tuple(
                shortened(each.text, SENTENCE_MAX_CHARS)
                for each in sorted(self.points, key=lambda each: each.start_samples)
            )
        return "\n".join(f"- {point}" for point in points)

    def event(self) -> Summarised:
        """It says that it is extractive."""
        return Summarised(
            summary=self.paragraph,
            topics=self.topics,
            action_items=tuple(shortened(each.text, SENTENCE_MAX_CHARS) for each in self.tasks),
            key_points=self.key_points,
            title=self.title,
            method="extractive",
        )


def joined(texts: Iterable[str]) -> str:
    """One after the other; a pause is shown after what has no end of its own, as of speech without punctuation."""
    text = ""
    for each in texts:
        text += each if not text else f" {each}" if text.endswith(SENTENCE_END) else f" … {each}"
    return text


def sentences_of(segments: Iterable[Segment], track_offsets: Mapping[str, int]) -> Iterator[Sentence]:
    """What final segments say, in order, without the times of words: so hours of them take little room.

    ``track_offsets``: for each track, how many samples after the beginning it began (missing: 0).
    """
    for segment in in_order(segments, track_offsets):
        for said in sentences(segment):
            yield Sentence(said.segment_id, said.speaker, said.text, said.start_samples, tuple(keyed(said)))


def extract(said: Sequence[Sentence], *, points_max: int = POINTS_MAX) -> Extract:
    """The summary of what was said; of ``SENTENCES_MAX`` sentences at most."""
    said = said[:SENTENCES_MAX]
    telling = [each for each in said if len(each.keys) >= FEW_WORDS] or [each for each in said if each.words]
    points = [telling[place] for place in best([each.keys for each in telling], points_max)] or said[:points_max]
    topics = tuple(topics_of(said))
    return Extract(_title(topics, points), tuple(points), topics, tuple(action_items(said, ACTION_ITEMS_MAX)))


def topics_of(said: Iterable[Sentence]) -> list[str]:
    """The words that mark the text out, the best first: those that are said often, and long ones before short ones."""
    times: Counter[str] = Counter()
    shown: dict[str, str] = {}
    for sentence in said:
        for key, word in sentence.words:
            times[key] += 1
            shown.setdefault(key, word)
    return [shown[key] for key in heaviest(times, TOPICS_MAX)]


def heaviest(times: Mapping[str, int], count: int) -> list[str]:
    """Of two that weigh the same the one that came first."""
    return sorted(times, key=lambda key: -times[key] * min(len(key), 8))[:count]


def _title(topics: Sequence[str], points: Sequence[Sentence]) -> str:
    title = ", ".join(topics[:TITLE_WORDS]) or next((each.text for each in points if tells(each.text)), "")
    return shortened(title[:1].upper() + title[1:], TITLE_MAX_CHARS)
