from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from asr.speakers.path import CHANGE_COST, PAUSE_COST, UNKNOWN, likeliest, numbers_kept, sureness
from tests.asr.speakers.voices import windows


@given(
    st.lists(st.lists(st.floats(0, 1, width=16), min_size=3, max_size=3), min_size=1, max_size=6),
    st.sets(st.integers(1, 5)),
    st.dictionaries(st.integers(0, 5), st.integers(0, 2), max_size=2),
)
def test_it_is_the_best_of_all_ways(scores: list[list[float]], pauses: set[int], said: dict[int, int]) -> None:
    count = len(scores)
    fixed = np.array([said.get(i, UNKNOWN) for i in range(count)])
    steps = windows(count, sorted(pauses))

    def worth(path: tuple[int, ...]) -> float:
        told = sum(scores[i][who] for i, who in enumerate(path))
        changes = [i for i in range(1, count) if path[i] != path[i - 1]]
        return told - sum(PAUSE_COST if i in pauses else CHANGE_COST for i in changes)

    allowed = [
        path
        for path in itertools.product(range(3), repeat=count)
        if all(path[i] == who for i, who in said.items() if i < count)
    ]
    found = likeliest(np.array(scores, np.float32), steps, fixed)
    assert tuple(found.tolist()) in allowed
    assert abs(worth(tuple(found.tolist())) - max(map(worth, allowed))) < 1e-4


def test_a_clear_voice_is_sure_and_one_between_two_is_not() -> None:
    scores = np.array([[0.9, 0.4], [0.7, 0.7], [0.4, 0.9]], np.float32)
    assert sureness(scores, np.array([0, 0, 0])).tolist() == [1.0, 0.5, 0.0]
    assert sureness(np.array([[0.8]], np.float32), np.array([0])).tolist() == [1.0]


def test_numbers_stay_with_those_who_had_them() -> None:
    path, lengths = np.array([0, 0, 1, 1, 2]), np.ones(5, np.int64)
    before = np.array([4, 4, 4, 2, UNKNOWN])
    assert numbers_kept(path, [-1, -1, -1], before, lengths, 5) == [4, 2, 5]
    assert numbers_kept(path, [-1, 4, -1], before, lengths, 5) == [5, 4, 6]  # a person said so


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 5)), min_size=1, max_size=20))
def test_no_two_have_one_number(rows: list[tuple[int, int]]) -> None:
    path, before = np.array(rows).T
    numbers = numbers_kept(path, [-1] * 4, before, np.ones(len(rows), np.int64), 6)
    heard = [numbers[who] for who in set(path.tolist())]
    assert len(set(heard)) == len(heard)
    assert min(heard) >= 0
