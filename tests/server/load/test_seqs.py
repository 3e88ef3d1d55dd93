from __future__ import annotations

import pytest

from server.load.seqs import Seqs


@pytest.mark.parametrize(
    ("told", "last_seq", "missing", "doubled", "misplaced"),
    [
        ([1, 2, 3], 3, 0, 0, 0),
        ([], 3, 3, 0, 0),
        ([1, 3], 3, 1, 0, 0),
        ([1, 2], 4, 2, 0, 0),
        ([1, 2, 2, 3, 3, 3], 3, 0, 3, 0),
        ([1, 3, 2], 3, 0, 0, 1),
        ([1, 2, 3, 4], 2, 0, 0, 0),  # what came after the end was looked at is no fault
        ([0, -1, 1 << 60], 0, 0, 0, 0),
    ],
)
def test_what_a_listener_was_told(told: list[int], last_seq: int, missing: int, doubled: int, misplaced: int) -> None:
    seqs = Seqs()
    for seq in told:
        seqs.take(seq)
    assert (seqs.missing(last_seq), seqs.doubled, seqs.misplaced) == (missing, doubled, misplaced)
