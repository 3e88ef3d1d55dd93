"""What was talked about, part by part: a transcript cut into stretches, each with a title and a line from it. Pure.

No model is asked, so the same words always give the same topics, at once and offline. A stretch ends at the first
sentence's end or pause after about ``TOPIC_CHARS``. What is said later changes none of those before: a topic that was
seen stays, with its id, and only the last one grows.

A word marks a topic out by how often it stands there, how few of the topics before have it, and how long it is:
``times * log2(1 + topics so far / those with it) * min(letters, 8) / 8``. The title is the four best; the summary is
the sentence whose words weigh most, by the root of their number.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from protocol.blocks import SAMPLE_RATE_HZ
from protocol.words import Segment, Word
from server.exports import SENTENCE_END, clean, in_order, timed_pieces
from server.personal_data.found import PLACEHOLDER, tells
from server.store.search_words import tokens

TOPIC_CHARS = 750
TOPIC_MAX_CHARS = 2 * TOPIC_CHARS  # where nobody pauses and no sentence ends
PAUSE_SAMPLES = SAMPLE_RATE_HZ * 8 // 10
SENTENCE_MAX_CHARS = 300  # without punctuation a sentence is what is said in one breath, and no longer than this
TITLE_WORDS = 4
TITLE_MAX_CHARS = 100
SUMMARY_MAX_CHARS = 200
# So long without a word of theirs, and the next ones stand apart.
RUN_PAUSE_SAMPLES = 5 * SAMPLE_RATE_HZ

# Words that say nothing of the matter, in the languages most spoken here; in others the weights alone decide.
_COMMON_TEXT = """
    a about after again all also am an and any are as at back be because been before being but by can come could
    did do does doing don done down each even every few first for from get give go going good got had has have having he
    her here hers him his how i if in into is it its just kind know let like little ll look lot made make many may maybe
    me mean might more most much must my need never no not now of off oh ok okay on one only or other our out over own
    people please put quite re really right said same say see she should so some something still such sure take tell
    than thank thanks that the their them then there these they thing things think this those three through time to too
    two uh um under until up us use ve very want was way we well were what when where which while who why will with
    would yeah yes yet you your
    aber als am auch auf aus bei bin bis da dann das dass dem den der des die doch du ein eine einem einen einer er es
    fur haben hat ich ihr im in ist ja kann man mit nach nicht noch nur oder schon sein sich sie sind so und uns von vor
    war was wenn wie wir wird zu zum zur
    au aux avec ce ces cette dans de des donc du elle en est et etre il ils je la le les leur mais meme mon nous on ou
    par pas plus pour que qui sa se ses si son sont sur tout tres un une vous
    al como con de del el ella en era es esta este esto hay la las lo los mas me mi muy no o para pero por porque que se
    ser si sin sobre su sus tambien te todo un una uno y ya
"""
COMMON = frozenset(_COMMON_TEXT.split())


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence, or what was said in one breath. Times are samples since the transcript began."""

    segment_id: str
    first_word: int  # of the segment's
    speaker: str
    label: str
    text: str
    words: tuple[Word, ...]

    @property
    def start_samples(self) -> int:
        return self.words[0].start_samples

    @property
    def end_samples(self) -> int:
        return max(word.end_samples for word in self.words)


@dataclass(frozen=True, slots=True)
class Part:
    """What one segment has in a topic."""

    segment_id: str
    speaker: str
    label: str
    text: str
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Topic:
    id: str
    title: str
    summary: str
    start_samples: int
    end_samples: int
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        return " ".join(part.text for part in self.parts)


def topics_of(segments: Iterable[Segment], track_offsets: Mapping[str, int]) -> list[Topic]:
    """``track_offsets``: for each track, how many samples after the transcript's beginning it began (missing: 0)."""
    seen: Counter[str] = Counter()  # in how many of the topics so far each word stands
    found = []
    said = [each for segment in in_order(segments, track_offsets) for each in sentences(segment)]
    for number, stretch in enumerate(_stretches(said), start=1):
        words = [pair for each in stretch for pair in keyed(each)]
        times = Counter(key for key, _ in words)
        seen.update(times.keys())
        weights = {
            key: count * math.log2(1 + number / seen[key]) * min(len(key), 8) / 8 for key, count in times.items()
        }
        found.append(
            Topic(
                id=_id(stretch[0]),
                title=_title(stretch, dict(reversed(words)), weights),
                summary=_summary(stretch, weights),
                start_samples=stretch[0].start_samples,
                end_samples=max(each.end_samples for each in stretch),
                parts=tuple(_parts(stretch)),
            )
        )
    return found


