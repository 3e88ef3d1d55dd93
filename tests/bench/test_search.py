from __future__ import annotations

import pytest

from tests.bench.search import FINE, Search, largest


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 7, 24, 100])
def test_the_largest_that_passes_is_found(limit: int) -> None:
    tried: list[int] = []

    def attempt(count: int) -> tuple[bool, float]:
        tried.append(count)
        return count <= limit, min(1.0, count / max(limit, 1))

    found = largest(attempt)
    assert limit - limit // FINE <= found <= limit
    assert len(tried) == len(set(tried)) <= 12
    assert limit == 0 or found in tried


def test_how_busy_it_was_never_decides() -> None:
    assert largest(lambda count: (count <= 10, 0.0)) == 10
    assert largest(lambda count: (count <= 10, 1.0)) == 10
    assert largest(lambda count: (count <= 10, 0.001 * count)) == 10


def test_there_is_a_limit() -> None:
    assert largest(lambda count: (True, 0.1), limit=40) == 40


def test_luck_does_not_count() -> None:
    search = Search()
    search.tried(4, passed=False, busy=1.0)
    search.tried(6, passed=True, busy=1.0)
    assert search.passed < 4
