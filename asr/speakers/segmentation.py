"""Where voices change and where two speak at once, told by pyannote's segmentation network.

Of at most ten seconds of sound the network says, every 17 ms, which of three voices speak: none, one, or two of them
(Plaquet and Bredin 2023, "Powerset multi-class cross entropy loss for neural speaker diarization"). Which of the three
is which means nothing beyond that sound; that one changes for another, or two overlap, does.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt

from asr.contract import Samples
from protocol.blocks import MS_SAMPLES, SAMPLE_RATE_HZ

NAME, FILE = "pyannote-segmentation", "model.int8.onnx"  # of the catalogue (``asr.models``)
CHUNK_SAMPLES = 10 * SAMPLE_RATE_HZ  # at most so much was heard at once in training
SHIFT_SAMPLES = 270  # of frames
FIRST_SAMPLES = 495  # the middle of what the first frame heard
POWERSET = ((), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2))  # who speaks, by class
VOICES = 3

# Above the one it begins, below the other it ends; chosen on the half "dev" of tests.bench.conversations.
SPEAKS = 0.55, 0.4
OVERLAPS = 0.8, 0.5
SPOKEN_LEAST_SAMPLES = 200 * MS_SAMPLES  # what is shorter is nobody's turn
GAP_LEAST_SAMPLES = 150 * MS_SAMPLES  # a voice that stops for less goes on
OVERLAP_LEAST_SAMPLES = 300 * MS_SAMPLES
CHANGE_GAP_SAMPLES = 500 * MS_SAMPLES  # behind a longer silence nothing needs to be told

Span = tuple[int, int]
Scores = npt.NDArray[np.float32]  # (frames, len(POWERSET)): logarithms of how likely each is
Active = npt.NDArray[np.bool_]  # (frames,)


class SpeakerSegmentation(Protocol):
    """One thread calls it."""

    def hear(self, sound: Samples) -> Scores:
        """What ``decoded`` wants of at most ``CHUNK_SAMPLES``: mono s16 at 16 kHz. Raises ``EngineFailed``."""


@dataclass(frozen=True, slots=True)
class Segmentation:
    """In samples, in order: ``changes``, where one voice follows another, and ``overlaps``, where two speak."""

    changes: tuple[int, ...] = ()
    overlaps: tuple[Span, ...] = ()


def decoded(scores: Scores, from_samples: int = 0) -> Segmentation:
    """What the network said of sound that begins at ``from_samples``."""
    likely = np.exp(scores - scores.max(axis=1, keepdims=True))
    likely /= likely.sum(axis=1, keepdims=True)
    active = np.stack([_speaks(likely, voice) for voice in range(VOICES)], axis=1)
    alone = active.sum(axis=1) == 1
    turns = sorted((*run, voice) for voice in range(VOICES) for run in _runs(active[:, voice] & alone))
    changes = [
        (from_samples + _at(end) + from_samples + _at(begin)) // 2
        for (_, end, before), (begin, _, after) in pairwise(turns)
        if before != after and (active[end:begin].any() or _length_samples(end, begin) <= CHANGE_GAP_SAMPLES)
    ]
    together = _runs(_hysteresis(likely[:, [len(who) > 1 for who in POWERSET]].sum(axis=1), *OVERLAPS))
    overlaps = [
        (from_samples + _at(start), from_samples + _at(end))
        for start, end in together
        if _length_samples(start, end) >= OVERLAP_LEAST_SAMPLES
    ]
    return Segmentation(tuple(changes), tuple(overlaps))


def _speaks(likely: Scores, voice: int) -> Active:
    """Whether the voice speaks, by frame: without short pauses, and then without what is too short for speech."""
    on = _hysteresis(likely[:, [voice in who for who in POWERSET]].sum(axis=1), *SPEAKS)
    for start, end in _runs(~on):
        if start > 0 and end < len(on) and _length_samples(start, end) < GAP_LEAST_SAMPLES:
            on[start:end] = True
    for start, end in _runs(on):
        if _length_samples(start, end) < SPOKEN_LEAST_SAMPLES:
            on[start:end] = False
    return on


def _hysteresis(share: npt.NDArray[np.float32], begins: float, stays: float) -> Active:
    on = np.zeros(len(share), bool)
    state = False
    for frame, value in enumerate(share.tolist()):
        state = value > (stays if state else begins)
        on[frame] = state
    return on


def _runs(on: Active) -> list[Span]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], on, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def _length_samples(start: int, end: int) -> int:
    return (end - start) * SHIFT_SAMPLES


def _at(frame: int) -> int:
    """Where a frame begins to be nearer than the one before."""
    return max(0, frame * SHIFT_SAMPLES + FIRST_SAMPLES - SHIFT_SAMPLES // 2)