def runs_of(topic: Topic) -> list[tuple[Part, list[Word]]]:
    """The topic's words by who says them, in turns; the part is the one that a turn begins with."""
    runs: list[tuple[Part, list[Word]]] = []
    for part in topic.parts:
        for word in part.words:
            goes_on = (
                runs
                and runs[-1][0].label == part.label
                and word.start_samples - runs[-1][1][-1].end_samples <= RUN_PAUSE_SAMPLES
            )
            if goes_on:
                runs[-1][1].append(word)
            else:
                runs.append((part, [word]))
    return runs


def sentences(segment: Segment) -> Iterator[Said]:
    """What the segment says, sentence by sentence, or breath by breath."""
    pieces = timed_pieces(segment)
    begin = length = 0
    for at, piece in enumerate(pieces, start=1):
        length += len(piece.text)
        if at == len(pieces) or piece.text.rstrip().endswith(SENTENCE_END) or length >= SENTENCE_MAX_CHARS:
            words = tuple(word.model_copy(update={"text": clean(word.text)}) for word in pieces[begin:at])
            text = clean("".join(word.text for word in pieces[begin:at]))
            if text:
                yield Said(segment.segment_id, begin, clean(segment.speaker or ""), segment.label or "", text, words)
            begin, length = at, 0


def _stretches(said: Sequence[Said]) -> Iterator[list[Said]]:
    stretch: list[Said] = []
    chars = 0
    for each in said:
        if stretch and _ends(stretch[-1], each, chars):
            yield stretch
            stretch, chars = [], 0
        stretch.append(each)
        chars += len(each.text) + 1
    if stretch:
        yield stretch


def _ends(before: Said, following: Said, chars: int) -> bool:
    if chars < TOPIC_CHARS:
        return False
    return (
        before.text.endswith(SENTENCE_END)
        or following.start_samples - before.end_samples >= PAUSE_SAMPLES
        or chars + len(following.text) > TOPIC_MAX_CHARS
    )


def _id(first: Said) -> str:
    return f"top_{hashlib.sha256(f'{first.segment_id}:{first.first_word}'.encode()).hexdigest()[:16]}"


def keyed(said: Said) -> Iterator[tuple[str, str]]:
    """Each word that may mark a text out, as it is counted and as it is shown."""
    for word in said.words:
        if PLACEHOLDER in word.text:
            continue
        found = list(tokens(word.text))
        key = "".join(token.word for token in found)
        long_enough = len(key) >= (3 if key.isascii() else 2)
        if long_enough and not key.isdigit() and not any(token.word in COMMON for token in found):
            yield key, word.text[found[0].start : found[-1].end]


def _title(stretch: Sequence[Said], shown: Mapping[str, str], weights: Mapping[str, float]) -> str:
    """The best words, in the order they first come; ``weights`` are in that order, so of two equal the first wins."""
    best = sorted(weights, key=lambda key: -weights[key])[:TITLE_WORDS]
    title = ", ".join(shown[key] for key in weights if key in best) or next(
        (each.text for each in stretch if tells(each.text)), ""
    )
    return shortened(title[:1].upper() + title[1:], TITLE_MAX_CHARS)


def _summary(stretch: Sequence[Said], weights: Mapping[str, float]) -> str:
    def weight(said: Said) -> float:
        return sum(weights[key] for key in {key for key, _ in keyed(said)}) / math.sqrt(len(said.words))

    return shortened(max(stretch, key=weight).text, SUMMARY_MAX_CHARS)


def shortened(text: str, max_chars: int) -> str:
    """``text`` as it is, or cut at a space, if there is one, and with an ellipsis."""
    if len(text) <= max_chars:
        return text
    space = text.rfind(" ", max_chars // 2, max_chars)
    return text[: space if space > 0 else max_chars - 1] + "…"


def _parts(stretch: Sequence[Said]) -> Iterator[Part]:
    for segment_id, group in groupby(stretch, key=lambda said: said.segment_id):
        said = list(group)
        words = tuple(word for each in said for word in each.words)
        yield Part(segment_id, said[0].speaker, said[0].label, " ".join(each.text for each in said), words)
