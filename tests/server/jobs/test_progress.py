from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.blocks import SAMPLE_RATE_HZ
from server.jobs.progress import CHUNK_SAMPLES, completed, ended_early, waiting, working

MINUTE = 60 * SAMPLE_RATE_HZ


def test_it_counts_in_minutes_and_says_how_far_all_of_it_is() -> None:
    found = working(2 * MINUTE, 5 * MINUTE)
    assert found.message == "Processing chunk 3/5 (40%)"
    assert (found.percent, found.chunk, found.chunks, found.chunk_percent) == (40, 3, 5, 0)


def test_the_last_chunk_is_shorter() -> None:
    found = working(MINUTE + MINUTE // 4, MINUTE + MINUTE // 2)
    assert (found.chunk, found.chunks, found.chunk_percent) == (2, 2, 50)


def test_a_file_that_does_not_say_how_long_it_is_has_no_percentage() -> None:
    found = working(90 * SAMPLE_RATE_HZ, None)
    assert (found.message, found.percent, found.chunk, found.chunks) == ("Processing chunk 2", 0, 2, 0)
    assert found.chunk_percent == 50


@given(st.integers(0, 10**9), st.integers(1, 10**9))
def test_nothing_is_ever_said_to_be_more_than_there_is(done: int, total: int) -> None:
    found = working(done, total)
    assert 1 <= found.chunk <= found.chunks
    assert 0 <= found.percent <= 99
    assert 0 <= found.chunk_percent <= 100


@given(st.integers(1, 10**8), st.lists(st.integers(0, 10**8), min_size=2))
def test_it_never_goes_back(total: int, steps: list[int]) -> None:
    told = [working(done, total) for done in sorted(steps)]
    for before, after in itertools.pairwise(told):
        assert (before.percent, before.chunk) <= (after.percent, after.chunk)


@pytest.mark.parametrize("length", [0, 1, CHUNK_SAMPLES, CHUNK_SAMPLES + 1])
def test_what_is_complete_is_so_in_all_numbers(length: int) -> None:
    found = completed(length)
    assert (found.percent, found.chunk_percent, found.chunk) == (100, 100, found.chunks)


def test_what_waits_or_ended_early_is_at_nothing() -> None:
    assert waiting().percent == 0
    assert ended_early("failed", "why", 90 * SAMPLE_RATE_HZ).message == "why"
