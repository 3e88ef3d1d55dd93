"""One speaker whose words a person gave to somebody new, and that one, are two, however alike they are. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from asr.speakers.contract import Embeddings, SpeechWindow
from asr.speakers.groups import Ints
from asr.speakers.path import UNKNOWN, likeliest

TOLD_COUNTS = 0.05  # in cosines: of what was told before, where two are hardly to be told apart


def parted(
    told: Ints,
    embeddings: Embeddings,
    windows: Sequence[SpeechWindow],
    before: Ints,
    said: Ints,
    lengths: Ints,
    apart: Collection[tuple[int, int]],
) -> Ints:
    """``told`` as it is, but where most of the first of a pair of ``apart`` is told of its second: that is told of the
    first again, except for what is more like what a person ``said`` is the second's.

    All of one number a step; ``before``: of whom it was told until now.
    """
    told = told.copy()
    for one in sorted({first for first, _ in apart}):
        others = sorted({second for first, second in apart if first == one and np.any(said == second)})
        free = (before == one) & (said == UNKNOWN)
        gone = np.flatnonzero(free & np.isin(told, others))
        if lengths[gone].sum() * 2 <= lengths[free].sum():
            continue
        theirs = np.array([_centre(embeddings[said == other]) for other in others])
        surest = np.argsort((embeddings[gone] @ theirs.T).max(axis=1), kind="stable")[: (len(gone) + 1) // 2]
        centres = [_centre(embeddings[gone[surest]]), *theirs]
        scores = embeddings[gone] @ np.array(centres).T
        scores[:, 0] += np.float32(TOLD_COUNTS)
        path = likeliest(scores, [windows[i] for i in gone.tolist()], np.full(len(gone), UNKNOWN))
        told[gone] = np.array([one, *others])[path]
    return told


def _centre(embeddings: Embeddings) -> Embeddings:
    total = embeddings.sum(axis=0)
    centre: Embeddings = total / max(float(np.linalg.norm(total)), 1e-9)
    return centre
