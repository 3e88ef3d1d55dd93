"""Who said which words: a list of words and labelled steps to turns. Pure.

A word is of whoever spoke in its middle. Steps are coarser than words, so a change moves by one short word into a pause
beside it, and a single short word in the midst of somebody's speech is that person's. No word is lost or moved in time.

Where the recogniser tells the speakers of an utterance apart, by tags that mean nothing beyond it, all words of one tag
are of whom the steps say most of them are.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from itertools import groupby

from asr.speakers.contract import LabelledStep, Turn
from protocol.blocks import MS_SAMPLES
from protocol.words import Word

NEAR_SAMPLES = 500 * MS_SAMPLES  # a word this near to a step is of its speaker
SHORT_SAMPLES = 400 * MS_SAMPLES  # the length of a step
PAUSE_SAMPLES = 200 * MS_SAMPLES
HEARD_BY_NEIGHBOUR = 0.5  # confidence of a word that no step was near to


def turns(words: Sequence[Word], steps: Sequence[LabelledStep], tags: Sequence[int] = ()) -> list[Turn]:
    """The words in their order as turns, of which no two neighbours have one speaker; None when no step is there.

    ``steps``: in order, and not overlapping. ``tags``: of each word; where all are 0, nobody told.
    """
    at = [_step(word, steps) for word in words]
    labels = _filled([None if step is None else step.speaker for step in at])
    tagged = len(tags) == len(words) and any(tags)
    if tagged:
        labels = _by_tags(labels, at, words, tags)
    else:
        _move_into_pauses(labels, words)
        _calm(labels, words)
    told = []
    for speaker, run in groupby(range(len(words)), key=lambda i: labels[i]):
        chosen = list(run)
        confidence = sum(_confidence(at[i], speaker) for i in chosen) / len(chosen) if speaker is not None else 0.0
        of_one = tagged and len({tags[i] for i in chosen}) == 1
        told.append(Turn(speaker, confidence, tuple(words[i] for i in chosen), of_one))
    return told


def _step(word: Word, steps: Sequence[LabelledStep]) -> LabelledStep | None:
    middle = (word.start_samples + word.end_samples) // 2
    after = bisect.bisect_right(steps, middle, key=lambda step: step.start_samples)
    near = steps[max(0, after - 1) : after + 1]
    nearest = min(near, key=lambda step: _away(step, middle), default=None)
    return nearest if nearest is not None and _away(nearest, middle) <= NEAR_SAMPLES else None


def _away(step: LabelledStep, at_samples: int) -> int:
    return max(step.start_samples - at_samples, at_samples - step.end_samples + 1, 0)


def _filled(labels: list[int | None]) -> list[int | None]:
    """Words without a step are of whoever spoke before them; at the beginning, of whoever speaks first."""
    last = next((label for label in labels if label is not None), None)
    filled = []
    for label in labels:
        last = last if label is None else label
        filled.append(last)
    return filled


def _by_tags(
    labels: Sequence[int | None], at: Sequence[LabelledStep | None], words: Sequence[Word], tags: Sequence[int]
) -> list[int | None]:
    """Words that no step is near to count for less than any other."""
    shares: dict[int, dict[int | None, int]] = {}
    for label, step, word, tag in zip(labels, at, words, tags, strict=True):
        of_tag = shares.setdefault(tag, {})
        of_tag[label] = of_tag.get(label, 0) + (0 if step is None else 1 + word.end_samples - word.start_samples)
    whose = {tag: max(of_tag, key=lambda label: of_tag[label]) for tag, of_tag in shares.items()}
    return [whose[tag] for tag in tags]


def _move_into_pauses(labels: list[int | None], words: Sequence[Word]) -> None:
    for i in range(1, len(words)):
        if labels[i] == labels[i - 1] or _pause(words, i) >= PAUSE_SAMPLES:
            continue
        before, after = _pause(words, i - 1), _pause(words, i + 1)
        # The word before the change belongs behind it, or the one behind it before.
        if i >= 2 and labels[i - 2] == labels[i - 1] and _short(words[i - 1]) and before >= max(PAUSE_SAMPLES, after):
            labels[i - 1] = labels[i]
        elif labels[i + 1 : i + 2] == [labels[i]] and _short(words[i]) and after >= PAUSE_SAMPLES:
            labels[i] = labels[i - 1]


def _calm(labels: list[int | None], words: Sequence[Word]) -> None:
    for i in range(1, len(words) - 1):
        if labels[i - 1] == labels[i + 1] != labels[i] and _short(words[i]):
            alone = min(_pause(words, i), _pause(words, i + 1)) >= PAUSE_SAMPLES
            labels[i] = labels[i] if alone else labels[i - 1]


def _pause(words: Sequence[Word], i: int) -> int:
    """Before the word ``i``; none before the first and behind the last."""
    return words[i].start_samples - words[i - 1].end_samples if 0 < i < len(words) else 0


def _short(word: Word) -> bool:
    return word.end_samples - word.start_samples <= SHORT_SAMPLES


def _confidence(step: LabelledStep | None, speaker: int) -> float:
    if step is None or step.speaker != speaker:
        return HEARD_BY_NEIGHBOUR
    return step.confidence
