"""Voices that people gave different names are two, however alike they are, and however few there are to be. Pure."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from asr.speakers.contract import Embeddings
from asr.speakers.groups import FREE, Groups, Ints, members
from asr.speakers.path import UNKNOWN


def swallowed(told: Ints, before: Ints, said: Ints, lengths: Ints, named: Collection[int]) -> bool:
    """Whether most of what was told ``before`` of one of ``named`` is ``told`` of another speaker now."""
    for number in named:
        mine = (before == number) & (said == UNKNOWN)
        if mine.any() and np.bincount(told[mine], lengths[mine]).argmax() != number:
            return True
    return False


def absorbed(told: Ints, before: Ints, said: Ints, lengths: Ints, named: Collection[int]) -> bool:
    """Whether most of what was told ``before`` of somebody without a name is ``told`` of one of ``named`` now."""
    for number in set(before[before != UNKNOWN].tolist()) - set(named):
        mine = (before == number) & (said == UNKNOWN)
        if mine.any() and np.bincount(told[mine], lengths[mine]).argmax() in named:
            return True
    return False


def joined(told: Ints, embeddings: Embeddings, keep: Collection[int], limit: int, scale: float) -> Ints:
    """``told`` as it is, but no more than ``limit`` speakers, as far as those to ``keep`` let it: each other one that
    is too many joins whom it is most like.
    """
    numbers, of = np.unique(told, return_inverse=True)
    sums = np.array([embeddings[of == at].sum(axis=0) for at in range(len(numbers))])
    tags = np.where(np.isin(numbers, list(keep)), numbers, FREE)
    merges = Groups(sums, np.bincount(of), tags.copy(), scale).merges(-1.0, least=limit)
    into = members(np.arange(len(numbers)), merges)
    called = numbers[into]
    for at in np.flatnonzero(tags != FREE):
        called[into == into[at]] = numbers[at]
    return called[of]


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
