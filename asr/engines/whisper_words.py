"""From Whisper's tokens to words with times in the track."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from asr.guards import without_loops
from asr.mel import HOP_SAMPLES, Features
from protocol.words import Word

_POSITION_SAMPLES = 2 * HOP_SAMPLES  # of the encoder
_VOICED = 0.75  # 30 dB below the loudest frame, as features are scaled
_OPENING = "\"'“¿¡([{"  # stands before its word, behind a space
_OPENING_UNSPACED = "「『（《【"


class Piece(NamedTuple):
    """A word as it is written, and its tokens; whatever punctuation belongs to it is part of it."""

    text: str
    tokens: tuple[int, ...]


class Span(NamedTuple):
    """Where words may lie in the track: from ``start_samples`` to ``end_samples``; features begin at the origin."""

    start_samples: int
    end_samples: int
    origin_samples: int


def pieces_of(tokenizer: Any, tokens: Sequence[int]) -> list[Piece]:
    """The words of text tokens, by a tokenizer of faster-whisper."""
    texts, groups = tokenizer.split_to_word_tokens(list(tokens))
    pieces: list[Piece] = []
    opening = Piece("", ())  # goes before the next word: quotation marks, and blanks that are tokens of their own
    for text, group in zip(texts, groups, strict=True):
        piece = Piece(text, tuple(group))
        if not opening.text.strip():
            piece, opening = _joined(opening, piece), Piece("", ())
        bare = piece.text.strip()
        spaced = piece.text.startswith(" ")
        if not bare or (spaced and bare in _OPENING) or bare in _OPENING_UNSPACED:
            opening = _joined(opening, piece)
        elif pieces and not opening.text and not spaced and not bare[0].isalnum():
            pieces[-1] = _joined(pieces[-1], piece)
        else:
            pieces.append(_joined(opening, piece))
            opening = Piece("", ())
    if opening.text:
        pieces.append(opening)
    return [Piece(piece.text.strip(), piece.tokens) for piece in pieces if piece.text.strip()]


def _joined(a: Piece, b: Piece) -> Piece:
    # The space of a word whose quotation mark has one already.
    text = a.text + (b.text.lstrip() if a.text.strip() and b.text.startswith(" ") else b.text)
    return Piece(text, a.tokens + b.tokens)


def without_stuck(pieces: Sequence[Piece], words: Sequence[Word]) -> list[Piece]:
    """The pieces, without what the decoder repeats when it is stuck; ``words``: the same, with times."""
    kept = {id(word) for word in without_loops(words)}
    return [piece for piece, word in zip(pieces, words, strict=True) if id(word) in kept]


def guessed_words(pieces: Sequence[Piece], features: Features, span: Span, confidence: float) -> tuple[Word, ...]:
    """The words spread over what is loud in the features (mels, frames), each as long as it is written."""
    letters = np.cumsum([0, *(len(piece.text) for piece in pieces)])
    loudness = features.max(axis=0, initial=-np.inf)
    voiced = np.flatnonzero(loudness >= loudness.max(initial=-np.inf) - _VOICED)
    if not len(voiced) or not pieces:
        edges = np.linspace(span.start_samples, span.end_samples, len(pieces) + 1)
        times = [(int(a), int(b)) for a, b in itertools.pairwise(edges)]
        return _placed(pieces, times, [confidence] * len(pieces), span)
    at = letters * len(voiced) // letters[-1]
    starts = voiced[np.minimum(at[:-1], len(voiced) - 1)]
    ends = voiced[np.maximum(at[1:] - 1, 0)] + 1
    frames = zip(starts.tolist(), ends.tolist(), strict=True)
    times = [(span.origin_samples + a * HOP_SAMPLES, span.origin_samples + b * HOP_SAMPLES) for a, b in frames]
    return _placed(pieces, times, [confidence] * len(pieces), span)


def aligned_words(pieces: Sequence[Piece], alignment: Any, span: Span) -> tuple[Word, ...] | None:
    """The words at the times of CTranslate2's alignment of all their tokens; None when it has none.

    A token begins where the path through its attention (dynamic time warping, as in the code of Whisper's authors)
    first comes to it, and ends where the next one begins.
    """
    count = sum(len(piece.tokens) for piece in pieces)
    path = np.asarray(alignment.alignments, dtype=np.int64).reshape(-1, 2)
    if not len(path) or path[-1, 0] < count:
        return None
    begins = path[np.searchsorted(path[:, 0], np.arange(count + 1)), 1] * _POSITION_SAMPLES + span.origin_samples
    edges = np.cumsum([0, *(len(piece.tokens) for piece in pieces)])
    times = [(int(begins[a]), int(begins[b])) for a, b in itertools.pairwise(edges)]
    likely = np.asarray(alignment.text_token_probs, dtype=np.float64)
    sure = [float(likely[a:b].mean()) if b > a else 0.0 for a, b in itertools.pairwise(edges)]
    return _placed(pieces, times, sure, span)


def _placed(
    pieces: Sequence[Piece], times: Sequence[tuple[int, int]], confidences: Sequence[float], span: Span
) -> tuple[Word, ...]:
    """In order, and within the span."""
    words = []
    at = span.start_samples
    for piece, (start, end), confidence in zip(pieces, times, confidences, strict=True):
        start = min(max(at, start), span.end_samples)
        at = min(max(start, end), span.end_samples)
        sure = min(1.0, max(0.0, confidence))
        words.append(Word(text=piece.text, start_samples=start, end_samples=at, confidence=sure))
    return tuple(words)
