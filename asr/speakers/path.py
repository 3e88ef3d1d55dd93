"""The way of the talk through the speakers: smooth, true to what people said, in numbers that stay. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from asr.speakers.contract import Embeddings, SpeechWindow
from asr.speakers.groups import FREE, Ints

CHANGE_COST = 0.12  # in cosines: of another speaker in the next step
PAUSE_COST = 0.04  # the same behind a pause
SURE_MARGIN = 0.15  # so much more like the one than the next best: as sure as it gets
UNKNOWN = FREE


def likeliest(scores: Embeddings, windows: Sequence[SpeechWindow], fixed: Ints) -> Ints:
    """Of each step the speaker on the best way (Viterbi). ``scores`` (steps, speakers); ``fixed``: -1 where free."""
    steps, speakers = scores.shape
    scores = scores.copy()
    held = np.flatnonzero(fixed != UNKNOWN)
    free = scores[held, fixed[held]]
    scores[held] = -1e6
    scores[held, fixed[held]] = free
    came = np.zeros((steps, speakers), np.int16)
    best = scores[0].astype(np.float64)
    everyone = np.arange(speakers)
    for step in range(1, steps):
        pause = windows[step].start_samples > windows[step - 1].end_samples
        leader = int(best.argmax())
        change = best[leader] - (PAUSE_COST if pause else CHANGE_COST)
        stay = best >= change
        came[step] = np.where(stay, everyone, leader)
        best = np.where(stay, best, change) + scores[step]
    path = np.empty(steps, np.int64)
    path[-1] = int(best.argmax())
    for step in range(steps - 1, 0, -1):
        path[step - 1] = came[step, path[step]]
    return path


def sureness(scores: Embeddings, path: Ints) -> npt.NDArray[np.float64]:
    """0..1 of each step: by how much its voice is more like its speaker than like the next best."""
    rows = np.arange(len(path))
    own = scores[rows, path].astype(np.float64)
    others = scores.copy()
    others[rows, path] = -1.0
    rival = np.maximum(others.max(axis=1), 0.0) if scores.shape[1] > 1 else np.zeros(len(path))
    return np.clip(0.5 + 0.5 * (own - rival) / SURE_MARGIN, 0.0, 1.0)


def numbers_kept(path: Ints, tags: Sequence[int], before: Ints, lengths: Ints, first_new: int) -> list[int]:
    """The number of each speaker on the ``path``: its tag; else that by which most of its steps were told ``before``.

    No two have one number; new ones are counted from ``first_new``, in the order in which they first speak.
    """
    numbers = [tag if tag != FREE else UNKNOWN for tag in tags]
    common = np.zeros((len(tags), int(before.max(initial=-1)) + 1))
    known = before != UNKNOWN
    np.add.at(common, (path[known], before[known]), lengths[known])
    common[[i for i, number in enumerate(numbers) if number != UNKNOWN]] = 0
    common[:, [number for number in numbers if 0 <= number < common.shape[1]]] = 0
    while common.size and common.max() > 0:
        who, number = np.unravel_index(int(common.argmax()), common.shape)
        numbers[int(who)] = int(number)
        common[who] = common[:, number] = 0
    for who in dict.fromkeys(path.tolist()):
        if numbers[who] == UNKNOWN:
            numbers[who], first_new = first_new, first_new + 1
    return numbers
