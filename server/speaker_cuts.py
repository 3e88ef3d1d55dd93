"""A segment cut by who said its words. Pure: segments in, segments out; no word is lost, changed or said twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby, pairwise

from protocol.ids import new_segment_id
from protocol.words import Segment, Word

SplitBy = Callable[[Word], bool]


def cut(segment: Segment, is_theirs: SplitBy) -> list[tuple[Segment, bool]] | None:
    """``segment`` in pieces, each with whether its words are theirs; one piece when they all are, or none is.

    The first piece keeps the id with the next revision, the others get new ids; put together, the texts are the text.
    None: it cannot be cut, because its words are not known or do not spell its text.
    """
    if not segment.words:
        return None
    runs = [(theirs, list(words)) for theirs, words in groupby(segment.words, key=is_theirs)]
    if len(runs) == 1:
        return [(segment, runs[0][0])]
    texts = _texts(segment, [len(words) for _, words in runs])
    if texts is None:
        return None
    pieces: list[tuple[Segment, bool]] = []
    for number, ((theirs, words), text) in enumerate(zip(runs, texts, strict=True)):
        first, last = number == 0, number == len(runs) - 1
        end = max(word.end_samples for word in words)
        update = {
            "segment_id": segment.segment_id if first else new_segment_id(),
            "revision": segment.revision + 1 if first else 1,
            "text": text,
            "words": tuple(words),
            "start_samples": segment.start_samples if first else words[0].start_samples,
            "end_samples": segment.end_samples if last else min(end, runs[number + 1][1][0].start_samples),
        }
        pieces.append((segment.model_copy(update=update), theirs))
    return pieces


def _texts(segment: Segment, lengths: Sequence[int]) -> list[str] | None:
    """The text in as many pieces as there are ``lengths``, each of so many words; None when the words do not spell it.

    Found in the text, not joined anew: its spaces and signs stay as they are.
    """
    starts: list[int] = []
    at = 0
    for word in segment.words:
        said = word.text.strip()
        found = segment.text.find(said, at)
        if found < 0 or not said:
            return None
        starts.append(found)
        at = found + len(said)
    bounds, count = [0], 0
    for length in lengths[:-1]:
        count += length
        bounds.append(starts[count])
    bounds.append(len(segment.text))
    return [segment.text[begin:end].strip() for begin, end in pairwise(bounds)]
