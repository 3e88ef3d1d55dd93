"""Which embeddings belong together: agglomerative clustering by mean cosine, bounded for any number of them. Pure.

Average linkage (Sokal and Michener 1958): the two groups whose members are most alike on average become one, until none
are alike enough. As rows have unit length, that average is a product of two sums, so that a group is its sum and count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.speakers.contract import Embeddings

AT_ONCE_MAX = 1500  # groups compared with each other: 9 MB, and about a second
FREE = -1  # the tag of what may join any other

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Merge:
    """Two became one: ``gone`` joined ``kept`` while they were ``alike``."""

    kept: int
    gone: int
    alike: float


@dataclass(eq=False)
class Groups:
    """Some groups, each with the sum of its embeddings, how many there are, and a tag: two tags never join."""

    sums: Embeddings  # (groups, dim)
    counts: Ints
    tags: Ints

    def merges(self, cut: float, *, least: int = 1) -> list[Merge]:
        """All merges until no two groups are ``cut`` alike or ``least`` are left; this becomes what is left of them.

        The groups that are gone have a count of 0.
        """
        alike = self._alike()
        best = alike.max(axis=1, initial=-np.inf)
        left, done = int(np.count_nonzero(self.counts)), []
        while left > max(1, least):
            i = int(best.argmax())
            value = float(best[i])
            if value < cut or value == -np.inf:
                break
            j = int(alike[i].argmax())
            i, j = min(i, j), max(i, j)
            done.append(Merge(i, j, value))
            self._join(i, j, alike, best)
            left -= 1
        return done

    def gather(self, into: Ints) -> Ints:
        """Groups of one tag become one. ``into``: to which group each of some things belongs; the same, afterwards."""
        into = into.copy()
        for tag in set(self.tags[self.tags != FREE].tolist()):
            first, *rest = np.flatnonzero((self.tags == tag) & (self.counts > 0)).tolist()
            for other in rest:
                self.sums[first] += self.sums[other]
                self.counts[first] += self.counts[other]
                self.counts[other] = 0
                into[into == other] = first
        return into

    def _alike(self) -> Embeddings:
        means = self.sums / np.maximum(self.counts, 1)[:, None].astype(np.float32)
        alike: Embeddings = (means @ means.T).astype(np.float32)
        np.fill_diagonal(alike, -np.inf)
        tagged = self.tags != FREE
        alike[(self.tags[:, None] != self.tags) & tagged[:, None] & tagged] = -np.inf
        alike[self.counts == 0] = -np.inf
        alike[:, self.counts == 0] = -np.inf
        return alike

    def _join(self, i: int, j: int, alike: Embeddings, best: Embeddings) -> None:
        self.sums[i] += self.sums[j]
        self.counts[i] += self.counts[j]
        self.tags[i] = max(self.tags[i], self.tags[j])
        self.counts[j] = 0
        there = self.counts > 0
        row = np.full(len(self.counts), -np.inf, np.float32)
        row[there] = (self.sums[there] @ self.sums[i]) / (self.counts[there] * self.counts[i])
        row[i] = -np.inf
        if self.tags[i] != FREE:
            row[(self.tags != FREE) & (self.tags != self.tags[i])] = -np.inf
        # Whose nearest was one of the two must look again; the others only whether the new one is nearer.
        again = there & (np.maximum(alike[i], alike[j]) >= best)
        alike[i] = alike[:, i] = row
        alike[j] = alike[:, j] = -np.inf
        np.maximum(best, row, out=best)
        again[i] = True
        best[again] = alike[again].max(axis=1)
        best[j] = -np.inf


def members(start: Sequence[int] | Ints, merges: Sequence[Merge]) -> Ints:
    """To which group each of ``start`` belongs after the merges."""
    into = np.arange(max([0, *start]) + 1)
    for merge in reversed(merges):
        into[merge.gone] = into[merge.kept]
    return into[np.asarray(start, np.int64)]


def coarse(embeddings: Embeddings, tags: Ints, cut: float) -> tuple[Groups, Ints]:
    """Groups of the embeddings, ``AT_ONCE_MAX`` at most, and to which each belongs.

    One of each, where there are so few; else what is near in time and alike is put together first.
    """
    count = len(embeddings)
    pieces = max(1, -(-count // AT_ONCE_MAX))
    into, sums, counts, kept_tags = np.zeros(count, np.int64), [], [], []
    begun = 0
    for piece in np.array_split(np.arange(count), pieces):
        groups = Groups(embeddings[piece].astype(np.float32), np.ones(len(piece), np.int64), tags[piece].copy())
        if pieces > 1:
            merged = groups.merges(cut + 0.1)  # what is alike enough by any standard
            merged += groups.merges(-1.0, least=max(1, AT_ONCE_MAX // pieces))
            into[piece] = members(np.arange(len(piece)), merged)
        else:
            into[piece] = np.arange(len(piece))
        there = np.flatnonzero(groups.counts)
        into[piece] = begun + np.searchsorted(there, into[piece])
        begun += len(there)
        sums.append(groups.sums[there])
        counts.append(groups.counts[there])
        kept_tags.append(groups.tags[there])
    return Groups(np.concatenate(sums), np.concatenate(counts), np.concatenate(kept_tags)), into
