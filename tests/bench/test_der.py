from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.der import DiarizationError, Spoken, diarization_error

TALK: list[Spoken] = [(0.0, 10.0, "a"), (10.0, 20.0, "b"), (18.0, 22.0, "a")]


def test_names_do_not_matter() -> None:
    found = diarization_error(TALK, [(a, b, {"a": "2", "b": "1"}[who]) for a, b, who in TALK], 0.0)
    assert found == DiarizationError(spoken_s=24.0)
    assert found.rate == 0.0


def test_each_kind_of_error_is_counted() -> None:
    told = [(0.0, 8.0, "1"), (8.0, 20.0, "2"), (22.0, 25.0, "1")]
    found = diarization_error(TALK, told, 0.0)
    # 8 to 10 is somebody else's; 18 to 22 is missed beside b, and alone; 22 to 25 is silence.
    assert (found.confused_s, found.missed_s, found.invented_s) == pytest.approx((2.0, 4.0, 3.0))
    assert found.rate == pytest.approx(9 / 24)
    assert found.confusion == pytest.approx(2 / 24)


def test_what_is_around_a_boundary_is_not_judged() -> None:
    late = [(0.0, 10.2, "1"), (10.2, 20.0, "2"), (18.0, 22.0, "1")]
    assert diarization_error(TALK, late, 0.0).confused_s == pytest.approx(0.2)
    assert diarization_error(TALK, late, 0.25).rate == 0.0
    # Five boundaries; those at 18 and 20 s are where two speak.
    assert diarization_error(TALK, late, 0.25).spoken_s == pytest.approx(24 - 0.25 - 0.5 * 1 - 0.75 - 0.75 - 0.25)


def test_nobody_and_nothing() -> None:
    assert diarization_error([], [], 0.25) == DiarizationError()
    assert diarization_error(TALK, [], 0.0).missed_s == pytest.approx(24)
    assert diarization_error([], TALK, 0.0).invented_s == pytest.approx(24)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=25))
def test_the_matching_is_the_best_of_all(seconds: list[tuple[int, int]]) -> None:
    reference: list[Spoken] = [(float(i), i + 1.0, str(a)) for i, (a, _) in enumerate(seconds)]
    told: list[Spoken] = [(float(i), i + 1.0, str(b)) for i, (_, b) in enumerate(seconds)]
    best = max(sum(names[b] == a for a, b in seconds) for names in itertools.permutations([0, 1, 2, 3, -1]))
    found = diarization_error(reference, told, 0.0)
    assert math.isclose(found.confused_s, len(seconds) - best, abs_tol=0.02)
