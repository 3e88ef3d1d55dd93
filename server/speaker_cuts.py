"""A segment cut by who said its words. Pure: segments in, segments out; no word is lost, changed or said twice."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from itertools import groupby, pairwise
from typing import Any, TypeVar

from protocol.ids import new_segment_id
from protocol.words import Segment, Word

Who = TypeVar("Who", bound=Hashable)


def cut(segment: Segment, who: Callable[[Word], Who]) -> list[tuple[Segment, Who]] | None:
    """``segment`` in pieces, each with whose its words are; one piece when they are all of one. ``who`` is asked of
    each word once, in their order.

    The first piece keeps the id with the next revision, the others get new ids and say where they were cut from; put
    together, the texts are the text.
    None: it cannot be cut, because its words are not known or do not spell its text.
    """
    if not segment.words:
        return None
    runs = [(whose, list(words)) for whose, words in groupby(segment.words, key=who)]
    if len(runs) == 1:
        return [(segment, runs[0][0])]
    texts = _texts(segment, [len(words) for _, words in runs])
    if texts is None:
        return None
    pieces: list[tuple[Segment, Who]] = []
    for number, ((whose, words), (gap, text)) in enumerate(zip(runs, texts, strict=True)):
        first, last = number == 0, number == len(runs) - 1
        end = max(word.end_samples for word in words)
        update: dict[str, Any] = {
            "segment_id": segment.segment_id if first else new_segment_id(),
            "revision": segment.revision + 1 if first else 1,
            "text": text,
            "words": tuple(words),
            "start_samples": segment.start_samples if first else words[0].start_samples,
            "end_samples": segment.end_samples if last else min(end, runs[number + 1][1][0].start_samples),
        }
        if not first:
            update |= {"cut_from": segment.cut_from or segment.segment_id, "cut_gap": gap}
        piece = segment.model_copy(update=update)
        pieces.append((piece.overlapped(segment.overlap) if segment.overlap else piece, whose))
    return pieces


def joined(pieces: Sequence[Segment]) -> Segment:
    """Neighbours that were one segment before they were cut, one again: the first's, with the next revision."""
    first = pieces[0]
    return first.model_copy(
        update={
            "revision": first.revision + 1,
            "text": first.text + "".join(piece.cut_gap + piece.text for piece in pieces[1:]),
            "words": tuple(word for piece in pieces for word in piece.words),
            "end_samples": max(piece.end_samples for piece in pieces),
            "overlap": _overlap(pieces),
        }
    )


def _overlap(pieces: Sequence[Segment]) -> tuple[tuple[int, int], ...]:
    """Of the whole: what went over a cut is one again."""
    found: list[tuple[int, int]] = []
    cuts = {(before.end_samples, after.start_samples) for before, after in pairwise(pieces)}
    for start, end in (span for piece in pieces for span in piece.overlap):
        if found and (found[-1][1], start) in cuts:
            found[-1] = found[-1][0], end
        else:
            found.append((start, end))
    return tuple(found)


def _texts(segment: Segment, lengths: Sequence[int]) -> list[tuple[str, str]] | None:
    """The text in as many pieces as there are ``lengths``, each of so many words, and the space before each; None when
    the words do not spell it.

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
    parts = [segment.text[begin:end] for begin, end in pairwise(bounds)]
    gaps = ["", *(part[len(part.rstrip()) :] for part in parts)]
    return [(gap, part.strip()) for gap, part in zip(gaps, parts, strict=False)]
