from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.speakers import groups
from asr.speakers.groups import FREE, LARGER, Groups, coarse, members
from tests.asr.speakers.voices import alike, said_by


def singles(speakers: list[int], tags: list[int] | None = None, seed: int = 0) -> Groups:
    given_tags = np.array(tags) if tags is not None else np.full(len(speakers), FREE)
    return Groups(said_by(speakers, seed), np.ones(len(speakers), np.int64), given_tags)


def by_hand(embeddings: np.ndarray, cut: float) -> list[set[int]]:
    """Average linkage as its definition has it: all pairs, looked at anew each time."""
    alike = embeddings.astype(np.float64) @ embeddings.T.astype(np.float64)
    parts = [{i} for i in range(len(embeddings))]
    while len(parts) > 1:
        pairs = [(np.mean([alike[i, j] for i in a for j in b]), a, b) for a in parts for b in parts if a is not b]
        best, a, b = max(pairs, key=lambda pair: pair[0])
        if best < cut:
            break
        parts = [part for part in parts if part not in (a, b)] + [a | b]
    return parts


def parts(into: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(into == group).tolist()) for group in np.unique(into)}


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.integers(0, 1000), st.floats(0.1, 0.95))
def test_it_is_average_linkage(speakers: list[int], seed: int, cut: float) -> None:
    made = singles(speakers, seed=seed)
    expected = {frozenset(part) for part in by_hand(made.sums.copy(), cut)}
    into = members(np.arange(len(speakers)), made.merges(cut))
    assert parts(into) == expected


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 2)), min_size=1, max_size=30), st.floats(-1, 0.9))
def test_two_tags_never_join(rows: list[tuple[int, int]], cut: float) -> None:
    tags = np.array([tag for _, tag in rows])
    made = singles([speaker for speaker, _ in rows], tags.tolist())
    into = made.gather(np.arange(len(rows)))
    into = members(into, made.merges(cut))
    for part in parts(into):
        assert len({int(tags[i]) for i in part if tags[i] != FREE}) <= 1
    for tag in set(tags.tolist()) - {FREE}:
        assert len(np.unique(into[tags == tag])) == 1


def test_two_larger_groups_must_be_as_alike_as_each_is_to_itself() -> None:
    near = alike(LARGER)  # 0.7, where each is 0.9 like itself
    for own, left in ((0.5, 1), (0.7, 1), (0.85, 2), (0.95, 2)):
        made = Groups(near.copy(), np.ones(len(near), np.int64), np.full(len(near), FREE), scale=0.6 / own)
        into = members(np.arange(len(near)), made.merges(0.6))
        assert len(np.unique(into)) == left
    few = alike(LARGER // 2 - 1)  # too few to know how much each is like itself
    made = Groups(few.copy(), np.ones(len(few), np.int64), np.full(len(few), FREE), scale=0.6 / 0.95)
    assert len(np.unique(members(np.arange(len(few)), made.merges(0.6)))) == 1


@given(st.integers(0, 1000))
def test_nor_do_larger_groups_of_two_tags_whatever_is_rounded(seed: int) -> None:
    """What is as alike both ways was not so in the last bit, and groups were joined that had nothing to do with it."""
    random = np.random.default_rng(seed)
    count, tags = 12, np.array([at if at % 2 else FREE for at in range(12)])
    rows = (random.normal(size=16) + 0.3 * random.normal(size=(count, 2 * LARGER, 16))).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=2, keepdims=True)
    made = Groups(rows.sum(axis=1), np.full(count, 2 * LARGER), tags.copy(), scale=0.9)
    made.merges(-1.0)
    assert sorted(made.tags[made.counts > 0].tolist()) == [1, 3, 5, 7, 9, 11]


def test_as_many_are_left_as_asked_for() -> None:
    made = singles([0, 0, 1, 1, 2, 2, 3])
    made.merges(-1.0, least=3)
    assert np.count_nonzero(made.counts) == 3
    assert made.counts.sum() == 7


def test_many_are_put_together_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "AT_ONCE_MAX", 40)
    speakers = [0] * 100 + [1] * 100 + [0] * 100
    made, into = coarse(said_by(speakers), np.full(300, FREE), 0.6)
    assert len(made.counts) <= 40
    assert made.counts.tolist() == np.bincount(into).tolist()
    joined = members(into, made.merges(0.6))
    assert parts(joined) == {frozenset({*range(100), *range(200, 300)}), frozenset(range(100, 200))}
