"""Which embeddings belong together: agglomerative clustering by mean cosine, bounded for any number of them. Pure.

Average linkage (Sokal and Michener 1958): the two groups whose members are most alike on average become one, until none
are alike enough. As rows have unit length, that average is a product of two sums, so that a group is its sum and count.

How alike two windows of one voice are differs: a clear, even voice is so like itself that another may be as like it as
some voices are to themselves. So two larger groups must besides be nearly as like each other as each is to itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.speakers.contract import Embeddings

AT_ONCE_MAX = 1500  # groups compared with each other: 9 MB, and about a second
LARGER = 10  # members from which on it is known how much a group is like itself
NO_SCALE = 1e9
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
    """Some groups, each with the sum of its embeddings, how many there are, and a tag: two tags never join.

    ``scale``: two larger groups count as no more alike than so many times the share of their own that it is.
    """

    sums: Embeddings  # (groups, dim)
    counts: Ints
    tags: Ints
    scale: float = NO_SCALE

    def merges(self, cut: float, *, least: int = 1) -> list[Merge]:
        """All merges until no two groups are ``cut`` alike or ``least`` are left; this becomes what is left of them.

        The groups that are gone have a count of 0.
        """
        inverse = self._inverse_own()
        alike = self._alike(inverse)
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
            self._join(i, j, alike, best, inverse)
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

    def _alike(self, inverse: Embeddings) -> Embeddings:
        means = self.sums / np.maximum(self.counts, 1)[:, None].astype(np.float32)
        alike: Embeddings = (means @ means.T).astype(np.float32)
        # To the last bit the same for (i, j) and (j, i): ``merges`` finds by it whose nearest group is gone.
        share = np.minimum(self.scale * (inverse[:, None] * inverse), 1)
        alike = np.maximum(alike, alike.T)
        np.multiply(alike, share, out=alike, where=alike > 0)
        np.fill_diagonal(alike, -np.inf)
        tagged = self.tags != FREE
        alike[(self.tags[:, None] != self.tags) & tagged[:, None] & tagged] = -np.inf
        alike[self.counts == 0] = -np.inf
        alike[:, self.counts == 0] = -np.inf
        return alike

    def _inverse_own(self) -> Embeddings:
        return np.array(
            [_inverse_own(*group) for group in zip(self.sums, self.counts.tolist(), strict=True)], np.float32
        )

    def _join(self, i: int, j: int, alike: Embeddings, best: Embeddings, inverse: Embeddings) -> None:
        self.sums[i] += self.sums[j]
        self.counts[i] += self.counts[j]
        self.tags[i] = max(self.tags[i], self.tags[j])
        self.counts[j] = 0
        inverse[i] = _inverse_own(self.sums[i], int(self.counts[i]))
        there = self.counts > 0
        row = np.full(len(self.counts), -np.inf, np.float32)
        row[there] = (self.sums[there] @ self.sums[i]) / (self.counts[there] * self.counts[i])
        np.multiply(row, np.minimum(self.scale * (inverse[i] * inverse), 1), out=row, where=row > 0)
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


def _inverse_own(total: Embeddings, count: int) -> float:
    """One by the root of how much a group is like itself: the mean cosine of two members. Large for a small one."""
    if count < LARGER:
        return 1e3
    own = (float(total @ total) - count) / (count * (count - 1))
    return 1 / float(np.sqrt(max(own, 1e-6)))


def members(start: Sequence[int] | Ints, merges: Sequence[Merge]) -> Ints:
    """To which group each of ``start`` belongs after the merges."""
    into = np.arange(max([0, *start]) + 1)
    for merge in reversed(merges):
        into[merge.gone] = into[merge.kept]
    return into[np.asarray(start, np.int64)]


def coarse(embeddings: Embeddings, tags: Ints, cut: float, scale: float = NO_SCALE) -> tuple[Groups, Ints]:
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
    return Groups(np.concatenate(sums), np.concatenate(counts), np.concatenate(kept_tags), scale), into
