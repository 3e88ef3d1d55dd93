"""Voices that people gave different names are two, however alike they are. Pure."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from asr.speakers.contract import Embeddings
from asr.speakers.groups import Ints
from asr.speakers.path import UNKNOWN


def swallowed(told: Ints, before: Ints, said: Ints, lengths: Ints, named: Collection[int]) -> bool:
    """Whether most of what was told ``before`` of one of ``named`` is ``told`` of another speaker now."""
    for number in named:
        mine = (before == number) & (said == UNKNOWN)
        if mine.any() and np.bincount(told[mine], lengths[mine]).argmax() != number:
            return True
    return False


def cores(embeddings: Embeddings, before: Ints, said: Ints, named: Collection[int]) -> Ints:
    """``said``, and besides the half of what was told of each of ``named`` that is most surely theirs: most like them,
    measured by how much less it is like the others.
    """
    held = said.copy()
    there = [number for number in named if np.any((before == number) & (said == UNKNOWN))]
    centres = np.array([_centre(embeddings[(before == number) & (said == UNKNOWN)]) for number in there])
    for place, number in enumerate(there):
        mine = np.flatnonzero((before == number) & (said == UNKNOWN))
        alike = embeddings[mine] @ centres.T
        rivals = np.delete(alike, place, axis=1).max(axis=1, initial=0.0)
        surest = np.argsort(rivals - alike[:, place], kind="stable")
        held[mine[surest[: (len(mine) + 1) // 2]]] = number
    return held


def _centre(embeddings: Embeddings) -> Embeddings:
    total = embeddings.sum(axis=0)
    centre: Embeddings = total / max(float(np.linalg.norm(total)), 1e-9)
    return centre
